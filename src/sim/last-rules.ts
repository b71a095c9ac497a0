/** Rules about what is left when everything has come to its end, and what memory and ledger must agree on. */
import { firstDifference } from "../base/difference.ts";
import type { ExperimentConfig } from "../protocol/config/config.ts";
import type { LiveExperiment } from "../server/live-experiment.ts";
import { leaseFromRow } from "../server/live-runners.ts";
import { liveFrom } from "../server/load.ts";
import { ChainWalk } from "../store/chain-walk.ts";
import type { AllocationRow, CheckpointRow, ExperimentRow, TrialRow } from "../store/schema.ts";
import { CHAIN_START } from "../store/write-batch.ts";
import type { MemoryLedger } from "./memory-ledger.ts";
import { said } from "./said.ts";
import type { SearchRules } from "./search-rules.ts";
import type { SimContext } from "./sim-context.ts";
import type { SimServer } from "./sim-server.ts";

/** Of an experiment as the server holds it: what has to come back when it is loaded. */
const essence = ({
  x,
  trials,
  allocations,
  searchEvents,
  lastDecision,
}: LiveExperiment): unknown => ({
  core: x.core,
  search: x.search,
  trials: [...x.trials.values()],
  live: [...x.live].sort((a, b) => a - b),
  ids: [...trials],
  // Of what a failed turn would leave, memory alone keeps count.
  allocations: [...allocations]
    .map(([number, allocation]) => [number, { ...allocation, ordersBefore: 0 }] as const)
    .sort(([a], [b]) => a - b),
  counts: [searchEvents, lastDecision],
});

/** Only to be asked while nothing is being committed. @param only of these experiments; absent = of all there are */
export async function checkMemory(
  context: SimContext,
  { server, ledger }: { readonly server: SimServer; readonly ledger: MemoryLedger },
  only?: readonly number[],
): Promise<void> {
  const { runners } = await ledger.counters();
  const leases = new Map(runners.map((row) => [row.id, leaseFromRow(row)]));
  for (const { id, lease } of server.world.runners.all) {
    // Of one that has not spoken yet nothing is stored.
    const difference = firstDifference(lease, leases.get(id) ?? { ...lease, standing: "held" });
    if (difference)
      context.broken(
        "memory and ledger agree",
        `runner ${id}: ${said(difference, "in memory", "in the ledger")}`,
      );
  }
  const found = (await ledger.load(only)).filter(({ row }) => row.ended_at === null);
  const there = new Map(found.map((stored) => [stored.row.id, liveFrom(stored)]));
  const ids = only?.filter((id) => server.world.experiments.has(id));
  for (const id of new Set([...there.keys(), ...(ids ?? server.world.experiments.keys())])) {
    const [kept, loaded] = [server.world.experiments.get(id), there.get(id)];
    if (!kept || !loaded) {
      context.broken("memory and ledger agree", `experiment ${id}: only one has it`);
      continue;
    }
    const difference = firstDifference(essence(kept), essence(loaded));
    if (difference)
      context.broken(
        "memory and ledger agree",
        `experiment ${id}: ${said(difference, "in memory", "in the ledger")}`,
      );
  }
}

interface ReportRow {
  readonly trial_id: number;
  readonly run: number;
  readonly seq: number;
  readonly step: number;
}

const COUNTED = new Set(["user_error", "out_of_memory", "no_progress", "launch_failed"]);

export class LastRules {
  readonly #context: SimContext;
  readonly #ledger: MemoryLedger;
  readonly #late: ReadonlySet<string>;
  readonly #doubtful: ReadonlySet<string>;
  readonly #searches: SearchRules;
  #byRun: ReadonlyMap<string, readonly ReportRow[]> | null = null;

  /** @param reports that came when their allocation had ended, and those of whom nobody knows; by trial row, run and event */
  constructor(
    context: SimContext,
    ledger: MemoryLedger,
    reports: { readonly late: ReadonlySet<string>; readonly doubtful: ReadonlySet<string> },
    searches: SearchRules,
  ) {
    this.#context = context;
    this.#ledger = ledger;
    this.#late = reports.late;
    this.#doubtful = reports.doubtful;
    this.#searches = searches;
  }

  /** @param accepted allocation → reports that its runner took; null where a disk may have lost some of them */
  check(keys: readonly string[], accepted: ReadonlyMap<string, number> | null): void {
    this.#submissions(keys);
    if (this.#context.thorough) this.#chain();
    for (const experiment of this.#ledger.rows<ExperimentRow>("experiments")) {
      if (this.#isPurged(experiment.id)) continue;
      this.#searches.checkEnd(experiment);
      this.#trials(experiment);
    }
    if (!accepted) return;
    this.#reports(accepted);
    this.#checkpoints();
  }

  /** What it left behind was deleted with it. */
  #isPurged(experiment: number): boolean {
    return this.#ledger.table("experiment_marks").get(String(experiment))?.purged_at != null;
  }

  #submissions(keys: readonly string[]): void {
    const names = this.#ledger.rows<ExperimentRow>("experiments").map((row) => row.config_text);
    for (const key of keys) {
      const count = names.filter((name) => name === key).length;
      if (count !== 1)
        this.#context.broken("what was submitted is there once", `${key}: ${count} times`);
    }
  }

