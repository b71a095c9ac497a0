/** Trials over several nodes of a real cluster, called by the suite that has one: the same program as on one machine. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import type { TrialDetail } from "../../src/protocol/api.ts";
import { DIGITS_TOLERANCE, digitsOnce } from "../example-copy.ts";
import { type Stand, until } from "../support.ts";
import { NO_TORCH, pythonWithTorch } from "../torch-python.ts";
import type { SlurmCluster } from "./slurm-cluster.ts";

const LIMIT_MS = 300_000;
const STEPS = 60;
const RANKS = 4;

interface RankProcess {
  readonly pid: number;
  readonly rank: number;
  readonly node: string;
}

/** @param shared a cluster whose nodes have two slots each, and a server with a pool of it that is named `cluster` */
export function testsOverNodes(shared: () => { cluster: SlurmCluster; it: Stand }): void {
  const config = (more: object = {}): object => ({
    ...{
      name: "parallel",
      entrypoint: ["node", "parallel.ts"],
      hyperparameters: { delay_ms: 150 },
    },
    searcher: { name: "single", metric: "loss", max_length: { epochs: STEPS } },
    resources: { slots_per_trial: RANKS },
    // Each run but the last holds there until what is to end it has come.
    environment: { environment_variables: { E2E_HOLD_AT: "10,20,30" } },
    ...{ max_restarts: 1, ...more },
  });
  const runs = ({ allocations }: TrialDetail): string =>
    allocations.map(({ run, end, state }) => `${run}:${end ?? state}`).join(" ");

  /** The processes of one run, by rank. */
  function ranksOf(it: Stand, allocation: string): RankProcess[] {
    return it
      .processes()
      .filter((each) => each.allocation === allocation && each.command.endsWith("node parallel.ts"))
      .map(({ pid }) => ({ pid, ...placeOf(pid) }))
      .sort((a, b) => a.rank - b.rank);
  }

  /** Waits until a run trains, and has saved some steps of its own. */
  async function training(it: Stand, trial: string, run: number): Promise<RankProcess[]> {
    const { allocations } = await it.trialWhen(
      trial,
      `run ${run} trains`,
      ({ step, allocations: all }) => {
        const own = all[run - 1];
        return own?.state === "running" && step >= own.start_step + 4;
      },
      LIMIT_MS,
    );
    const ranks = ranksOf(it, `${trial}.${run}`);
    assert.deepEqual(
      ranks.map(({ rank }) => rank),
      [0, 1, 2, 3],
      JSON.stringify({ ranks, allocations }),
    );
    const nodes = [ranks[0]?.node, ranks[2]?.node];
    assert.notEqual(nodes[0], nodes[1], "two nodes");
    assert.deepEqual(
      ranks.map(({ node }) => node),
      [nodes[0], nodes[0], nodes[1], nodes[1]],
    );
    return ranks;
  }

  const nothingLeft = async (cluster: SlurmCluster, it: Stand, trial: string): Promise<void> => {
    await until("nothing of it is left in any process table, and no job", async () => {
      const left = it.processes().filter(({ allocation }) => allocation?.startsWith(`${trial}.`));
      const jobs = await cluster.run("squeue", "-h", "-o", "%j");
      return left.length === 0 && !jobs.includes(`:${trial}.`);
    });
  };

  test("a trial over two nodes is one: a rank killed, a pause, a node lost, and it ends as if nothing had been", async () => {
    const { cluster, it } = shared();
    const code = await it.codeFolder({}, ["parallel.ts"]);
    const { id } = await it.submit(config(), code);
    const trial = `${id}.1`;

    const [, , , killed] = await training(it, trial, 1);
    process.kill(killed?.pid ?? 0, "SIGKILL");
    const second = await training(it, trial, 2);
    const first = (await it.client.trial(trial)).allocations[0];
    assert.deepEqual([first?.end, first?.signal], ["user_error", "SIGKILL"], first?.reason);
    assert.match(first?.reason ?? "", /^rank 3 of 4 ended first, and the others with it/);

    await it.client.changeTrial(trial, "pause");
    const paused = await it.trialWhen(trial, "it is paused", ({ state }) => state === "paused");
    assert.equal(paused.allocations[1]?.end, "paused", runs(paused));
    await nothingLeft(cluster, it, trial);
    assert.deepEqual(
      second.map(({ pid }) => isThere(pid)),
      [false, false, false, false],
    );
    await it.client.changeTrial(trial, "activate");

    const third = await training(it, trial, 3);
    const lost = third[3]?.node ?? "";
    await cluster.killNode(lost);
    await cluster.markDown(lost);
    await training(it, trial, 4);
    await cluster.startNode(lost);

    const ended = await it.ended(id, LIMIT_MS);
    assert.equal(ended.state, "completed", ended.reason);
    const detail = await it.client.trial(trial);
    assert.match(runs(detail), /^1:user_error 2:paused 3:node_lost 4:(?:finished|stopped)$/);
    // The killed rank is charged, and the lost node is not.
    assert.deepEqual([detail.end_reason, detail.restarts], ["finished", 1]);
    // All ranks left at the step of the pause: none was trained twice.
    assert.equal(detail.allocations[2]?.start_step, paused.step);
    // 1 + 1/2 + 1/3 + 1/4 a step, whatever happened on the way.
    const share = 1 + 1 / 2 + 1 / 3 + 1 / 4;
    const series = await it.series(trial);
    assert.equal(series.length, STEPS);
    for (const [step, loss] of series)
      assert.ok(Math.abs((Number(loss) * share * step * (step + 1)) / 2 - 1) < 1e-12, `${step}`);
    const lines = await it.allLogs(trial);
    for (let rank = 0; rank < RANKS; rank++)
      assert.ok(
        lines.some(
          (line) => line.rank === rank && line.text === `rank ${rank} is at step ${STEPS}`,
        ),
        `rank ${rank} is heard`,
      );
    await nothingLeft(cluster, it, trial);

    // Where it was is told by its record, in the trial's detail and by why.
    const last = detail.allocations[3]?.nodes ?? [];
    assert.equal(last.length, 2, JSON.stringify(detail.allocations));
    for (const command of [
      ["why", trial],
      ["trial", "show", trial],
    ]) {
      const { stdout } = await it.contrail(command);
      for (const node of last) assert.ok(stdout.includes(node), `${command}: ${stdout}`);
    }
  });

  test("a trial over two nodes that is killed leaves nothing on either", async () => {
    const { cluster, it } = shared();
    const code = await it.codeFolder({}, ["parallel.ts"]);
    const { id } = await it.submit(config({ max_restarts: 0 }), code);
    const ranks = await training(it, `${id}.1`, 1);
    await it.client.changeTrial(`${id}.1`, "kill");
    const ended = await it.trialWhen(`${id}.1`, "it is over", ({ state }) => state === "canceled");
    assert.equal(runs(ended), "1:killed");
    await nothingLeft(cluster, it, `${id}.1`);
    assert.deepEqual(
      ranks.map(({ pid }) => isThere(pid)),
      [false, false, false, false],
    );
  });

  const python = pythonWithTorch("sklearn");
  test("PyTorch trains the same on two nodes as alone (examples/digits-pytorch, gloo)", {
    skip: python === undefined ? NO_TORCH : false,
  }, async () => {
    const { it } = shared();
    const curves: number[][] = [];
    for (const slots of [1, RANKS]) {
      const folder = await digitsOnce(it, { python: python ?? "", slots, epochs: 1 });
      const { id } = await it.submit(await readFile(join(folder, "config.yaml"), "utf8"), folder);
      const ended = await it.ended(id, LIMIT_MS);
      assert.equal(ended.state, "completed", ended.reason);
      curves.push((await it.series(`${id}.1`)).map(([, loss]) => Number(loss)));
    }
    const [alone = [], spread = []] = curves;
    assert.equal(alone.length, 1);
    for (const [i, loss] of alone.entries())
      assert.ok(Math.abs((spread[i] ?? 0) / loss - 1) < DIGITS_TOLERANCE, `${spread} and ${alone}`);
  });
}

function placeOf(pid: number): { rank: number; node: string } {
  const environment = readFileSync(`/proc/${pid}/environ`, "latin1");
  const variable = (name: string) =>
    new RegExp(`(?:^|\\0)${name}=([^\\0]*)`).exec(environment)?.[1];
  return { rank: Number(variable("CONTRAIL_RANK")), node: variable("SLURMD_NODENAME") ?? "" };
}

function isThere(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "latin1") !== "";
  } catch {
    return false;
  }
}
