/** What befalls pods and their API, and what a job is said to be then. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { EngineUnreachable, JobDeferred, JobRefused } from "../../src/engines/job-engine.ts";
import { memoryCgroup } from "../faults/cgroup.ts";
import { until } from "../support.ts";
import { KubernetesBench, LISTENS } from "./kubernetes-bench.ts";
import { missingForContainers } from "./kubernetes-mock/containers.ts";

function missingCgroup(): string | undefined {
  try {
    using _made = memoryCgroup(64 * 1024 * 1024, "probe");
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

describe("pods of a job", { skip: missingForContainers() ?? false }, () => {
  test("one that the API evicts is preempted, its last words are kept, and a restart hears the same", async () => {
    await using bench = await KubernetesBench.open();
    const job = await bench.ready(LISTENS);
    const name = bench.podName(job);
    const path = `${bench.mock.api.url}/api/v1/namespaces/default/pods/${name}/eviction`;
    const answer = await fetch(path, { method: "POST", body: "{}" });
    assert.equal(answer.status, 201);
    const end = await bench.ended(job);
    assert.equal(end.cause, "preempted");
    assert.match(end.text, /EvictionByEvictionAPI/);
    assert.match(await bench.engine.output(job), /told/);
    assert.deepEqual(await bench.ended(job, bench.another()), end);
  });

  test("one that its kubelet evicts is preempted, with the kubelet's reason", async () => {
    await using bench = await KubernetesBench.open();
    const job = await bench.ready(LISTENS, { nodes: 2 });
    const message = "The node was low on resource: memory.";
    await bench.mock.evictByKubelet(bench.podName(job, 1), message);
    const end = await bench.ended(job);
    assert.deepEqual([end.cause, end.text], ["preempted", `Evicted: ${message}`]);
    await until("the other one was told and is gone", () => bench.pods(job).length === 1);
  });

  const noCgroup = missingCgroup();
  test("one that needs more memory than its limit is told apart", {
    skip: noCgroup ?? false,
  }, async () => {
    await using bench = await KubernetesBench.open({ memory_per_slot: "96Mi" });
    const hungry = "const all = []; for (;;) all.push(Buffer.alloc(1 << 20, 1))";
    const job = await bench.launch([process.execPath, "-e", hungry]);
    const end = await bench.ended(job);
    assert.deepEqual([end.cause, end.signal], ["out_of_memory", 9], end.text);
  });

  test("one whose image is not there waits with that reason, and is given up after the limit", async () => {
    const image = (name: string) => (name === "gone:1" ? { missing: "not found" } : {});
    await using bench = await KubernetesBench.open({ start_limit: 1 }, { image });
    const job = await bench.launch("true", { extra: { image: "gone:1" } });
    const { why } = await until("it waits for its image", async () => {
      const seen = await bench.look(job);
      return seen?.state === "queued" && /Image/.test(seen.why) ? seen : undefined;
    });
    assert.match(why, /ErrImagePull|ImagePullBackOff/);
    const end = await bench.ended(job);
    assert.equal(end.cause, "never_started");
    assert.match(end.text, /Image.* \(for 1 s\)$/);
    await until("its pod is gone", () => bench.pods(job).length === 0);
  });

  test("its files are there where they were, for reading alone", async () => {
    await using bench = await KubernetesBench.open();
    const script = `cat "$1/token"; echo x 2>/dev/null > "$1/token" || echo refused; ls "$1"`;
    const job = await bench.request("", {}, { token: "a secret\n", "server.json": "{}" });
    await bench.engine.launch({ ...job, command: ["/bin/sh", "-c", script, "sh", job.folder] });
    assert.equal((await bench.ended(job)).code, 0);
    assert.equal(await bench.engine.output(job), "a secret\nrefused\nserver.json\ntoken\n");
    const told = JSON.stringify(bench.mock.store.list("pods"));
    assert.ok(!told.includes("a secret"), "what is in a file stands in no pod");
  });

  test("nodes find each other: by the first one's name, and by every one's address", async () => {
    await using bench = await KubernetesBench.open();
    const script = `
      const net = require("node:net");
      const { CONTRAIL_NODE_RANK: rank, CONTRAIL_NODE_ADDRESS: own, CONTRAIL_FIRST_NODE: first } = process.env;
      if (rank === "0") {
        const server = net.createServer((socket) => {
          socket.end("hello");
          server.close(() => console.log("0 was reached"));
        }).listen(29400, own);
      } else (function reach() {
        const socket = net.connect(29400, first);
        socket.on("error", () => setTimeout(reach, 100));
        socket.on("data", (bytes) => console.log("1 heard " + bytes));
      })();`;
    const job = await bench.launch([process.execPath, "-e", script], { nodes: 2 });
    const end = await bench.ended(job);
    assert.deepEqual([end.cause, end.code], ["exited", 0], end.text);
    const output = await bench.engine.output(job);
    assert.match(output, /0 was reached/);
    assert.match(output, /1 heard hello/);
  });

  test("devices are asked for as resources, and who finds none waits for them", async () => {
    const nodes = [{ name: "g1", cpu: "4", gpus: 1 }];
    await using bench = await KubernetesBench.open({ slot_type: "gpu" }, { nodes });
    const { slots, kind } = await bench.engine.capacity();
    assert.deepEqual([slots, kind], [1, "gpu"]);
    const first = await bench.ready(LISTENS);
    const second = await bench.launch(LISTENS);
    const why = await until("it waits for a device", async () => {
      const seen = await bench.look(second);
      return seen?.state === "queued" && seen.why.includes("Insufficient") ? seen.why : undefined;
    });
    assert.match(why, /0\/1 nodes are available: 1 Insufficient nvidia.com\/gpu/);
    await bench.engine.cancel("bench", first.id);
    await bench.seen(second, "running");
  });

  test("while its nodes are out for now a job waits with that reason, and starts when one is back", async () => {
    await using bench = await KubernetesBench.open();
    const [first, second] = bench.mock.store.list("nodes").map(({ metadata }) => metadata.name);
    assert.ok(first && second);
    bench.mock.cordon(first);
    bench.mock.cordon(second);
    const restarted = bench.another();
    const { slots, reason } = await restarted.capacity();
    assert.equal(slots, 4);
    assert.match(reason, /not now: 2 cordoned/);
    const job = await bench.launch(LISTENS);
    const why = await until("it waits for a node", async () => {
      const seen = await bench.look(job);
      return seen?.state === "queued" && seen.why.includes("nodes") ? seen.why : undefined;
    });
    assert.match(why, /0\/2 nodes are available: 2 node\(s\) were unschedulable/);
    const wide = await bench.request("true", { nodes: 3 });
    await assert.rejects(bench.engine.launch(wide), JobRefused);
    bench.mock.cordon(first, false);
    await bench.seen(job, "running");
  });

  test("a sidecar ends when the job has, and does not keep it", async () => {
    await using bench = await KubernetesBench.open();
    const containers = [{ name: "sidecar", image: "s", command: ["sleep", "infinity"] }];
    const job = await bench.launch("exit 3", { extra: { pod_spec: { spec: { containers } } } });
    assert.deepEqual([(await bench.ended(job)).code, bench.left(job)[0]], [3, "pods"]);
    await until("its pod is gone", () => bench.pods(job).length === 0);
  });

  test("one that somebody deletes is cancelled, and one that went unseen is lost", async () => {
    await using bench = await KubernetesBench.open();
    const first = await bench.ready(LISTENS);
    const second = await bench.ready(LISTENS);
    const remove = async (name: string) => {
      const path = `${bench.mock.api.url}/api/v1/namespaces/default/pods/${name}`;
      assert.equal((await fetch(path, { method: "DELETE" })).status, 200);
    };
    await remove(bench.podName(first));
    const seen = await bench.ended(first);
    assert.equal(seen.cause, "cancelled");
    assert.match(seen.text, /deleted/);
    await bench.engine.close();
    await remove(bench.podName(second));
    await until("it is gone", () => bench.pods(second).length === 0);
    const unseen = await bench.ended(second, bench.another());
    assert.equal(unseen.cause, "node_lost");
    assert.match(unseen.text, /nobody saw how/);
  });

  test("when it has been over for long, nothing of it is left", async () => {
    await using bench = await KubernetesBench.open();
    const job = await bench.launch("echo done", { nodes: 2 }, { token: "t" });
    await bench.ended(job);
    assert.deepEqual(bench.left(job), ["pods", "secrets", "services", "configmaps"]);
    const forgetful = bench.another({ keep_ended: 1 });
    await until("it is forgotten", async () => (await bench.look(job, forgetful)) === undefined);
    await until("its objects are gone", () => bench.left(job).length === 0);
    assert.ok(existsSync(join(job.folder, "token")), "the server's own files are the server's");
  });
});

describe("the API of a cluster", { skip: missingForContainers() ?? false }, () => {
  test("watches that break, run out of date or say everything twice lose nothing", async () => {
    await using bench = await KubernetesBench.open();
    const { api, store } = bench.mock;
    const troubles: readonly [string, () => void][] = [
      ["doubled", () => Object.assign(api.faults, { doubled: true })],
      ["dropped", () => api.dropWatches()],
      ["expired in the stream", () => api.expireWatches()],
      [
        "expired when it was taken up again",
        () => {
          store.compact();
          api.dropWatches();
        },
      ],
    ];
    for (const [what, make] of troubles) {
      const job = await bench.ready(LISTENS);
      make();
      await bench.engine.signal("bench", job.id, "SIGTERM");
      const end = await bench.ended(job);
      assert.deepEqual([end.cause, end.code], ["exited", 0], `${what}: ${end.text}`);
    }
  });

  test("looking does not list: the copy is kept by a watch, and the API is only asked whether it is there", async () => {
    await using bench = await KubernetesBench.open();
    await bench.ready(LISTENS);
    bench.mock.api.requests.length = 0;
    for (let count = 0; count < 20; count += 1) await bench.engine.list("bench");
    assert.deepEqual(new Set(bench.mock.api.requests), new Set(["GET /readyz"]));
  });

  test("an API that is busy for a moment is asked again, and a lost answer makes nothing twice", async () => {
    await using bench = await KubernetesBench.open();
    const { faults } = bench.mock.api;
    faults.refuse = { count: 3, status: 429 };
    const first = await bench.launch("echo once");
    faults.refuse = { count: 3, status: 500 };
    assert.equal((await bench.ended(first)).code, 0);
    faults.loseAnswers = 4;
    const second = await bench.request("echo once", { nodes: 2 }, { token: "t" });
    await bench.engine.launch(second);
    assert.equal((await bench.ended(second)).code, 0);
    assert.equal(bench.pods(second).length, 2);
    assert.equal((await bench.engine.output(second)).split("once").length - 1, 2);
    faults.refuse = { count: 1000, status: 503 };
    await assert.rejects(bench.engine.list("bench"), EngineUnreachable);
    faults.refuse = undefined;
    assert.equal((await bench.look(second))?.state, "ended");
  });

  test("a quota that others use up puts a job off, and one that it could never fit into refuses it", async () => {
    await using bench = await KubernetesBench.open();
    const { faults } = bench.mock.api;
    const other = await bench.ready(LISTENS);
    faults.podsMax = 2;
    const job = await bench.request(LISTENS, { nodes: 2 }, { token: "t" });
    for (const _ of [1, 2]) {
      await assert.rejects(bench.engine.launch(job), (error) => {
        assert.ok(error instanceof JobDeferred, String(error));
        return /exceeded quota: team, requested: pods=1/.test(error.message);
      });
      await until("nothing of it is left", () => bench.left(job).length === 0);
    }
    assert.equal((await bench.engine.list("bench")).has(job.id), false);
    await bench.engine.cancel("bench", other.id);
    await bench.ended(other);
    assert.deepEqual(await bench.engine.launch(job), { adopted: false });
    await bench.seen(job, "running");
    faults.podsMax = 1;
    const wide = await bench.request("true", { nodes: 2 });
    await assert.rejects(bench.engine.launch(wide), JobRefused);
  });

  test("what is not yet collected of a try that was put off is not built upon by the next", async () => {
    await using bench = await KubernetesBench.open();
    const { api, store } = bench.mock;
    const other = await bench.ready(LISTENS);
    const { orphaned } = store;
    const late = { secrets: [] as (() => void)[], services: [] as (() => void)[] };
    store.orphaned = (plural, object) => {
      if (plural === "secrets" || plural === "services")
        late[plural].push(() => orphaned(plural, object));
      else orphaned(plural, object);
    };
    const collect = (kind: keyof typeof late) => {
      for (const one of late[kind].splice(0)) one();
    };
    api.faults.podsMax = 2;
    const asked = await bench.request("", { nodes: 2 }, { token: "a secret\n" });
    const job = { ...asked, command: ["cat", join(asked.folder, "token")] };
    await assert.rejects(bench.engine.launch(job), JobDeferred);
    await bench.engine.cancel("bench", other.id);
    await bench.ended(other);
    await until("pods of that try are gone", () => bench.pods(job).length === 0);
    await assert.rejects(bench.engine.launch(job), (error) => {
      assert.ok(error instanceof JobDeferred, String(error));
      return /the service .* of an earlier try to launch it is not gone yet/.test(error.message);
    });
    collect("services");
    const nodes = store.list("nodes").map(({ metadata }) => metadata.name);
    for (const node of nodes) bench.mock.cordon(node);
    await bench.engine.launch(job);
    collect("secrets");
    for (const node of nodes) bench.mock.cordon(node, false);
    const end = await bench.ended(job);
    assert.deepEqual([end.cause, end.code], ["exited", 0], end.text);
    assert.match(await bench.engine.output(job), /a secret/);
  });

  test("a pod of a try that was put off says nothing of the next", async () => {
    await using bench = await KubernetesBench.open();
    const { api, store } = bench.mock;
    const other = await bench.ready(LISTENS);
    const { orphaned } = store;
    const late: (() => void)[] = [];
    store.orphaned = (plural, object) =>
      plural === "pods" ? late.push(() => orphaned(plural, object)) : orphaned(plural, object);
    api.faults.podsMax = 2;
    const job = await bench.request("exit 3", { nodes: 2 });
    await assert.rejects(bench.engine.launch(job), JobDeferred);
    await until(
      "the pod that was made is over",
      () => bench.pods(job)[0]?.status?.phase === "Failed",
    );
    await bench.engine.cancel("bench", other.id);
    await bench.ended(other);
    const create = store.create.bind(store);
    store.create = (plural, ...more) => {
      const made = create(plural, ...more);
      // Silent after the record.
      if (plural === "configmaps") api.faults.refuse = { count: 1000, status: 503 };
      return made;
    };
    await assert.rejects(bench.engine.launch(job), EngineUnreachable);
    store.create = create;
    api.faults.refuse = undefined;
    const seen = await bench.look(job);
    assert.deepEqual(seen, { state: "queued", why: "its pods are being made" });
    for (const collect of late) collect();
    await until("the pod of that try is gone", () => bench.pods(job).length === 0);
    assert.deepEqual(await bench.engine.launch(job), { adopted: true });
    const end = await bench.ended(job);
    assert.deepEqual([end.cause, end.code], ["exited", 3], end.text);
  });

  test("an API that takes requests and never answers is out of reach", async () => {
    await using bench = await KubernetesBench.open();
    const job = await bench.ready(LISTENS);
    bench.mock.api.faults.hangs = true;
    await assert.rejects(bench.engine.list("bench"), (error) => {
      assert.ok(error instanceof EngineUnreachable);
      return /does not answer: no answer within/.test(error.message);
    });
    bench.mock.api.faults.hangs = false;
    assert.equal((await bench.look(job))?.state, "running");
  });

  test("a name that somebody else has taken is refused, and theirs is left alone", async () => {
    await using bench = await KubernetesBench.open();
    const job = await bench.request("echo mine");
    const probe = await KubernetesBench.open();
    await using _closed = probe;
    await probe.engine.launch(job);
    const name = probe.podName(job);
    const container = { name: "theirs", image: "i", command: ["sleep", "infinity"] };
    await fetch(`${bench.mock.api.url}/api/v1/namespaces/default/pods`, {
      method: "POST",
      body: JSON.stringify({
        metadata: { name },
        spec: { restartPolicy: "Never", containers: [container] },
      }),
    });
    await assert.rejects(bench.engine.launch(job), (error) => {
      assert.ok(error instanceof JobRefused);
      return error.message.includes(`pods/${name} is there already`);
    });
    await bench.engine.cancel("bench", job.id);
    const theirs = bench.mock.pod(name);
    assert.deepEqual(
      [theirs.metadata.deletionTimestamp, theirs.metadata.labels],
      [undefined, undefined],
    );
  });

  test("what a pod may not have is refused before anything is made", async () => {
    await using bench = await KubernetesBench.open();
    const own = { pod_spec: { spec: { hostname: "mine" } } };
    assert.throws(() => bench.another(own), /"hostname"[\s\S]*left out: Contrail sets it itself/);
    const spec = { containers: [{ name: "determined-container", command: ["x"] }] };
    const job = await bench.request("true", { extra: { pod_spec: { spec } } });
    await assert.rejects(bench.engine.launch(job), (error) => {
      assert.ok(error instanceof JobRefused);
      return /environment\.pod_spec\.spec\.containers\[0\]\.command must be left out: use entrypoint/.test(
        error.message,
      );
    });
    assert.deepEqual(bench.left(job), []);
    const invalid = bench.another({ pod_spec: { metadata: { labels: { team: "no label!" } } } });
    await assert.rejects(invalid.launch(await bench.request("true")), (error) => {
      assert.ok(error instanceof JobRefused);
      return /422 Invalid: .*"no label!"/.test(error.message);
    });
    assert.equal((await bench.engine.list("bench")).size, 0);
  });

  test("a job that runs is found, whatever its pool and its nodes have become since", async () => {
    await using bench = await KubernetesBench.open();
    const job = await bench.ready(LISTENS, { slotsPerNode: 2 });
    const smaller = bench.another({ slots: 1, slots_per_node: 1 });
    assert.deepEqual(await smaller.launch(job), { adopted: true });
    await bench.seen(job, "running", smaller);
    const another = await bench.request("true", { slotsPerNode: 2 });
    await assert.rejects(smaller.launch(another), JobRefused);
  });

  test("who may not list nodes says in the pool what there is", async () => {
    await using bench = await KubernetesBench.open();
    bench.mock.api.faults.forbidden = /^GET \/api\/v1\/nodes/;
    await assert.rejects(bench.engine.capacity(), (error) => {
      assert.ok(error instanceof EngineUnreachable);
      return /say in the pool what there is: slots and slots_per_node/.test(error.message);
    });
    const told = bench.another({ slots: 8, slots_per_node: 4 });
    const { slots, slotsPerNode, nodes, reason } = await told.capacity();
    assert.deepEqual([slots, slotsPerNode, nodes], [8, 4, 2]);
    assert.match(reason, /The pool says 8\. Its nodes may not be listed\./);
  });
});