  #chain(): void {
    const walk = new ChainWalk(CHAIN_START);
    for (const { seq, hash, entry } of this.#ledger.changes) {
      const at = entry.at.toISOString();
      const misfit = walk.take({ ...entry, seq: String(seq), at, hash: hash.toString("hex") });
      if (misfit) return this.#context.broken("the chain of changes fits", misfit.text);
    }
  }

  #trialsOf(experiment: number): TrialRow[] {
    return this.#ledger.rows<TrialRow>("trials").filter((row) => row.experiment_id === experiment);
  }

  #trials(experiment: ExperimentRow): void {
    const { max_restarts: max } = experiment.config as unknown as ExperimentConfig;
    const allocations = this.#ledger
      .rows<AllocationRow>("allocations")
      .filter((row) => row.experiment_id === experiment.id);
    let [least, most] = [0, 0];
    for (const trial of this.#trialsOf(experiment.id)) {
      const name = `${experiment.id}.${trial.number}`;
      const own = allocations.filter((row) => row.trial_number === trial.number);
      const failures = own.filter((row) => COUNTED.has(row.end_kind ?? "")).length;
      const charged = trial.end_reason !== null && COUNTED.has(trial.end_reason);
      if (charged ? failures !== max + 1 : failures > max + 1)
        this.#context.broken(
          "max_restarts is exact",
          `${name} is ${trial.end_reason} after ${failures} failures; max_restarts is ${max}`,
        );
      if (!charged && trial.restarts > failures)
        this.#context.broken(
          "only failures are charged",
          `${name}: ${trial.restarts} of ${failures}`,
        );
      this.#savedIn(trial, own);
      if (own.some((row) => row.state !== "ended"))
        this.#context.broken("what is over holds nothing", `${name} has a live allocation`);
      if (own.length !== trial.core.run)
        this.#context.broken(
          "each run is an allocation",
          `${name}: ${own.length}, ${trial.core.run}`,
        );
      for (const row of own) {
        least += this.#progress(trial.id, row, false);
        most += this.#progress(trial.id, row, true);
      }
    }
    if (experiment.steps < least || experiment.steps > most)
      this.#context.broken(
        "work is counted once",
        `experiment ${experiment.id}: ${experiment.steps} steps counted, ${least} to ${most} reported`,
      );
  }

  /** Whose program failed or was lost on its way out; what a full disk does not take is no failure of the program's. */
  #savedIn(trial: TrialRow, own: readonly AllocationRow[]): void {
    const { target, checkpoint } = trial.core;
    const last = own.toSorted((a, b) => a.run - b.run).at(-1);
    if (trial.end_reason !== "finished" || target === null) return;
    if (!COUNTED.has(last?.end_kind ?? "") && last?.end_kind !== "node_lost") return;
    const name = `${trial.experiment_id}.${trial.number}`;
    if (this.#context.behaviour(name) === "saves nothing") return;
    if (this.#context.notKept.has(`${name}.${last?.run}`)) return;
    if ((checkpoint?.step ?? 0) < target)
      this.#context.broken(
        "what finished has saved its last step",
        `${name}: ${last?.end_kind} at ${target}, saved at ${checkpoint?.step ?? "no step"}`,
      );
  }

  #progress(
    trialId: number,
    { run, start_step: start }: AllocationRow,
    withDoubtful: boolean,
  ): number {
    let last = start;
    for (const report of this.#reportsOf(trialId, run)) {
      const key = `${trialId} ${run} ${report.seq}`;
      if (this.#late.has(key) || (this.#doubtful.has(key) && !withDoubtful)) continue;
      last = Math.max(last, report.step);
    }
    return last - start;
  }

  #reportsOf(trialId: number, run: number): readonly ReportRow[] {
    this.#byRun ??= Map.groupBy(
      this.#ledger.rows<ReportRow>("reports"),
      (row) => `${row.trial_id} ${row.run}`,
    );
    return this.#byRun.get(`${trialId} ${run}`) ?? [];
  }

  #reports(accepted: ReadonlyMap<string, number>): void {
    for (const [id, count] of accepted) {
      const [experiment = 0, number = 0, run = 0] = id.split(".").map(Number);
      if (this.#isPurged(experiment)) continue;
      const trial = this.#ledger.trial(experiment, number);
      const found = this.#reportsOf(trial?.id ?? 0, run).length;
      if (found !== count)
        this.#context.broken(
          "what a runner took arrives",
          `${id}: ${count} taken, ${found} stored`,
        );
    }
  }

  /** Also where retention has given its bytes up since. One that came when its allocation was over may be told lost. */
  #checkpoints(): void {
    const there = new Set<string>();
    for (const row of this.#ledger.rows<CheckpointRow>("checkpoints"))
      there.add(`${row.trial_id} ${row.run} ${row.step}`);
    const told = new Set(
      this.#ledger.changes.flatMap(({ entry: { what, cause } }) => {
        const [, step] = /^checkpoint at step (\d+) lost$/.exec(what) ?? [];
        return step === undefined ? [] : [`${cause.split(" ")[1]} at ${step}`];
      }),
    );
    for (const [id, steps] of this.#context.takenOver) {
      const [experiment = 0, number = 0, run = 0] = id.split(".").map(Number);
      if (this.#isPurged(experiment)) continue;
      const trial = this.#ledger.trial(experiment, number);
      for (const step of steps)
        if (!there.has(`${trial?.id} ${run} ${step}`) && !told.has(`${id} at ${step}`))
          this.#context.broken(
            "a checkpoint that a runner took over arrives",
            `step ${step} of allocation ${id}`,
          );
    }
  }
}
