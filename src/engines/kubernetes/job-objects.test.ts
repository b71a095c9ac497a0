import assert from "node:assert/strict";
import { test } from "node:test";
import type { JsonMap } from "../../protocol/pod-spec.ts";
import type { JobRequest } from "../job-engine.ts";
import {
  jobName,
  type PodSettings,
  podManifest,
  podName,
  readRecord,
  recordManifest,
  secretManifest,
} from "./job-objects.ts";

const request: JobRequest = {
  ...{ id: "3.12.2", owner: "abc123", title: "a title", nodes: 2, slotsPerNode: 4 },
  command: ["node", "$(HOME)", "$$"],
  environment: { A: "$(B)" },
  ...{ folder: "/jobs/3.12.2", files: ["token"], extra: {} },
};
const settings: PodSettings = {
  ...{ namespace: "train", slotType: "gpu", gpuResource: "nvidia.com/gpu", cpusPerSlot: 2 },
  ...{ memoryPerSlot: "8Gi", graceS: 29.5, overlays: [], image: "i:1", pull: null },
};
const record = { metadata: { name: jobName("abc123", "3.12.2"), namespace: "train", uid: "u" } };

// biome-ignore lint/suspicious/noExplicitAny: a manifest is looked at by its paths
const made = (rank = 1, more: Partial<PodSettings> = {}, of: Partial<JobRequest> = {}): any =>
  podManifest({ ...request, ...of }, rank, { ...settings, ...more }, record);

test("names are a host's, say which allocation it is, and are never shared", () => {
  const names = [
    ["abc123", "3.12.2"],
    ["abc123", "3.12-2"],
    ["abc124", "3.12.2"],
    ["abc123", "ÄÖ"],
    ["abc123", "9".repeat(100)],
  ].map(([owner = "", id = ""]) => podName(jobName(owner, id), 4095));
  assert.equal(new Set(names).size, names.length);
  for (const name of names) assert.match(name, /^[a-z][a-z0-9-]{0,61}[a-z0-9]$/);
  assert.match(names[0] ?? "", /^contrail-3-12-2-[0-9a-f]{10}-4095$/);
});

test("a pod runs the command as it was given, with its place and its files", () => {
  const { metadata, spec } = made();
  const [main] = spec.containers;
  assert.deepEqual(main.command, ["node", "$$(HOME)", "$$$$"]);
  const env = Object.fromEntries(
    main.env.map((one: { name: string; value?: string; valueFrom?: object }) => [
      one.name,
      one.value ?? one.valueFrom,
    ]),
  );
  assert.deepEqual(env, {
    A: "$$(B)",
    CONTRAIL_NODE_RANK: "1",
    CONTRAIL_NODES: "2",
    CONTRAIL_FIRST_NODE: `${record.metadata.name}-0.${record.metadata.name}.train.svc`,
    CONTRAIL_NODE_ADDRESS: { fieldRef: { fieldPath: "status.podIP" } },
  });
  assert.equal(metadata.labels["contrail.allocation"], "3.12.2");
  assert.equal(metadata.ownerReferences[0].uid, "u");
  assert.deepEqual([spec.restartPolicy, spec.terminationGracePeriodSeconds], ["Never", 30]);
  assert.deepEqual(main.resources, {
    requests: { cpu: "8", memory: "32Gi" },
    limits: { memory: "32Gi", "nvidia.com/gpu": "4" },
  });
  const mounted = main.volumeMounts.find((one: { name: string }) => one.name === "contrail-files");
  assert.deepEqual([mounted.mountPath, mounted.readOnly], ["/jobs/3.12.2", true]);
});

test("a job of one node without files has neither service nor secret in its pod", () => {
  const { spec } = made(0, { slotType: "cpu", memoryPerSlot: null }, { nodes: 1, files: [] });
  assert.deepEqual([spec.subdomain, spec.affinity], [undefined, undefined]);
  assert.deepEqual(
    spec.volumes.map(({ name }: { name: string }) => name),
    ["contrail-shm"],
  );
  assert.deepEqual(spec.containers[0].resources, { requests: { cpu: "8" }, limits: {} });
});

test("an experiment is laid over its pool, and what a job stands on over both", () => {
  const pool: JsonMap = {
    metadata: { labels: { team: "a" } },
    spec: {
      automountServiceAccountToken: true,
      volumes: [{ name: "big", emptyDir: { sizeLimit: "9Gi" } }],
      containers: [
        {
          name: "contrail",
          env: [
            { name: "A", value: "pool" },
            { name: "P", value: "1" },
          ],
        },
      ],
    },
  };
  const own: JsonMap = {
    spec: {
      containers: [
        { name: "sidecar", image: "s" },
        {
          name: "determined-container",
          env: [{ name: "P", value: "2" }],
          resources: { requests: { cpu: "1" }, limits: { "nvidia.com/gpu": "99" } },
          volumeMounts: [{ name: "big", mountPath: "/dev/shm" }],
        },
      ],
    },
  };
  const { metadata, spec } = made(1, { overlays: [pool, own] });
  const [main, sidecar] = spec.containers;
  const value = (name: string) =>
    main.env.find((one: { name: string }) => one.name === name)?.value;
  assert.deepEqual([main.name, sidecar.name], ["contrail", "sidecar"]);
  assert.deepEqual([value("A"), value("P")], ["$$(B)", "2"]);
  assert.equal(main.resources.requests.cpu, "1");
  assert.equal(main.resources.limits["nvidia.com/gpu"], "4", "slots are what was granted");
  assert.equal(metadata.labels.team, "a");
  assert.equal(spec.automountServiceAccountToken, true);
  const mount = main.volumeMounts.find(
    (one: { mountPath: string }) => one.mountPath === "/dev/shm",
  );
  assert.equal(mount.name, "big");
});

test("files travel as they are, and a record reads back", () => {
  const bytes = Buffer.from([0, 255, 10]);
  const { data } = secretManifest(request, record, new Map([["token", bytes]]));
  assert.deepEqual(Buffer.from(data.token ?? "", "base64"), bytes);
  const fresh = readRecord(recordManifest(request, settings));
  assert.deepEqual(fresh, {
    ...{ nodes: 2, started: false, cancelled: false, end: undefined, endedMs: undefined },
  });
});
