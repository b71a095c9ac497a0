/**
 * Whether the mock is one: kubectl, which others wrote for the real thing, has to be able to drive it. And whether what we send is
 * what Kubernetes knows: kubectl reads our manifests into Kubernetes' own types, which drop every field that they have not.
 */
import assert from "node:assert/strict";
import { type ChildProcess, execFile, spawn, spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { EngineUnreachable } from "../../src/engines/job-engine.ts";
import { until } from "../support.ts";
import { KubernetesBench, LISTENS } from "./kubernetes-bench.ts";
import { missingForContainers } from "./kubernetes-mock/containers.ts";
import type { MockKubernetes } from "./kubernetes-mock/mock-kubernetes.ts";

function missing(): string | undefined {
  const { status } = spawnSync("kubectl", ["version", "--client"], { stdio: "ignore" });
  return status === 0 ? missingForContainers() : "there is no kubectl on PATH";
}

interface Said {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

class Kubectl {
  readonly #env: NodeJS.ProcessEnv;

  constructor({ folder }: MockKubernetes, kubeconfig: string) {
    // Its cache of what an API has would outlive this one.
    this.#env = { PATH: process.env.PATH, HOME: folder, KUBECONFIG: kubeconfig };
  }

  async run(args: readonly string[], input?: object): Promise<Said> {
    return await new Promise((resolve) => {
      const options = { env: this.#env, encoding: "utf8" } as const;
      const started = execFile("kubectl", [...args], options, (error, stdout, stderr) =>
        resolve({ code: error === null ? 0 : Number(error.code ?? 1), stdout, stderr }),
      );
      started.stdin?.end(input === undefined ? "" : JSON.stringify(input));
    });
  }

  /** @throws unless it ends well */
  async ok(args: readonly string[], input?: object): Promise<string> {
    const { code, stdout, stderr } = await this.run(args, input);
    assert.equal(code, 0, `kubectl ${args.join(" ")}: ${stderr}`);
    return stdout;
  }

  /** One that goes on until it is ended, and what it has printed so far. */
  start(args: readonly string[]): { readonly child: ChildProcess; text(): string } {
    const child = spawn("kubectl", args, { env: this.#env, stdio: ["ignore", "pipe", "pipe"] });
    let text = "";
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding("utf8").on("data", (chunk: string) => {
        text += chunk;
      });
    return { child, text: () => text };
  }
}

const pod = (name: string, script: string) => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name, labels: { app: "by-hand" } },
  spec: {
    restartPolicy: "Never",
    containers: [{ name: "main", image: "any", command: ["/bin/sh", "-c", script] }],
  },
});

const create = ["create", "--validate=false", "-f", "-"];

describe("kubectl on the mock of Kubernetes", { skip: missing() ?? false }, () => {
  test("creates, gets, watches, reads logs, runs commands and deletes with grace", async () => {
    await using bench = await KubernetesBench.open();
    const kubectl = new Kubectl(bench.mock, bench.mock.kubeconfig());
    const watch = kubectl.start([
      "get",
      "pods",
      "-w",
      "-o",
      "custom-columns=N:.metadata.name,P:.status.phase",
    ]);
    await until("it watches", () =>
      bench.mock.api.requests.some((asked) => /\/pods\?.*watch=true/.test(asked)),
    );
    const made = await kubectl.ok(create, pod("one", LISTENS));
    assert.equal(made, "pod/one created\n");
    const again = await kubectl.run(create, pod("one", LISTENS));
    assert.match(again.stderr, /AlreadyExists.*pods "one" already exists/);
    const wrong = await kubectl.run(create, pod("No Name", LISTENS));
    assert.match(wrong.stderr, /Pod "No Name" is invalid: metadata\.name/);
    await kubectl.ok([
      "wait",
      "--for=jsonpath={.status.phase}=Running",
      "pod/one",
      "--timeout=180s",
    ]);
    await until("it has printed", async () => (await kubectl.ok(["logs", "one"])) === "ready\n");
    await until("the watch has told", () => /one +Pending[\s\S]*one +Running/.test(watch.text()));
    watch.child.kill();
    const printed = await kubectl.ok([
      "exec",
      "one",
      "--",
      "sh",
      "-c",
      "hostname; kill -0 1 && echo there",
    ]);
    assert.equal(printed, "one\nthere\n");
    const failed = await kubectl.run(["exec", "one", "--", "sh", "-c", "exit 3"]);
    assert.equal(failed.code, 3, failed.stderr);
    const follow = kubectl.start(["logs", "-f", "one"]);
    await until("the log is open", () => follow.text().includes("ready"));
    assert.match(await kubectl.ok(["delete", "pod", "one", "--grace-period=5"]), /"one" deleted/);
    await until("the log came to its end", () => follow.text() === "ready\ntold\n");
    assert.match(
      (await kubectl.run(["get", "pod", "one"])).stderr,
      /NotFound.*pods "one" not found/,
    );
    follow.child.kill();
  });

  test("drains a node, and what ran there is preempted", async () => {
    await using bench = await KubernetesBench.open();
    const kubectl = new Kubectl(bench.mock, bench.mock.kubeconfig());
    const job = await bench.ready(LISTENS);
    const running = await bench.seen(job, "running");
    const drain = ["drain", running.nodes[0] ?? "", "--force", "--delete-emptydir-data"];
    await kubectl.ok([...drain, "--ignore-daemonsets", "--timeout=180s"]);
    assert.equal((await bench.ended(job)).cause, "preempted");
    const drained = await bench.engine.capacity();
    assert.equal(drained.nodes, 2);
    assert.match(drained.reason, /not now: 1 cordoned/);
    await kubectl.ok(["uncordon", running.nodes[0] ?? ""]);
    assert.doesNotMatch((await bench.engine.capacity()).reason, /not now/);
  });

  test("finds a job by its label, with a reason for waiting, and deletes it by its record", async () => {
    await using bench = await KubernetesBench.open();
    const kubectl = new Kubectl(bench.mock, bench.mock.kubeconfig());
    const job = await bench.ready(LISTENS, { nodes: 2, slotsPerNode: 2 });
    const waits = await bench.launch(LISTENS);
    await until("its reason is known", async () => {
      const seen = await bench.look(waits);
      return seen?.state === "queued" && seen.why.includes("Insufficient cpu");
    });
    const label = `contrail.allocation=${job.id}`;
    const names = (await kubectl.ok(["get", "pods,svc,cm", "-l", label, "-o", "name"])).split("\n");
    assert.deepEqual(
      names.map((name) => name.replace(/-[0-9a-f]{10}(-\d)?$/, "$1")).filter(Boolean),
      [
        "pod/contrail-1-1-1-0",
        "pod/contrail-1-1-1-1",
        "service/contrail-1-1-1",
        "configmap/contrail-1-1-1",
      ],
    );
    const events = await kubectl.ok(["get", "events", "-o", "jsonpath={.items[*].message}"]);
    assert.match(events, /0\/2 nodes are available: 2 Insufficient cpu\./);
    await kubectl.ok(["delete", "cm", "-l", label]);
    await until("nothing of it is left", () => bench.left(job).length === 0);
    assert.equal(await bench.look(job), undefined);
    await bench.seen(waits, "running");
  });

  test("reads every field of our manifests into Kubernetes' own types", async () => {
    await using bench = await KubernetesBench.open({ memory_per_slot: "64Mi" });
    const kubectl = new Kubectl(bench.mock, bench.mock.kubeconfig());
    await bench.launch("true", { nodes: 2 }, { token: "t" });
    const sent = { pods: ["set", "image", "contrail=other"], services: ["set", "selector", "a=b"] };
    for (const [plural, [verb = "", noun = "", change = ""]] of Object.entries(sent)) {
      const [object] = bench.mock.store.list(plural as "pods");
      assert.ok(object);
      const { status: _, ...manifest } = object;
      const args = [verb, noun, "--local", "-f", "-", change, "-o", "json"];
      const typed = JSON.parse(await kubectl.ok(args, manifest));
      assert.deepEqual(lost(manifest, typed), []);
    }
    const unknown = pod("x", "true") as { spec: Record<string, unknown> };
    unknown.spec.noSuchField = 1;
    const args = ["set", "image", "--local", "-f", "-", "main=other", "-o", "json"];
    const typed = JSON.parse(await kubectl.ok(args, unknown));
    assert.deepEqual(
      lost(unknown, typed),
      ["spec.noSuchField"],
      "a field that is not there is found",
    );
  });

  test("shows the same credentials as the engine, and is believed and refused alike", async () => {
    const tls = certificates();
    await using bench = await KubernetesBench.open({}, { tls: tls.server, token: "the-token" });
    const program = join(bench.mock.folder, "give-token");
    const answer = {
      ...{ apiVersion: "client.authentication.k8s.io/v1", kind: "ExecCredential" },
      status: {
        token: "the-token",
        clientCertificateData: tls.client.cert,
        clientKeyData: tls.client.key,
      },
    };
    writeFileSync(program, `#!/bin/sh\ncat <<'END'\n${JSON.stringify(answer)}\nEND\n`);
    chmodSync(program, 0o755);
    const base64 = (text: string) => Buffer.from(text).toString("base64");
    const cluster = { "certificate-authority-data": base64(tls.ca) };
    const certificate = {
      "client-certificate-data": base64(tls.client.cert),
      "client-key-data": base64(tls.client.key),
    };
    const exec = { ...answer, kind: undefined, status: undefined, command: "./give-token" };
    const users: readonly [what: string, user: object, cluster: object, isGood: boolean][] = [
      ["certificate and token", certificate, cluster, true],
      ["a program", { token: "", exec: { ...exec, interactiveMode: "Never" } }, cluster, true],
      ["a wrong token", { ...certificate, token: "wrong" }, cluster, false],
      ["no certificate", {}, cluster, false],
      ["an authority that is unknown", certificate, {}, false],
    ];
    for (const [what, user, of, isGood] of users) {
      const kubeconfig = bench.mock.kubeconfig(user, of);
      const said = await new Kubectl(bench.mock, kubeconfig).run(["get", "nodes", "-o", "name"]);
      assert.equal(said.code === 0, isGood, `${what}: kubectl said ${said.stderr}`);
      const engine = bench.another({ kubeconfig });
      if (isGood) assert.equal((await engine.capacity()).nodes, 2, what);
      else await assert.rejects(engine.capacity(), EngineUnreachable, what);
    }
  });
});

/** Paths of what is in `sent` and not, or not so, in `typed`. */
function lost(sent: unknown, typed: unknown, path = ""): string[] {
  if (typeof sent !== "object" || sent === null) {
    const isChanged = /\.image$|^spec\.selector\./.test(path);
    return sent === typed || isChanged ? [] : [path];
  }
  if (typeof typed !== "object" || typed === null)
    // Kubernetes leaves out what is empty.
    return Object.keys(sent).length === 0 ? [] : [path];
  return Object.entries(sent).flatMap(([key, value]) =>
    path === "spec.selector"
      ? []
      : lost(value, (typed as Record<string, unknown>)[key], path === "" ? key : `${path}.${key}`),
  );
}

/** A certificate authority, and a server's and a client's certificate by it. */
function certificates() {
  const folder = mkdtempSync(join(tmpdir(), "ck-ca-"));
  const openssl = (...args: string[]) => {
    const { status, stderr } = spawnSync("openssl", args, { cwd: folder, encoding: "utf8" });
    assert.equal(status, 0, stderr);
  };
  const read = (name: string) => readFileSync(join(folder, name), "utf8");
  try {
    const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
    openssl(
      "req",
      "-x509",
      ...key,
      "-keyout",
      "ca.key",
      "-out",
      "ca.crt",
      "-subj",
      "/CN=ca",
      "-days",
      "2",
    );
    writeFileSync(join(folder, "server.ext"), "subjectAltName=IP:127.0.0.1,DNS:localhost\n");
    for (const [name, more] of [
      ["server", ["-extfile", "server.ext"]],
      ["client", []],
    ] as const) {
      openssl(
        "req",
        ...key,
        "-keyout",
        `${name}.key`,
        "-out",
        `${name}.csr`,
        "-subj",
        `/CN=${name}`,
      );
      const by = ["-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2"];
      openssl("x509", "-req", "-in", `${name}.csr`, "-out", `${name}.crt`, ...by, ...more);
    }
    const [ca, server, client] = ["ca", "server", "client"].map((name) => ({
      key: read(`${name}.key`),
      cert: read(`${name}.crt`),
    }));
    assert.ok(ca && server && client);
    return { ca: ca.cert, server: { ...server, ca: ca.cert }, client };
  } finally {
    rmSync(folder, { recursive: true });
  }
}
