# What a pod of a Kubernetes pool needs: Node 24 and this repository, with its packages. Training brings the rest:
#   docker build -f containers/runner.Dockerfile -t REGISTRY/contrail:1 .
#   docker build -f containers/runner.Dockerfile --build-arg BASE=REGISTRY/torch-with-node -t REGISTRY/contrail-torch:1 .
ARG BASE=node:24-bookworm
FROM ${BASE}
WORKDIR /opt/contrail
COPY package.json package-lock.json .npmrc ./
# Neither the database, which is the server's, nor a second Node, nor tools of development.
RUN npm ci --omit=dev --omit=optional && npm cache clean --force
COPY bin ./bin
COPY src ./src
COPY python ./python
ENV PYTHONPATH=/opt/contrail/python
