/**
 * What has to be there, found out the slow way from the records: which checkpoints stay, which blobs are in use, who was
 * promised what. It shares no code with what it judges.
 */
import type { TrialState } from "../core/lifecycle/trial.ts";
import type { ExperimentConfig } from "../protocol/config/config.ts";
import type { TreeEntry } from "../protocol/runner-wire.ts";
import type { AllocationRow, ExperimentRow, MarksRow, PinRow, TrialRow } from "../store/schema.ts";
import { LEASE_MS } from "../store/tree-store.ts";
import type { MemoryLedger } from "./memory-ledger.ts";
import type { MemoryBlobs, MemoryRetentionStore, MemoryTrees } from "./memory-retention.ts";

type Saved = ReturnType<MemoryRetentionStore["all"]>[number];

export class RetentionOracle {
  readonly #ledger: MemoryLedger;
  readonly #store: MemoryRetentionStore;
  readonly #trees: MemoryTrees;
  readonly #blobs: MemoryBlobs;
  readonly #manifests = new Map<string, readonly TreeEntry[]>();
  /** Upload → what its sender was told to be here. */
  readonly #promises = new Map<object, Set<string>>();

  constructor(
    ledger: MemoryLedger,
    store: MemoryRetentionStore,
    trees: MemoryTrees,
    blobs: MemoryBlobs,
  ) {
    this.#ledger = ledger;
    this.#store = store;
    this.#trees = trees;
    this.#blobs = blobs;
  }

  /** What a snapshot is made of. */
  manifest(hash: string, files: readonly TreeEntry[]): void {
    this.#manifests.set(hash, files);
  }

  told(upload: object, blobs: readonly string[]): void {
    const own = this.#promises.get(upload) ?? new Set();
    for (const blob of blobs) own.add(blob);
    this.#promises.set(upload, own);
  }

  forget(upload: object): void {
    this.#promises.delete(upload);
  }

