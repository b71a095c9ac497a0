/** A server with a pool of containers beside one of processes: searches, restarts, replays, on a real Docker engine. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { chmod, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { DockerApi } from "../../src/engines/docker/docker-api.ts";
import { runnerFiles } from "../../src/engines/runner-record.ts";
import type { Experiment, Verdict } from "../../src/protocol/api.ts";
import { RemoteError } from "../../src/sdk/remote-error.ts";
import { curveSearch, type Stand, stand, until } from "../support.ts";
import { IMAGE, type TestDocker, testDocker } from "./docker.ts";

const found = await testDocker();
const skip = typeof found === "string" ? found : false;
const docker = found as TestDocker;

/** Saves at every step, and does not go beyond the sixth before somebody lets it. */
const HELD = `
import json, os, time
import contrail
trial = contrail.init()
state = {}
def restore(folder, step):
    with open(os.path.join(folder, "state.json")) as file: state.update(json.load(file))
def save(folder):
    with open(os.path.join(folder, "state.json"), "w") as file: json.dump(state, file)
for step in trial.steps(restore=restore):
    while step > 6 and not os.path.exists("/held/go"): time.sleep(0.02)
    state["step"] = step
    trial.report(step, loss=1 / step)
    trial.checkpoint(step, save, always=True)
`;

const POOL_LOGIN = { username: "ada", password: "hunter2-of-the-pool" };
const SINGLE = { name: "single", max_length: { epochs: 12 } };
const inContainers = (image: string, more: object = {}) => ({
  environment: { image, environment_variables: {} },
  resources: { resource_pool: "boxes", ...more },
});

