/**
 * Where a cluster is and who we are there: read from the kubeconfig files that kubectl reads, in the same order and with the same
 * rules for merging them, or from the service account of the pod that the server itself runs in.
 *
 * The official client does this too, and brings 66 packages and 83 MB along for it. What clusters give out today is
 * certificates, tokens, files of tokens and programs that print credentials (`exec`, which EKS, GKE and AKS use); that is
 * what is read here. The providers built into older clients (`auth-provider`) and proxies are refused by name.
 */
import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { delimiter, dirname, isAbsolute, join, resolve } from "node:path";
import { parse } from "yaml";
import { EngineUnreachable } from "../job-engine.ts";

export interface ExecPlugin {
  readonly apiVersion: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly installHint: string | undefined;
  /** Handed to the program, where it asks for it. */
  readonly cluster: unknown;
}

export interface ClusterAccess {
  readonly server: URL;
  /** What the context or the service account works in. */
  readonly namespace: string | undefined;
  readonly ca: string | undefined;
  /** Said to be fine by the kubeconfig. */
  readonly insecure: boolean;
  readonly serverName: string | undefined;
  readonly certificate: { readonly cert: string; readonly key: string } | undefined;
  readonly token: string | undefined;
  /** Read again whenever it is asked for: such tokens are exchanged while they are used. */
  readonly tokenFile: string | undefined;
  readonly basic: { readonly user: string; readonly password: string } | undefined;
  readonly exec: ExecPlugin | undefined;
  /** For people. */
  readonly source: string;
}

export interface WhereToLook {
  /** Of the pool. */
  readonly kubeconfig: string | null;
  readonly context: string | null;
  readonly environment: NodeJS.ProcessEnv;
  /** Other than where Kubernetes puts it, for tests. */
  readonly serviceAccount?: string;
}

const SERVICE_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount";

/** @throws EngineUnreachable, with the file and the field that is at fault */
export function readClusterAccess(where: WhereToLook): ClusterAccess {
  const files = filesOf(where);
  const read = files.map(readFile).filter((file) => file !== undefined);
  if (read.length > 0) return ofKubeconfig(read, where.context);
  const inside = where.kubeconfig === null ? ofServiceAccount(where) : undefined;
  if (inside !== undefined) return inside;
  throw new EngineUnreachable(
    `no kubeconfig was found (looked for ${files.join(", ")}), and this is no pod. ` +
      "Name one in the pool (kubeconfig: /path), or set KUBECONFIG for the server.",
  );
}

function filesOf({ kubeconfig, environment }: WhereToLook): string[] {
  if (kubeconfig !== null) return [kubeconfig];
  const named = (environment.KUBECONFIG ?? "").split(delimiter).filter((path) => path !== "");
  return named.length > 0 ? named : [join(environment.HOME ?? homedir(), ".kube", "config")];
}

type Fields = Readonly<Record<string, unknown>>;
interface File {
  readonly path: string;
  readonly content: Fields;
}

const isFields = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const textOf = (fields: Fields, name: string): string | undefined => {
  const value = fields[name];
  return typeof value === "string" && value !== "" ? value : undefined;
};

function readFile(path: string): File | undefined {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw new EngineUnreachable(`${path} cannot be read: ${(error as Error).message}`);
  }
  try {
    const content: unknown = parse(text);
    return { path, content: isFields(content) ? content : {} };
  } catch (error) {
    throw new EngineUnreachable(`${path} is no YAML: ${(error as Error).message}`);
  }
}

/** The first file that has an entry of this name wins, as with kubectl. */
function entry(files: readonly File[], list: string, field: string, name: string) {
  for (const { path, content } of files) {
    const items: unknown = content[list];
    const found = (Array.isArray(items) ? items : []).find(
      (item) => isFields(item) && item.name === name,
    );
    if (found !== undefined) {
      const value: unknown = found[field];
      return { path, fields: isFields(value) ? value : {} };
    }
  }
  return undefined;
}

function ofKubeconfig(files: readonly File[], wanted: string | null): ClusterAccess {
  const paths = files.map(({ path }) => path).join(", ");
  const current = files.map(({ content }) => textOf(content, "current-context")).find(Boolean);
  const name = wanted ?? current;
  if (name === undefined)
    throw new EngineUnreachable(
      `${paths} names no current-context. Name one in the pool (context: …).`,
    );
  const context = entry(files, "contexts", "context", name);
  if (context === undefined)
    throw new EngineUnreachable(
      `${paths} has no context "${name}". There is: ${namesIn(files, "contexts")}.`,
    );
  const clusterName = textOf(context.fields, "cluster") ?? "";
  const cluster = entry(files, "clusters", "cluster", clusterName);
  if (cluster === undefined)
    throw new EngineUnreachable(
      `${context.path}: context "${name}" names the cluster "${clusterName}", which is not there. There is: ${namesIn(files, "clusters")}.`,
    );
  const userName = textOf(context.fields, "user");
  const user = userName === undefined ? undefined : entry(files, "users", "user", userName);
  if (userName !== undefined && user === undefined)
    throw new EngineUnreachable(
      `${context.path}: context "${name}" names the user "${userName}", who is not there. There is: ${namesIn(files, "users")}.`,
    );
  const source = `context "${name}" of ${context.path}`;
  return {
    ...ofCluster(cluster, source),
    ...ofUser(user ?? { path: context.path, fields: {} }, cluster.fields),
    namespace: textOf(context.fields, "namespace"),
    source,
  };
}

