/** What a trial's container may do, what it runs in, and what follows when the engine itself goes away. */
import assert from "node:assert/strict";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, test } from "node:test";
import {
  type ContainerSettings,
  writeSettings,
} from "../../src/engines/docker/container-settings.ts";
import { DockerApi } from "../../src/engines/docker/docker-api.ts";
import type { ContainerLaunch } from "../../src/protocol/runner-wire.ts";
import type { FakeServer } from "../../src/runner/fake-server.ts";
import { sh, TestBench } from "../../src/runner/test-bench.ts";
import { until } from "../support.ts";
import { containerOf, IMAGE, type TestDocker, testDocker } from "./docker.ts";
import { ImageRegistry } from "./image-registry.ts";

const found = await testDocker();
const skip = typeof found === "string" ? found : false;
const docker = found as TestDocker;
const MIB = 1024 ** 2;

describe("trials in containers", { skip }, () => {
  let bench: TestBench;
  let server: FakeServer;

  beforeEach(async () => {
    bench = await TestBench.open();
    server = bench.server;
  });
  afterEach(() => bench.close());

  async function start(more: Partial<ContainerSettings> = {}): Promise<void> {
    const file = join(bench.folder, "containers.json");
    const user = { uid: 65_534, gid: 65_534 };
    const limits = { cpusPerSlot: null, memoryPerSlotBytes: null };
    writeSettings(file, {
      socket: docker.socket,
      network: "none",
      user,
      ...limits,
      devices: {},
      ...more,
    });
    await bench.startRunner(undefined, file);
  }
  const launch = (id: string, argv: readonly string[], more: Partial<ContainerLaunch> = {}): void =>
    server.launch(id, argv, { container: containerOf(more) });
  async function outputOf(id: string): Promise<string> {
    const { logLines } = await server.untilExit(id);
    await server.until("all lines", () => server.logs(id).length === logLines);
    return server.output(id, "stdout").toString();
  }

  test("have no root, no network and no way to more rights, and see of the machine what was mounted", async (context) => {
    await start();
    const elsewhere = await mkdtemp(join(tmpdir(), "contrail-elsewhere-"));
    context.after(() => rm(elsewhere, { recursive: true }));
    launch(
      "1.1.1",
      sh(
        `id -u; id -g; ls /sys/class/net; cat /proc/self/status | while read n v; do case $n in NoNewPrivs:|CapEff:) echo $n $v;; esac; done; ls -d ${elsewhere} /etc/shadow 2>/dev/null; touch $CONTRAIL_SOCKET.x 2>/dev/null && echo wrote; echo $TMPDIR$HOME`,
      ),
    );
    assert.deepEqual((await outputOf("1.1.1")).trim().split("\n"), [
      ...["65534", "65534", "lo", "CapEff: 0000000000000000", "NoNewPrivs: 1", "/tmp"],
    ]);
  });

  test("run as the user that the pool names, root only where it names root", async () => {
    await start({ user: { uid: 0, gid: 0 } });
    launch("1.1.1", sh("id -u"));
    assert.equal(await outputOf("1.1.1"), "0\n");
  });

  test("have mounts, devices and shared memory as they were asked for", async () => {
    await start();
    const folder = join(bench.folder, "big");
    await mkdir(folder);
    await writeFile(join(folder, "data"), "of the machine\n", { mode: 0o644 });
    launch(
      "1.1.1",
      sh(
        "cat /big/data; touch /big/x 2>/dev/null || echo read-only; cat within/data; stat -c %F /dev/nothing; stat -fc '%b %S' /dev/shm",
      ),
      {
        bind_mounts: [
          ...[
            { host_path: folder, container_path: "/big", read_only: true, propagation: "rprivate" },
          ],
          ...[
            {
              host_path: folder,
              container_path: "within",
              read_only: true,
              propagation: "rprivate",
            },
          ],
        ],
        devices: [{ host: "/dev/null", inside: "/dev/nothing", mode: "r" }],
        shm_bytes: 8 * MIB,
      },
    );
    const lines = (await outputOf("1.1.1")).trim().split("\n");
    const [blocks = 0, bytes = 0] = (lines.pop() ?? "").split(" ").map(Number);
    assert.equal(blocks * bytes, 8 * MIB);
    assert.deepEqual(lines, [
      ...["of the machine", "read-only", "of the machine", "character special file"],
    ]);
  });

  test("a mount of what is not there, and an image that nobody has, fail the launch in words", async () => {
    await start();
    launch("1.1.1", sh("true"), {
      bind_mounts: [
        { host_path: "/not/there", container_path: "/x", read_only: true, propagation: "rprivate" },
      ],
    });
    launch("1.2.1", sh("true"), { image: "127.0.0.1:9/team/none:1" });
    launch("1.3.1", sh("true"), { image: `sha256:${"a".repeat(64)}` });
    const details = [];
    for (const id of ["1.1.1", "1.2.1", "1.3.1"]) {
      const { kind, detail } = await server.untilExit(id);
      assert.equal(kind, "launch_failed");
      details.push(detail);
    }
    assert.match(
      details[0] ?? "",
      /bind source path does not exist: \/not\/there.*correct bind_mounts/,
    );
    assert.match(
      details[1] ?? "",
      /127\.0\.0\.1:9\/team\/none:1 could not be pulled: .*refused.*docker load/,
    );
    assert.match(details[2] ?? "", /the image sha256:a{64} is not here/);
  });

  test("an image is pulled with the login that was given, and known by what it consists of", async () => {
    await using registry = await ImageRegistry.start("ada:hunter2hunter2");
    await start();
    const api = new DockerApi(docker.socket);
    const login = { username: "ada", password: "hunter2hunter2" };
    launch("1.1.1", ["/nothing"], { image: registry.image });
    const refused = await server.untilExit("1.1.1");
    assert.equal(refused.kind, "launch_failed");
    assert.match(refused.detail, /could not be pulled.*environment\.registry_auth/);
    launch("1.2.1", ["/nothing"], { image: registry.image, registry_auth: login });
    const exit = await server.untilExit("1.2.1");
    assert.match(exit.detail, /there is no program \/nothing in the image/);
    await server.until("all lines", () => server.logs("1.2.1").length === exit.logLines);
    const said = server.output("1.2.1", "stderr").toString();
    assert.match(said, /pulling the image 127.*\n.*is here/);
    const record = server.records("1.2.1").find(({ environment }) => environment !== null);
    const container = record?.environment?.captured.container;
    assert.deepEqual(
      [container?.image, container?.digest, container?.reference],
      [registry.image, registry.digest, `${registry.image.replace(/:1$/, "")}@${registry.digest}`],
    );
    assert.ok(registry.asked.some((line) => /\/blobs\/.* 200$/.test(line)));
    const everything = JSON.stringify([
      server.events("1.2.1"),
      server.records("1.2.1"),
      bench.said,
      said,
    ]);
    assert.ok(!everything.includes("hunter2"));
    const path = `/images/${encodeURIComponent(registry.image)}`;
    await api.json({ method: "DELETE", path, query: { force: "1" } });
  });

  test("who exceeds the memory of a slot is told apart from who was killed, with the limit", async () => {
    await start({ memoryPerSlotBytes: 96 * MIB, cpusPerSlot: 0.5 });
    launch("1.1.1", ["python3", "-c", "x = bytearray(1 << 28); print(len(x))"]);
    launch("1.2.1", sh("kill -KILL $$"));
    const over = await server.untilExit("1.1.1");
    assert.equal(over.outOfMemory, "the kernel's OOM killer, at the 96 MiB of its container");
    assert.equal(over.processes[0]?.signal, "SIGKILL");
    const killed = await server.untilExit("1.2.1");
    assert.deepEqual([killed.outOfMemory, killed.processes[0]?.signal], [null, "SIGKILL"]);
  });

  test("the record has the image, and the interpreter and system that are in it", async () => {
    await start();
    launch("1.1.1", ["python3", "-c", "print(1)"]);
    await server.untilExit("1.1.1");
    const record = server.records("1.1.1").find(({ environment }) => environment !== null);
    const { container, interpreter, system } = record?.environment?.captured ?? {};
    assert.deepEqual(container, {
      ...{ engine: "docker", image: IMAGE, network: "none" },
      ...{ image_id: docker.imageId, digest: docker.imageId, reference: docker.imageId },
    });
    assert.equal(interpreter?.language, "python");
    assert.equal(system?.os, "Contrail test image");
    assert.equal(record?.own.captured.command?.run_as, "65534:65534");
  });

  test("a checkpoint is what lies in its folder, whatever path of the machine a program names", async () => {
    await start();
    const secret = join(bench.folder, "secret");
    await mkdir(secret);
    await writeFile(join(secret, "key"), "of the machine");
    const program = `
import os, socket, json
s = socket.socket(socket.AF_UNIX); s.connect(os.environ["CONTRAIL_SOCKET"])
f = s.makefile("rw")
def say(m): f.write(json.dumps(m) + "\\n"); f.flush()
say({"type": "hello", "rank": 0, "sdk": "test"})
welcome = json.loads(f.readline())
d = welcome["checkpointDir"]
os.symlink(${JSON.stringify(secret)}, d + "/link")
os.makedirs(d + "/deep/er")
os.mkdir(d + "/real"); open(d + "/real/w", "w").write("weights"); os.chmod(d + "/real", 0o777)
os.chdir(d + "/real")
for path in (${JSON.stringify(secret)}, d + "/link", d + "/deep/er", d + "/real"):
    say({"type": "checkpoint", "step": 1, "path": path, "metadata": {}})
    while True:
        answer = json.loads(f.readline())
        if answer["type"] == "checkpointed": break
    print(answer["error"], flush=True)
try: os.symlink(${JSON.stringify(secret)}, "in")
except PermissionError: print("taken", flush=True)
`;
    launch("1.1.1", ["python3", "-c", program]);
    const lines = (await outputOf("1.1.1")).trim().split("\n");
    assert.match(lines[0] ?? "", /does not lie below/);
    assert.match(lines[1] ?? "", /is not a folder/);
    assert.match(lines[2] ?? "", /does not lie directly in/);
    assert.deepEqual(lines.slice(3), ["None", "taken"]);
    await server.until("the checkpoint", () => server.types("1.1.1").includes("checkpoint"));
    assert.ok(![...server.blobs.values()].some((blob) => blob.includes("of the machine")));
  });

  test("an engine that crashes takes its containers along, which is no fault of theirs", async () => {
    await start();
    launch("1.1.1", sh("echo up; sleep 1000"));
    await server.until("its line", () => server.logs("1.1.1").length === 1);
    await docker.crash();
    launch("1.2.1", sh("echo later"));
    await server.until("a word about waiting", () =>
      server.output("1.2.1", "stderr").includes("Waiting for it"),
    );
    assert.equal(server.exit("1.1.1"), undefined, "nobody can know yet");
    await docker.start();
    const lost = await server.untilExit("1.1.1");
    assert.deepEqual([lost.kind, lost.processes, lost.outOfMemory], ["runner_lost", [], null]);
    assert.match(lost.detail, /the Docker engine ended or was killed, and its container with it/);
    assert.equal(await outputOf("1.2.1"), "later\n");
  });

  test("a container that somebody removes is told as removed", async () => {
    await start();
    launch("1.1.1", sh("echo up; sleep 1000"));
    await server.until("its line", () => server.logs("1.1.1").length === 1);
    const api = new DockerApi(docker.socket);
    const filters = JSON.stringify({ label: ["contrail.allocation=1.1.1"] });
    const query = { filters };
    const [listed] = await api.json<{ Id: string }[]>({
      method: "GET",
      path: "/containers/json",
      query,
    });
    await api.json({ method: "DELETE", path: `/containers/${listed?.Id}`, query: { force: "1" } });
    const { kind, detail, processes } = await server.untilExit("1.1.1");
    assert.ok(
      (kind === "runner_lost" && /was removed/.test(detail)) || processes[0]?.signal === "SIGKILL",
      "either the removal or the kill before it was seen first",
    );
  });

  test("logs of the runner name no secret, and nothing stays behind", async () => {
    await start();
    launch("1.1.1", sh("true"));
    await server.untilExit("1.1.1");
    await bench.stopRunner();
    const filters = JSON.stringify({ label: ["contrail.runner"] });
    const query = { all: "1", filters };
    const api = new DockerApi(docker.socket);
    await until(
      "nothing is left, not even of those that an engine's crash had cut short",
      async () => {
        const left = await api.json<unknown[]>({ method: "GET", path: "/containers/json", query });
        return left.length === 0;
      },
    );
    assert.ok(
      !(await readFile(join(bench.folder, "containers.json"), "utf8")).includes("trial-token"),
    );
  });
});