  /** Whatever anything needs is there. @throws Error */
  needed(nowMs: number): void {
    for (const experiment of this.#experiments())
      for (const saved of this.#saved(experiment)) {
        const why = this.#whyKept(experiment, saved);
        if (why !== null && !saved.isThere)
          throw new Error(`${nameOf(experiment, saved)} was deleted: ${why}`);
      }
    for (const tree of this.#used(nowMs))
      for (const blob of this.#blobsOf(tree))
        if (!this.#blobs.stored.has(blob))
          throw new Error(`blob ${blob} of snapshot ${tree} is in use and is gone`);
    for (const promised of this.#promises.values())
      for (const blob of promised)
        if (!this.#blobs.stored.has(blob))
          throw new Error(`somebody was told that blob ${blob} is here`);
  }

  /** And nothing besides; the register says what the records say. @throws Error */
  nothingElse(nowMs: number): void {
    for (const experiment of this.#experiments())
      for (const saved of this.#saved(experiment))
        if (saved.isThere && this.#whyKept(experiment, saved) === null)
          throw new Error(`${nameOf(experiment, saved)} is there, and nothing needs it`);
    const leased = this.#leased(nowMs);
    const used = this.#used(nowMs);
    const wanted = new Set(leased);
    for (const tree of used) for (const blob of this.#blobsOf(tree)) wanted.add(blob);
    for (const blob of this.#blobs.stored.keys())
      if (!wanted.has(blob)) throw new Error(`blob ${blob} is there, and nothing needs it`);
    for (const tree of used) {
      const counted = [...(this.#trees.trees.get(tree)?.keys() ?? [])].sort();
      const recounted = [...new Set(this.#blobsOf(tree))].sort();
      if (counted.join() !== recounted.join())
        throw new Error(`the register knows other blobs of ${tree} than its list of files`);
    }
    for (const tree of this.#trees.trees.keys())
      if (!used.has(tree) && !leased.has(tree))
        throw new Error(`snapshot ${tree} is registered, and nothing refers to it`);
  }

  #experiments(): ExperimentRow[] {
    return this.#ledger
      .rows<ExperimentRow>("experiments")
      .filter(({ id }) => this.#marks(id)?.purged_at == null);
  }

  #marks(id: number): MarksRow | undefined {
    return this.#ledger.table("experiment_marks").get(String(id)) as unknown as
      | MarksRow
      | undefined;
  }

  #saved(experiment: ExperimentRow): Saved[] {
    const { searcher } = experiment.config as unknown as ExperimentConfig;
    return this.#store.all(experiment.id, searcher.metric);
  }

  #blobsOf(tree: string): string[] {
    const files = this.#manifests.get(tree);
    if (!files) throw new Error(`nobody knows what snapshot ${tree} is made of`);
    return [tree, ...files.map(({ hash }) => hash)];
  }

  /** @returns the first reason found; null = none */
  #whyKept(experiment: ExperimentRow, saved: Saved): string | null {
    const { searcher, checkpoint_storage: kept } = experiment.config as unknown as ExperimentConfig;
    const all = this.#saved(experiment);
    const trial = this.#trial(experiment.id, saved.trial);
    const { checkpoint, over } = trial.core as TrialState;
    const stands = checkpoint?.tree === saved.tree && checkpoint.step === saved.step;
    if (over === null && stands) return "its trial is not over";
    for (const row of this.#ledger.rows<AllocationRow>("allocations"))
      if (
        row.state !== "ended" &&
        row.experiment_id === experiment.id &&
        row.trial_number === saved.trial &&
        row.restore_tree === saved.tree &&
        row.start_step === saved.step
      )
        return "an allocation was started from it";
    const pinned = this.#ledger
      .rows<PinRow>("pins")
      .some((p) => p.pinned && p.experiment_id === experiment.id && p.tree === saved.tree);
    // Content is pinned, not a place: where it was saved twice and one place had gone before, the other holds it.
    const elsewhere = all.some((other) => other.isThere && other.tree === saved.tree);
    if (pinned && (saved.isThere || !elsewhere)) return "it is pinned";
    const sign = searcher.smaller_is_better ? 1 : -1;
    const better = (a: Saved, b: Saved): boolean => {
      const [x, y] = [sign * (a.objective as number), sign * (b.objective as number)];
      if (x !== y) return x < y;
      if (a.step !== b.step) return a.step < b.step;
      if (a.trial !== b.trial) return a.trial < b.trial;
      return later(a, b);
    };
    if (saved.objective !== null && Number.isFinite(saved.objective)) {
      const ahead = all.filter(
        (other) =>
          other.objective !== null && Number.isFinite(other.objective) && better(other, saved),
      );
      if (ahead.length < kept.save_experiment_best) return "among the best of the experiment";
      const own = ahead.filter((other) => other.trial === saved.trial);
      if (own.length < kept.save_trial_best) return "among the best of its trial";
    }
    const own = all.filter((other) => other.trial === saved.trial && other !== saved);
    const isLast = (c: Saved): boolean => checkpoint?.tree === c.tree && checkpoint.step === c.step;
    const newer = own.filter((other) =>
      isLast(other) === isLast(saved) ? later(other, saved) : isLast(other),
    );
    return newer.length < kept.save_trial_latest ? "among the latest of its trial" : null;
  }

  #trial(experiment: number, number: number): TrialRow {
    const row = this.#ledger.trial(experiment, number);
    if (!row) throw new Error(`there is no trial ${experiment}.${number}`);
    return row;
  }

  /** Snapshots that records refer to. */
  #used(_nowMs: number): Set<string> {
    const used = new Set<string>();
    for (const experiment of this.#experiments()) {
      if (experiment.code !== null) used.add(experiment.code);
      for (const { tree, isThere } of this.#saved(experiment)) if (isThere) used.add(tree);
    }
    for (const row of this.#ledger.rows<AllocationRow>("allocations"))
      if (row.state !== "ended" && row.restore_tree !== null) used.add(row.restore_tree);
    return used;
  }

  #leased(nowMs: number): Set<string> {
    const leased = new Set<string>();
    for (const { holder, at, blobs } of this.#trees.leases.values()) {
      const row = holder.allocation && this.#ledger.allocation(holder.allocation);
      const holds = holder.allocation ? row?.state !== "ended" : at > nowMs - LEASE_MS;
      if (holds) for (const blob of blobs) leased.add(blob);
    }
    return leased;
  }
}

const later = (a: Saved, b: Saved): boolean => {
  if (a.step !== b.step) return a.step > b.step;
  if (a.run !== b.run) return a.run > b.run;
  return a.savedAtMs !== b.savedAtMs ? a.savedAtMs > b.savedAtMs : a.tree < b.tree;
};

const nameOf = (experiment: ExperimentRow, { trial, step, tree }: Saved): string =>
  `checkpoint ${tree.slice(0, 8)} of trial ${experiment.id}.${trial} at step ${step}`;
