/** Allocations as jobs: a real server, real runners, and an engine whose queue, nodes and answers the test holds. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import type { TrialDetail } from "../../protocol/api.ts";
import { jobSettings } from "../../protocol/pools/fields.ts";
import { type TestServer, testServer } from "../http/test-server.ts";
import { ProcessJobs } from "../pools/process-jobs-fixtures.test.ts";

const LIMIT_MS = 60_000;

describe("a pool of jobs", { timeout: 4 * LIMIT_MS }, () => {
  const engine = new ProcessJobs();
  let server: TestServer;
  before(async () => {
    const settings = jobSettings.parse({ slots_per_node: 2, grace: 20 });
    server = await testServer({ pools: [{ name: "jobs", jobs: engine, settings }] });
  });
  after(async () => {
    await server.stop();
    engine.killAll();
  });

  const submit = async (script: string, more = ""): Promise<string> => {
    const config = `entrypoint: ${JSON.stringify(["/bin/sh", "-c", script])}\nmax_restarts: 1\nresources: {resource_pool: jobs${more}}\n`;
    const { experiment } = await server.client.createExperiment({ config, code: null });
    assert.ok(experiment);
    return `${experiment.id}.1`;
  };
  /** The trial as soon as it is what the test waits for. */
  const until = async (id: string, what: (trial: TrialDetail) => boolean): Promise<TrialDetail> => {
    const endMs = Date.now() + LIMIT_MS;
    for (;;) {
      const trial = await server.client.trial(id);
      if (what(trial)) return trial;
      assert.ok(
        Date.now() < endMs,
        `${id} is ${trial.state} (${trial.reason}); ${JSON.stringify(trial.allocations)} ${engine.words()}`,
      );
      await new Promise((done) => setTimeout(done, 50));
    }
  };
  const over = ({ state }: TrialDetail): boolean =>
    ["completed", "canceled", "error"].includes(state);
  const runs = ({ allocations }: TrialDetail): string =>
    allocations.map((a) => `${a.run}:${a.end ?? a.state}`).join(" ");

  test("runs an allocation as one job, whose runner leaves when it is over", async () => {
    const id = await submit("echo from the job; exit 0");
    const trial = await until(id, over);
    assert.equal(runs(trial), "1:finished");
    assert.equal(engine.starts, 1);
    // Output goes its own way and may come after the end.
    const said = async () => JSON.stringify(await server.client.trialLogs(id));
    while (!(await said()).includes("from the job"))
      await new Promise((done) => setTimeout(done, 50));
    while (engine.jobs.get(`${id}.1`)?.end === null)
      await new Promise((done) => setTimeout(done, 50));
    assert.deepEqual(engine.jobs.get(`${id}.1`)?.end?.code, 0);
  });

  test("says why a job waits, is not silent meanwhile, and takes it out of the queue when it is killed", async () => {
    engine.held = "Resources: all nodes are taken";
    const id = await submit("exit 0");
    const waiting = await until(id, ({ reason }) => reason.includes("all nodes are taken"));
    assert.equal(waiting.silent, undefined);
    const why = await server.client.why("trial", id);
    assert.equal(why.reasons[0]?.code, "waits_in_engine");
    assert.match(why.reasons[0]?.text ?? "", /all nodes are taken/);
    await server.client.changeTrial(id, "kill");
    const trial = await until(id, over);
    engine.held = null;
    assert.equal(runs(trial), "1:killed");
    assert.equal(engine.jobs.get(`${id}.1`)?.end?.cause, "cancelled");
  });

  test("a node that is taken away costs no restart: the trial comes again as a new job", async () => {
    const id = await submit("sleep 60");
    await until(id, ({ allocations }) => allocations.at(-1)?.state === "running");
    engine.preempt(`${id}.1`);
    await until(
      id,
      ({ allocations }) => allocations.length === 2 && allocations[1]?.state === "running",
    );
    engine.loseNode(`${id}.2`);
    const trial = await until(id, ({ allocations }) => allocations[2]?.state === "running");
    assert.equal(runs(trial), "1:node_lost 2:node_lost 3:running");
    assert.match(
      trial.allocations[1]?.reason ?? "",
      /processes: its process ended with SIGKILL \(node_lost\)/,
    );
    assert.equal(trial.restarts, 0);
    await server.client.changeTrial(id, "kill");
    await until(id, over);
  });

  test("a job that ends without a word of its runner is a failure with the engine's words and its last output", async () => {
    const config = await submit("sleep 60");
    await until(config, ({ allocations }) => allocations.at(-1)?.state === "running");
    await engine.cancel("", `${config}.1`);
    const trial = await until(config, ({ allocations }) => allocations.length === 2);
    assert.match(runs(trial), /^1:node_lost/);
    await server.client.changeTrial(config, "kill");
    await until(config, over);
  });

  test("what is wanted while a look is under way is launched without waiting for it", async () => {
    const first = await submit("sleep 60");
    await until(first, ({ allocations }) => allocations.at(-1)?.state === "running");
    const { promise, resolve: answer } = Promise.withResolvers<void>();
    const looked = engine.looks;
    engine.slow = promise;
    const pause = () => new Promise((done) => setTimeout(done, 50));
    while (engine.looks === looked) await pause();
    const second = await submit("exit 0");
    const endMs = Date.now() + LIMIT_MS;
    while (!engine.jobs.has(`${second}.1`)) {
      assert.ok(Date.now() < endMs, "it waits for the look");
      await pause();
    }
    engine.slow = undefined;
    answer();
    assert.equal(runs(await until(second, over)), "1:finished");
    await server.client.changeTrial(first, "kill");
    await until(first, over);
  });

  test("what is wanted while another is launched does not wait for the look either", async () => {
    const first = await submit("sleep 60");
    await until(first, ({ allocations }) => allocations.at(-1)?.state === "running");
    const [look, launch] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const { looks, launches } = engine;
    engine.slow = look.promise;
    engine.slowLaunch = launch.promise;
    // A job that starts would be heard of, and wake it after all.
    engine.held = "the test holds the queue";
    const pause = () => new Promise((done) => setTimeout(done, 50));
    try {
      while (engine.looks === looks) await pause();
      const second = await submit("exit 0");
      while (engine.launches === launches) await pause();
      const third = await submit("exit 0");
      await until(third, ({ allocations }) => allocations.length === 1);
      launch.resolve();
      const endMs = Date.now() + LIMIT_MS / 4;
      while (!engine.jobs.has(`${third}.1`)) {
        assert.ok(Date.now() < endMs, "it waits for the look");
        await pause();
      }
      engine.held = null;
      engine.slow = undefined;
      look.resolve();
      for (const id of [second, third]) assert.equal(runs(await until(id, over)), "1:finished");
    } finally {
      engine.held = null;
      engine.slow = undefined;
      engine.slowLaunch = undefined;
      launch.resolve();
      look.resolve();
    }
    await server.client.changeTrial(first, "kill");
    await until(first, over);
  });

  test("what the engine does not take now waits with its words, holds up nobody, and is taken later", async () => {
    const last = Number((await submit("exit 0")).split(".")[0]);
    const [first, second] = [`${last + 1}.1`, `${last + 2}.1`];
    for (const id of [first, second]) engine.deferred.set(`${id}.1`, "the team's quota is used up");
    assert.deepEqual([await submit("exit 0"), await submit("exit 0")], [first, second]);
    const other = await submit("exit 0");
    assert.equal(runs(await until(other, over)), "1:finished");
    const waiting = await until(first, ({ reason }) => reason.includes("quota is used up"));
    assert.equal(waiting.silent, undefined);
    const why = await server.client.why("trial", first);
    assert.equal(why.reasons[0]?.code, "waits_in_engine");
    assert.match(why.reasons[0]?.text ?? "", /waits for processes: the team's quota is used up/);
    const pool = (await server.client.pools()).find(({ name }) => name === "jobs");
    assert.equal(pool?.trouble, null, "it answers");
    await server.client.changeTrial(second, "kill");
    assert.equal(runs(await until(second, over)), "1:killed");
    engine.deferred.clear();
    assert.equal(runs(await until(first, over)), "1:finished");
  });

  test("an engine that does not answer ends nothing and loses nothing", async () => {
    const id = await submit("sleep 2");
    await until(id, ({ allocations }) => allocations.at(-1)?.state === "running");
    engine.reachable = false;
    const pools = async () => (await server.client.pools()).find(({ name }) => name === "jobs");
    while ((await pools())?.trouble === null) await new Promise((done) => setTimeout(done, 50));
    assert.match((await pools())?.trouble ?? "", /switched it off/);
    const trial = await until(id, over);
    assert.equal(runs(trial), "1:finished");
    engine.reachable = true;
  });

  test("a server that starts anew finds its jobs", async () => {
    const id = await submit("sleep 3; exit 0");
    await until(id, ({ allocations }) => allocations.at(-1)?.state === "running");
    const starts = engine.starts;
    // As of a server at another address: jobs that run are told the one of now.
    const file = join(server.dataDir, "jobs", `${id}.1`, "server.json");
    writeFileSync(file, JSON.stringify({ url: "http://127.0.0.1:9" }));
    await server.restart("keep");
    const trial = await until(id, over);
    assert.equal(runs(trial), "1:finished", trial.allocations[0]?.reason);
    assert.equal(engine.starts, starts);
  });

  test("a trial that needs more than a node has lies on several, and is one trial all the same", async () => {
    const id = await submit(
      "echo rank $RANK of $WORLD_SIZE on $GROUP_RANK; exit 0",
      ", slots_per_trial: 4",
    );
    const trial = await until(id, over);
    assert.equal(runs(trial), "1:finished");
    assert.equal(engine.jobs.get(`${id}.1`)?.request.nodes, 2);
    const said = async () => (await server.client.trialLogs(id)).items.map(({ text }) => text);
    while ((await said()).length < 4) await new Promise((done) => setTimeout(done, 50));
    assert.deepEqual(
      (await said()).sort(),
      [0, 1, 2, 3].map((rank) => `rank ${rank} of 4 on ${rank < 2 ? 0 : 1}`),
    );
    while (engine.jobs.get(`${id}.1`)?.end === null)
      await new Promise((done) => setTimeout(done, 50));
    assert.deepEqual(engine.jobs.get(`${id}.1`)?.end?.code, 0);
  });

  test("of several nodes each may be taken away or lost, and no restart is charged", async () => {
    const id = await submit("sleep 60", ", slots_per_trial: 4");
    const running = (run: number) =>
      until(id, ({ allocations }) => allocations[run - 1]?.state === "running");
    for (const node of [0, 1]) {
      await running(node + 1);
      engine.loseNode(`${id}.${node + 1}`, node);
    }
    await running(3);
    engine.preempt(`${id}.3`);
    const trial = await running(4);
    assert.equal(runs(trial), "1:node_lost 2:node_lost 3:node_lost 4:running");
    assert.match(trial.allocations[2]?.reason ?? "", /the engine takes its node away/);
    assert.equal(trial.restarts, 0);
    await server.client.changeTrial(id, "kill");
    assert.equal(runs(await until(id, over)), "1:node_lost 2:node_lost 3:node_lost 4:killed");
  });

  test("what never fits is refused with the nearest that would", async () => {
    await assert.rejects(
      submit("exit 0", ", slots_per_trial: 3"),
      /pool jobs has 2 nodes with up to 2 slots each, over which 3 cannot be shared evenly/,
    );
    await assert.rejects(submit("exit 0", ", slots_per_trial: 5"), /there are 4 in pool jobs/);
    await assert.rejects(
      submit("exit 0", ", slots_per_trial: 4, is_single_node: true"),
      /no node of pool jobs has more than 2, and .resources.is_single_node asks for one/,
    );
    const config = "entrypoint: train\nresources: {resource_pool: jos}\n";
    await assert.rejects(
      server.client.createExperiment({ config, code: null }),
      /resource_pool is "jos", and there is no such pool/,
    );
  });
});