const namesIn = (files: readonly File[], list: string): string =>
  files
    .flatMap(({ content }) => (Array.isArray(content[list]) ? (content[list] as Fields[]) : []))
    .map((item) => String(item?.name))
    .join(", ") || "none";

function ofCluster({ path, fields }: { path: string; fields: Fields }, source: string) {
  if (textOf(fields, "proxy-url") !== undefined)
    throw new EngineUnreachable(
      `${path}: proxy-url is not served. Reach the cluster directly, or by a tunnel (ssh -L, kubectl proxy).`,
    );
  const server = textOf(fields, "server");
  if (server === undefined || !URL.canParse(server))
    throw new EngineUnreachable(
      `${path}: the server of ${source} is ${JSON.stringify(fields.server)}, and no URL.`,
    );
  return {
    server: new URL(server),
    ca: dataOrFile({ path, fields }, "certificate-authority"),
    insecure: fields["insecure-skip-tls-verify"] === true,
    serverName: textOf(fields, "tls-server-name"),
  };
}

function ofUser(user: { path: string; fields: Fields }, cluster: Fields) {
  const { path, fields } = user;
  if (fields["auth-provider"] !== undefined)
    throw new EngineUnreachable(
      `${path}: auth-provider is not served; Kubernetes itself has taken it out. Use the program of your cloud by exec, as kubectl does.`,
    );
  const cert = dataOrFile(user, "client-certificate");
  const key = dataOrFile(user, "client-key");
  const name = textOf(fields, "username");
  return {
    certificate: cert === undefined || key === undefined ? undefined : { cert, key },
    token: textOf(fields, "token"),
    tokenFile: pathIn(path, textOf(fields, "tokenFile")),
    basic:
      name === undefined ? undefined : { user: name, password: textOf(fields, "password") ?? "" },
    exec: isFields(fields.exec) ? ofExec(path, fields.exec, cluster) : undefined,
  };
}

function ofExec(path: string, exec: Fields, cluster: Fields): ExecPlugin {
  const command = textOf(exec, "command");
  if (command === undefined) throw new EngineUnreachable(`${path}: exec names no command.`);
  const variables = (Array.isArray(exec.env) ? exec.env : []).filter(isFields);
  return {
    apiVersion: textOf(exec, "apiVersion") ?? "client.authentication.k8s.io/v1",
    // As kubectl: a path is taken from the file's folder, a bare name from PATH.
    command: command.includes("/") ? (pathIn(path, command) as string) : command,
    args: (Array.isArray(exec.args) ? exec.args : []).map(String),
    env: Object.fromEntries(variables.map(({ name, value }) => [String(name), String(value)])),
    installHint: textOf(exec, "installHint"),
    cluster: exec.provideClusterInfo === true ? cluster : undefined,
  };
}

const pathIn = (file: string, path: string | undefined): string | undefined =>
  path === undefined || isAbsolute(path) ? path : resolve(dirname(file), path);

/** `X-data` is base64 and wins over `X`, a path from the file's folder. */
function dataOrFile({ path, fields }: { path: string; fields: Fields }, name: string) {
  const data = textOf(fields, `${name}-data`);
  if (data !== undefined) return Buffer.from(data, "base64").toString("utf8");
  const file = pathIn(path, textOf(fields, name));
  if (file === undefined) return undefined;
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    throw new EngineUnreachable(
      `${path}: ${name} is ${file}, which cannot be read: ${(error as Error).message}`,
    );
  }
}

function ofServiceAccount({ environment, serviceAccount }: WhereToLook): ClusterAccess | undefined {
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port = "443" } = environment;
  if (host === undefined || host === "") return undefined;
  const folder = serviceAccount ?? SERVICE_ACCOUNT;
  const read = (name: string): string => {
    try {
      return readFileSync(join(folder, name), "utf8");
    } catch (error) {
      throw new EngineUnreachable(
        `this is a pod without a service account (${(error as Error).message}). Give it one, with the rights of docs/kubernetes.md.`,
      );
    }
  };
  return {
    server: new URL(`https://${host.includes(":") ? `[${host}]` : host}:${port}`),
    namespace: read("namespace").trim(),
    ca: read("ca.crt"),
    insecure: false,
    serverName: undefined,
    certificate: undefined,
    token: undefined,
    tokenFile: join(folder, "token"),
    basic: undefined,
    exec: undefined,
    source: `the service account in ${folder}`,
  };
}