describe("a pool of containers", { skip }, () => {
  let it: Stand;
  let api: DockerApi;
  before(async () => {
    api = new DockerApi(docker.socket);
    it = await stand({
      pools: {
        here: { engine: "local", slots: 1 },
        boxes: { engine: "docker", socket: docker.socket, slots: 2 },
        given: {
          ...{ engine: "docker", socket: docker.socket, slots: 1 },
          defaults: { environment: { image: IMAGE, registry_auth: POOL_LOGIN } },
        },
      },
    });
  });
  after(async () => {
    await it[Symbol.asyncDispose]();
    assert.deepEqual(await containers(), [], "containers that outlived the server");
  });

  async function containers(): Promise<string[]> {
    const filters = JSON.stringify({ label: ["contrail.runner"] });
    const path = "/containers/json";
    const query = { all: "1", filters };
    const all = await api.json<{ Labels: Record<string, string> }[]>({
      method: "GET",
      path,
      query,
    });
    return all.map(({ Labels }) => Labels["contrail.allocation"] ?? "a question");
  }
  const config = (image: string, searcher: object, more: Record<string, unknown> = {}): object => ({
    ...curveSearch(searcher, more),
    ...inContainers(image),
  });
  /** A trial that has saved step 6 and waits before the next. */
  async function held() {
    const folder = await it.codeFolder({});
    // Its programs run as nobody, and have to look into it.
    await chmod(folder, 0o755);
    const code = await it.codeFolder({ "held.py": HELD });
    const { id } = await it.submit(
      {
        ...{ name: "held", entrypoint: ["python3", "held.py"] },
        searcher: { ...SINGLE, metric: "loss" },
        ...inContainers(IMAGE),
        bind_mounts: [{ host_path: folder, container_path: "/held" }],
      },
      code,
    );
    return { id, trial: `${id}.1`, go: () => writeFile(join(folder, "go"), "") };
  }
  const stepsOf = async (trial: string): Promise<number[]> =>
    (await it.series(trial)).map(([step]) => step);
  const twelve = Array.from({ length: 12 }, (_, i) => i + 1);

  async function replay(trial: string) {
    const { code, stdout, stderr } = await it.contrail(["replay", trial, "--json"]);
    assert.notEqual(stdout, "", stderr);
    return { code, ...(JSON.parse(stdout) as { experiment: Experiment; verdict: Verdict }) };
  }

  test("trains a search with pauses, and says of each trial which image it was in", async () => {
    const code = await it.codeFolder({}, ["curve.ts"]);
    const searcher = { name: "asha", divisor: 3, num_rungs: 2, max_length: { epochs: 6 } };
    const { id } = await it.submit(
      config(IMAGE, { ...searcher, max_trials: 5, max_concurrent_trials: 2 }, { delayMs: 20 }),
      code,
    );
    const ended = await it.ended(id, 240_000);
    assert.equal(ended.state, "completed");
    const best = ended.best?.trial ?? "";
    assert.deepEqual(await stepsOf(best), [1, 2, 3, 4, 5, 6]);
    const { container, allocations } = await it.client.trial(best);
    assert.deepEqual([container?.image, container?.digest], [IMAGE, docker.imageId]);
    assert.ok(allocations.every(({ slots }) => slots.every((slot) => slot.startsWith("boxes/"))));
    const shown = await it.contrail(["trial", "show", best]);
    assert.ok(shown.stdout.includes(`${IMAGE} (${docker.imageId})`), shown.stdout);
    const why = await it.contrail(["why", best]);
    assert.match(why.stdout, /is in a container of the image contrail-test:1, which was sha256:/);
    const logs = (await it.allLogs(best)).map(({ text }) => text).join("\n");
    assert.match(logs, /^begin /m);
  });

  test("goes on from its checkpoint when the engine crashes, and charges nothing for it", async () => {
    const { id, trial, go } = await held();
    await it.trialWhen(trial, "has saved", ({ checkpoint }) => checkpoint?.step === 6);
    await docker.crash();
    await docker.start();
    await go();
    const ended = await it.ended(id);
    assert.equal(ended.state, "completed");
    const { restarts, allocations } = await it.client.trial(trial);
    assert.equal(restarts, 0);
    assert.deepEqual(
      allocations.map(({ end }) => end),
      ["node_lost", "stopped"],
    );
    assert.match(allocations[0]?.reason ?? "", /the Docker engine ended or was killed/);
    assert.deepEqual(await stepsOf(trial), twelve);
  });

  test("goes on when its runner is killed, and while the server is replaced", async () => {
    const { id, trial, go } = await held();
    await it.trialWhen(trial, "has saved", ({ checkpoint }) => checkpoint?.step === 6);
    await it.killServer();
    await it.start();
    await it.trialWhen(trial, "is still there", ({ state }) => state === "running");
    assert.equal((await it.client.trial(trial)).allocations.length, 1, "the same container");
    const { record } = runnerFiles(join(it.dataDir, "runners", "boxes"));
    process.kill(JSON.parse(readFileSync(record, "utf8")).pid, "SIGKILL");
    await it.trialWhen(trial, "was lost", ({ allocations }) => allocations[0]?.end === "node_lost");
    await go();
    const ended = await it.ended(id);
    assert.equal(ended.state, "completed");
    assert.equal((await it.client.trial(trial)).restarts, 0);
    assert.deepEqual(await stepsOf(trial), twelve);
  });

  test("two ranks train in two containers", async () => {
    const { id } = await it.submit({
      name: "ranks",
      entrypoint: [
        "python3",
        "-c",
        "import os; print(os.environ['RANK'], os.environ['WORLD_SIZE'])",
      ],
      ...inContainers(IMAGE, { slots_per_trial: 2 }),
    });
    assert.equal((await it.ended(id)).state, "completed");
    const lines = (await it.allLogs(`${id}.1`)).map(({ text }) => text).toSorted();
    assert.deepEqual(lines, ["0 2", "1 2"]);
  });

  test("a replay runs in the image that its trial ran in, whatever its name stands for by now, or in none", async () => {
    const code = await it.codeFolder({}, ["curve.ts"]);
    const tag = (source: string, name: string) => {
      const [repo = "", version = ""] = name.split(":");
      const path = `/images/${encodeURIComponent(source)}/tag`;
      return api.json({ method: "POST", path, query: { repo, tag: version } });
    };
    // An image of its own, of the same files.
    const { Id: made } = await api.json<{ Id: string }>({
      ...{ method: "POST", path: "/containers/create" },
      body: { Image: IMAGE, Cmd: ["true"] },
    });
    const query = { container: made, repo: "contrail-replayed", tag: "1", comment: "another" };
    const { Id: image } = await api.json<{ Id: string }>({
      method: "POST",
      path: "/commit",
      query,
      body: {},
    });
    await api.json({ method: "DELETE", path: `/containers/${made}` });
    const { id } = await it.submit(config("contrail-replayed:1", SINGLE, { saveEvery: 3 }), code);
    assert.equal((await it.ended(id)).state, "completed");
    const trial = `${id}.1`;
    assert.equal((await it.client.trial(trial)).container?.digest, image);

    await tag(image, "contrail-kept:1");
    await tag(IMAGE, "contrail-replayed:1");
    const again = await replay(trial);
    assert.equal(again.verdict.state, "identical", again.verdict.text);
    assert.equal(again.code, 0);
    assert.equal((await it.client.trial(`${again.experiment.id}.1`)).container?.digest, image);

    await api.json({ method: "DELETE", path: "/images/contrail-kept:1", query: { force: "1" } });
    await api
      .json({ method: "DELETE", path: `/images/${image}`, query: { force: "1" } })
      .catch(() => undefined); // Went with its last name.
    const gone = await replay(trial);
    assert.equal(gone.verdict.state, "not_comparable");
    assert.ok(gone.verdict.text.includes(`the image ${image} is not here`), gone.verdict.text);
    const never = await it.client.trial(`${gone.experiment.id}.1`);
    assert.deepEqual([never.step, never.allocations[0]?.end], [0, "launch_failed"]);
    await api.json({ method: "DELETE", path: "/images/contrail-replayed:1" });
  });

  test("what only containers have is refused in a pool of processes, and the pool that could is named", async () => {
    const refused = await it
      .submit({
        entrypoint: "true",
        environment: { image: IMAGE },
        bind_mounts: [{ host_path: "/tmp", container_path: "/x" }],
        resources: { resource_pool: "here" },
      })
      .catch((error: unknown) => error);
    assert.ok(refused instanceof RemoteError);
    assert.match(
      refused.message,
      /environment\.image is for containers.*bind_mounts is for containers/,
    );
    assert.match(JSON.stringify(refused), /resource_pool: boxes or given/);
    const bare = await it
      .submit({ entrypoint: "true", resources: { resource_pool: "boxes" } })
      .catch((error: unknown) => error);
    assert.match(String(bare), /environment\.image is missing/);
    const { id } = await it.submit({ entrypoint: "true", resources: { resource_pool: "here" } });
    assert.equal((await it.ended(id)).state, "completed");
  });

  test("an image and a login that a pool gives to all are used, and the login is shown to nobody", async () => {
    const text = "entrypoint: 'true' # mine\nresources: {resource_pool: given}\n";
    const { id } = await it.submit(text);
    assert.equal((await it.ended(id)).state, "completed");
    assert.equal((await it.client.trial(`${id}.1`)).container?.digest, docker.imageId);
    const { stdout } = await it.contrail(["experiment", "show", String(id), "--json"]);
    assert.ok(stdout.includes("sealed") && !stdout.includes(POOL_LOGIN.password), stdout);
    assert.ok(stdout.includes("# mine"));
  });

  test("a login at a registry is used and shown nowhere", async () => {
    const secret = "hunter2-of-the-registry";
    const image = "127.0.0.1:9/team/none:1";
    const { id } = await it.submit(
      `# mine\nentrypoint: "true"\nmax_restarts: 0\nenvironment: {image: "${image}", registry_auth: {username: ada, password: ${secret}}}\nresources: {resource_pool: boxes}\n`,
    );
    const ended = await it.ended(id);
    assert.equal(ended.state, "error");
    const trial = await it.client.trial(`${id}.1`);
    assert.match(trial.reason, /could not be pulled/);
    for (const args of [
      ["experiment", "show", String(id), "--json"],
      ["trial", "show", `${id}.1`, "--json"],
      ["trial", "show", `${id}.1`, "--record", "--json"],
      ["fork", String(id), "--dry-run", "--json"],
      ["logs", `${id}.1`],
      ["why", `${id}.1`],
    ]) {
      const { stdout, stderr } = await it.contrail(args);
      assert.ok(!(stdout + stderr).includes(secret), `${args.join(" ")} shows it`);
    }
    for (const log of ["server.log", "runners/boxes/runner/runner.log"])
      assert.ok(!readFileSync(join(it.dataDir, log), "utf8").includes(secret));
    await until("nothing of it is left", async () => (await containers()).length === 0);
  });
});
