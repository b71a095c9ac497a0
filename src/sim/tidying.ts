/**
 * People who tidy: they pin checkpoints and take pins off, delete experiments that have ended, and restore some of them in
 * time. Drawn apart from the scenario, so that what else a seed stands for stays what it was.
 */
import { keyed, type Random } from "../base/random.ts";
import { planRetention } from "../core/retention/retention.ts";
import type { ExperimentConfig } from "../protocol/config/config.ts";
import type { Command } from "../server/loops/decision-loop.ts";
import { type ExperimentAct, markExperiment, pin } from "../server/retention/commands.ts";
import { toRetentionPolicy } from "../server/retention/verdicts.ts";
import type { ExperimentRow, MarksRow, TrialRow } from "../store/schema.ts";
import { chance, pick } from "./draws.ts";
import { MemoryRetentionStore } from "./memory-retention.ts";
import type { SimContext } from "./sim-context.ts";
import type { ServerDisk, SimServer } from "./sim-server.ts";

const EVERY_MS = 1_500;

/** What stays: a few of each, or nothing. */
export function drawnStorage(seed: number, key: string): ExperimentConfig["checkpoint_storage"] {
  const random = keyed(seed, "checkpoint storage", key);
  const kept = (): number => random.below(random.below(3) + 1);
  return {
    save_experiment_best: kept(),
    save_trial_best: kept(),
    save_trial_latest: kept(),
  };
}

export class Tidying {
  readonly #context: SimContext;
  readonly #disk: ServerDisk;
  readonly #server: () => SimServer | null;
  readonly #random: Random;

  constructor(context: SimContext, disk: ServerDisk, server: () => SimServer | null) {
    this.#context = context;
    this.#disk = disk;
    this.#server = server;
    this.#random = keyed(context.scenario.seed, "tidying");
  }

  begin(): void {
    const afterMs = EVERY_MS * (0.2 + 2 * this.#random.unit());
    this.#context.timeline.after(afterMs, () => {
      this.#act();
      this.begin();
    });
  }

  #act(): void {
    const server = this.#server();
    const random = this.#random;
    const experiment = pick(random, this.#disk.ledger.rows<ExperimentRow>("experiments"));
    const draw = random.below(4);
    const checkpoints = new MemoryRetentionStore(this.#disk.ledger);
    if (!server?.ready || !experiment || marksOf(this.#disk, experiment.id)?.purged_at) return;
    const { id } = experiment;
    if (draw < 2) {
      const act = this.#actOn(id);
      // Of one that has not ended it is refused.
      return this.#submit(server, `${act}s ${id}`, {
        name: act,
        run: (world, turn) => void markExperiment(world, turn, id, { act, actor: "ada" }),
      });
    }
    const saved = pick(
      random,
      checkpoints.all(id, null).filter(({ isThere }) => isThere),
    );
    const pinned = draw === 2;
    if (saved)
      this.#submit(server, `${pinned ? "pins" : "unpins"} ${saved.tree.slice(0, 8)} of ${id}`, {
        name: "pin",
        run: (world, turn) =>
          void pin(world, turn, { experiment: id, tree: saved.tree }, { pinned, actor: "ada" }),
      });
  }

  /** Some change their minds in time, and some too late. */
  #actOn(id: number): ExperimentAct {
    const random = this.#random;
    const marks = marksOf(this.#disk, id);
    if (chance(random, 0.3)) return marks?.archived_at ? "unarchive" : "archive";
    return marks?.deleted_at && chance(random, 0.4) ? "restore" : "delete";
  }

  #submit(server: SimServer, what: string, command: Command<void>): void {
    this.#context.trace("person", what);
    server.command(command);
  }
}

export const marksOf = (disk: Pick<ServerDisk, "ledger">, id: number): MarksRow | undefined =>
  disk.ledger.table("experiment_marks").get(String(id)) as unknown as MarksRow | undefined;

/** Of all that was ever saved, what the policy keeps is there when everything has come to its end. */
export function checkKept(context: SimContext, disk: ServerDisk): void {
  const store = new MemoryRetentionStore(disk.ledger);
  for (const experiment of disk.ledger.rows<ExperimentRow>("experiments")) {
    if (marksOf(disk, experiment.id)?.purged_at) continue;
    const { searcher } = experiment.config as unknown as ExperimentConfig;
    const verdicts = planRetention({
      policy: toRetentionPolicy(experiment.config),
      smallerIsBetter: searcher.smaller_is_better,
      ...{ checkpoints: store.all(experiment.id, searcher.metric), holds: new Map() },
      trials: new Map(
        disk.ledger
          .rows<TrialRow>("trials")
          .filter((row) => row.experiment_id === experiment.id)
          .map(({ number, core }) => [
            number,
            { isOver: core.over !== null, checkpoint: core.checkpoint, restored: null },
          ]),
      ),
    });
    for (const { checkpoint, keep } of verdicts) {
      const blobs = [...(disk.trees.trees.get(checkpoint.tree)?.keys() ?? [])];
      // Two runs of one trial may have saved the same bytes at the same step, the older one late: one of them will do.
      const isThere = verdicts.some(
        ({ checkpoint: { trial, step, tree, isThere: there } }) =>
          there &&
          trial === checkpoint.trial &&
          step === checkpoint.step &&
          tree === checkpoint.tree,
      );
      const whole = blobs.length > 0 && blobs.every((blob) => disk.blobs.stored.has(blob));
      if ((keep.length > 0 || checkpoint.isThere) && !(isThere && whole))
        context.broken(
          "what the policy keeps is there",
          `step ${checkpoint.step} of trial ${experiment.id}.${checkpoint.trial}: ${keep.join(", ")}`,
        );
    }
  }
}
