import assert from "node:assert/strict";
import { test } from "node:test";
import { faultsOfOverlay, faultText, type JsonMap } from "./pod-spec.ts";

test("everything that may not be set is refused at once, each by its path", () => {
  const faults = faultsOfOverlay({
    kind: "Job",
    nodeSelector: {},
    metadata: { name: "x", namespace: "y", labels: { "contrail.owner": "me", team: "a" } },
    spec: {
      restartPolicy: "Always",
      hostPID: true,
      containers: [
        { name: "determined-container", image: "i", securityContext: {}, livenessProbe: {} },
        { name: "sidecar", image: "i", livenessProbe: {} },
        {},
      ],
    },
  }).map((fault) => faultText("environment.pod_spec", fault));
  assert.match(faults.join("\n"), /pod_spec\.spec\.hostPID must be left out: a signal/);
  const paths = faults.map((fault) => fault.split(" ")[0]?.replace("environment.pod_spec.", ""));
  assert.deepEqual(paths.sort(), [
    "kind",
    "metadata.labels.contrail.owner",
    "metadata.name",
    "metadata.namespace",
    "nodeSelector",
    "spec.containers[0].image",
    "spec.containers[0].livenessProbe",
    "spec.containers[0].securityContext",
    "spec.containers[2]",
    "spec.hostPID",
    "spec.restartPolicy",
  ]);
});

test("what is free is not refused", () => {
  const spec: JsonMap = {
    restartPolicy: "Never",
    serviceAccountName: "trainer",
    securityContext: { runAsUser: 1000 },
    initContainers: [{ name: "fetch", image: "curl" }],
    containers: [{ name: "contrail", env: [], resources: {}, volumeMounts: [] }],
  };
  const overlay = { apiVersion: "v1", kind: "Pod", metadata: { labels: { team: "a" } }, spec };
  assert.deepEqual(faultsOfOverlay(overlay), []);
  assert.match(faultsOfOverlay([])[0]?.must ?? "", /^a map/);
});
