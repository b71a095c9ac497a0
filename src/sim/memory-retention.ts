/**
 * What retention needs beside the ledger, in memory: blobs, the register of snapshots and leases, and the rows that it
 * judges by. All of it outlives the server that uses it.
 */
import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import type { TrialState } from "../core/lifecycle/trial.ts";
import type { TrialFacts } from "../core/retention/retention.ts";
import { BlobError, type BlobSource, type BlobStore, type StoredBlob } from "../store/blobs.ts";
import type {
  ExperimentForRetention,
  RetentionStore,
  StoredCheckpoint,
} from "../store/retention-store.ts";
import type {
  AllocationRow,
  CheckpointRow,
  ExperimentRow,
  MarksRow,
  TrialRow,
} from "../store/schema.ts";
import { blobsOf } from "../store/tree.ts";
import {
  LEASE_MS,
  type LeaseHolder,
  type NamedTree,
  type TreeBlob,
  type TreeRegister,
} from "../store/tree-store.ts";
import type { MemoryLedger } from "./memory-ledger.ts";

/** Names alone for most; bytes for lists of files, which are read back. */
export class MemoryBlobs implements BlobStore {
  readonly stored = new Map<string, Uint8Array>();
  /** There is no room for anything new. */
  full = false;
  /** Called before each deletion; may throw, as a server that dies there does. */
  beforeDelete: (hash: string) => void = () => undefined;

  async put(source: BlobSource, { expected }: { expected?: string } = {}): Promise<StoredBlob> {
    const bytes = source instanceof Uint8Array ? source : await gathered(source);
    const hash = expected ?? createHash("sha256").update(bytes).digest("hex");
    const existed = this.stored.has(hash);
    if (!existed && this.full) throw new BlobError("disk_full", "no room for another blob");
    this.stored.set(hash, bytes);
    return { hash, size: bytes.length, existed };
  }

  async has(hash: string): Promise<boolean> {
    return this.stored.has(hash);
  }

  async missing(hashes: readonly string[]): Promise<string[]> {
    return [...new Set(hashes)].filter((hash) => !this.stored.has(hash));
  }

  async size(hash: string): Promise<number | undefined> {
    return this.stored.get(hash)?.length;
  }

  async open(hash: string): Promise<{ stream: Readable; size: number } | undefined> {
    const bytes = this.stored.get(hash);
    return bytes && { stream: Readable.from([Buffer.from(bytes)]), size: bytes.length };
  }

  async delete(hash: string): Promise<boolean> {
    this.beforeDelete(hash);
    return this.stored.delete(hash);
  }

  async verify(hash: string): Promise<"intact" | "missing"> {
    return this.stored.has(hash) ? "intact" : "missing";
  }

  async *list(): AsyncIterable<string> {
    yield* [...this.stored.keys()];
  }

  async tidy(): Promise<number> {
    return 0;
  }
}

async function gathered(source: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for await (const part of source) parts.push(part);
  return Buffer.concat(parts);
}

export class MemoryTrees implements TreeRegister {
  /** Snapshot → its blobs and their sizes. */
  readonly trees = new Map<string, Map<string, number>>();
  readonly leases = new Map<
    string,
    { holder: LeaseHolder; at: number; uses: number; blobs: Set<string> }
  >();
  readonly #ledger: MemoryLedger;

  constructor(ledger: MemoryLedger) {
    this.#ledger = ledger;
  }

  async register({ hash, bytes, entries }: NamedTree): Promise<void> {
    const blobs = this.trees.get(hash) ?? new Map<string, number>();
    for (const part of entries.flatMap(blobsOf)) blobs.set(part.hash, part.size);
    this.trees.set(hash, blobs.set(hash, bytes));
  }

  async unregistered(): Promise<string[]> {
    return [...this.referred()].filter((tree) => !this.trees.has(tree));
  }

  async lease(holder: LeaseHolder, blobs: readonly string[], at: Date): Promise<void> {
    const key = holder.name;
    const lease = this.leases.get(key) ?? { holder, at: 0, uses: 0, blobs: new Set<string>() };
    for (const blob of blobs) lease.blobs.add(blob);
    this.leases.set(key, { ...lease, at: at.getTime(), uses: lease.uses + 1 });
  }

  async leaseSent(holder: LeaseHolder, blob: string, at: Date): Promise<void> {
    if (!this.#isLeased(blob, at.getTime())) await this.lease(holder, [blob], at);
  }

  async endLeases(holders: readonly string[]): Promise<void> {
    for (const holder of holders) {
      const lease = this.leases.get(holder);
      if (lease && lease.uses > 1) this.leases.set(holder, { ...lease, uses: lease.uses - 1 });
      else this.leases.delete(holder);
    }
  }

  async dropOldLeases(now: Date): Promise<void> {
    for (const [key, lease] of this.leases)
      if (!this.#holds(lease, now.getTime())) this.leases.delete(key);
  }

  async leased(blobs: readonly string[], now: Date): Promise<Set<string>> {
    return new Set(blobs.filter((blob) => this.#isLeased(blob, now.getTime())));
  }

  async unused(page: { after: string; limit: number; now: Date }): Promise<string[]> {
    const names = [...this.trees.keys()].filter((tree) => tree > page.after).sort();
    return (await this.stillUnused(names, page.now)).slice(0, page.limit);
  }

  async stillUnused(trees: readonly string[], now: Date): Promise<string[]> {
    const referred = this.referred();
    return trees.filter(
      (tree) => this.trees.has(tree) && !referred.has(tree) && !this.#isLeased(tree, now.getTime()),
    );
  }

  async ownBlobs(trees: readonly string[]): Promise<TreeBlob[]> {
    const own = new Map<string, number>();
    for (const tree of trees)
      for (const [blob, size] of this.trees.get(tree) ?? []) own.set(blob, size);
    for (const [tree, blobs] of this.trees)
      if (!trees.includes(tree)) for (const blob of blobs.keys()) own.delete(blob);
    return [...own].map(([blob, size]) => ({ blob, size }));
  }

  async forget(trees: readonly string[]): Promise<void> {
    for (const tree of trees) this.trees.delete(tree);
  }

  async unusedBlobs(blobs: readonly string[], now: Date): Promise<string[]> {
    const used = new Set([...this.trees.values()].flatMap((own) => [...own.keys()]));
    return blobs.filter((blob) => !used.has(blob) && !this.#isLeased(blob, now.getTime()));
  }

  /** Snapshots that a record refers to. */
  referred(): Set<string> {
    const used = new Set<string>();
    for (const row of this.#ledger.table("checkpoints").values())
      if (row.deleted_at === null) used.add(String(row.tree));
    for (const row of this.#ledger.table("allocations").values())
      if (row.state !== "ended" && row.restore_tree !== null) used.add(String(row.restore_tree));
    for (const row of this.#ledger.table("experiments").values()) {
      const marks = this.#ledger.table("experiment_marks").get(String(row.id));
      if (row.code !== null && (marks?.purged_at ?? null) === null) used.add(String(row.code));
    }
    return used;
  }

  #isLeased(blob: string, nowMs: number): boolean {
    for (const lease of this.leases.values())
      if (lease.blobs.has(blob) && this.#holds(lease, nowMs)) return true;
    return false;
  }

  #holds({ holder, at }: { holder: LeaseHolder; at: number }, nowMs: number): boolean {
    if (!holder.allocation) return at > nowMs - LEASE_MS;
    const row = this.#ledger.allocation(holder.allocation);
    return row !== undefined && row.state !== "ended";
  }
}

interface Report {
  readonly trial_id: number;
  readonly run: number;
  readonly seq: number;
  readonly step: number;
}

/** Metrics by the name that the searches of this simulator judge by. */
export class MemoryRetentionStore implements RetentionStore {
  readonly #ledger: MemoryLedger;

  constructor(ledger: MemoryLedger) {
    this.#ledger = ledger;
  }

  async experiment(id: number): Promise<ExperimentForRetention | undefined> {
    const row = this.#ledger.table("experiments").get(String(id)) as unknown as
      | ExperimentRow
      | undefined;
    const marks = this.#ledger.table("experiment_marks").get(String(id)) as unknown as
      | MarksRow
      | undefined;
    if (!row || marks?.purged_at) return undefined;
    return { id, config: row.config, ended_at: row.ended_at };
  }

  async checkpoints(experiment: number, metric: string | null): Promise<StoredCheckpoint[]> {
    return this.all(experiment, metric).filter(({ isThere }) => isThere);
  }

  /** Those whose bytes are gone, too. */
  all(
    experiment: number,
    metric: string | null,
  ): (StoredCheckpoint & { readonly isThere: boolean })[] {
    const trials = new Map(this.#trials(experiment).map((row) => [row.id, row.number]));
    const objectives = this.#objectives(trials, metric);
    const found = this.#ledger.rows<CheckpointRow>("checkpoints").flatMap((row) => {
      const trial = trials.get(row.trial_id);
      if (trial === undefined) return [];
      const { trial_id: trialId, run, step, tree, bytes, created_at } = row;
      const objective = objectives.get(`${trialId} ${run} ${step}`) ?? null;
      const savedAtMs = created_at.getTime();
      const isThere = row.deleted_at === null;
      return [{ trial, trialId, run, step, tree, bytes, objective, savedAtMs, isThere }];
    });
    return found.sort((a, b) => a.trial - b.trial || a.step - b.step || a.run - b.run);
  }

  /** By trial row, run and step. */
  #objectives(trials: ReadonlyMap<number, number>, metric: string | null): Map<string, number> {
    const name = this.#ledger
      .rows<{ id: number; name: string }>("metric_names")
      .find((row) => row.name === metric);
    if (name === undefined) return new Map();
    const last = new Map<string, { readonly seq: number; readonly value: number }>();
    for (const report of this.#ledger.table("reports").values()) {
      const { trial_id: trial, run, seq, step } = report as unknown as Report;
      if (!trials.has(trial)) continue;
      const value = this.#ledger.metrics.get(`${trial} ${run} ${seq}`)?.get(`${name.id} ${step}`);
      const key = `${trial} ${run} ${step}`;
      if (value !== undefined && (last.get(key)?.seq ?? 0) < seq) last.set(key, { seq, value });
    }
    return new Map([...last].map(([key, { value }]) => [key, value]));
  }

  async trials(experiment: number): Promise<Map<number, TrialFacts>> {
    return new Map(
      this.#trials(experiment).map((row) => {
        const core = row.core as TrialState;
        const allocation = this.#ledger.allocation({
          experiment,
          trial: row.number,
          run: core.run,
        });
        return [row.number, factsOf(core, allocation)];
      }),
    );
  }

  #trials(experiment: number): TrialRow[] {
    return this.#ledger.rows<TrialRow>("trials").filter((row) => row.experiment_id === experiment);
  }

  /** Nobody replays anything here, or goes on from somebody else's checkpoint. */
  async held(): Promise<[]> {
    return [];
  }

  async heldBy(): Promise<[]> {
    return [];
  }

  async notRetained(): Promise<number[]> {
    const retained = this.#ledger.table("retained");
    return this.#ledger
      .rows<ExperimentRow>("experiments")
      .filter(({ id, ended_at }) => ended_at && (retained.get(String(id))?.at ?? null) === null)
      .map(({ id }) => id);
  }

  async withCheckpoints(only?: number): Promise<number[]> {
    const ids = this.#ledger.rows<ExperimentRow>("experiments").map(({ id }) => id);
    return ids.filter(
      (id) =>
        (only === undefined || id === only) && this.all(id, null).some(({ isThere }) => isThere),
    );
  }

  async releasedBy(): Promise<string[]> {
    throw new Error("nobody asks for a plan in the simulator");
  }

  async empty(experiment: number): Promise<string> {
    const trials = new Set(this.#trials(experiment).map(({ id }) => id));
    for (const table of ["reports", "checkpoints"] as const)
      for (const [key, row] of this.#ledger.table(table))
        if (trials.has(Number(row.trial_id))) this.#ledger.table(table).delete(key);
    for (const key of this.#ledger.metrics.keys())
      if (trials.has(Number(key.split(" ")[0]))) this.#ledger.metrics.delete(key);
    for (const table of ["decisions", "search_events", "pins"] as const)
      for (const [key, row] of this.#ledger.table(table))
        if (row.experiment_id === experiment) this.#ledger.table(table).delete(key);
    return "all its rows";
  }

  async request(): Promise<null> {
    return null;
  }
}

function factsOf(core: TrialState, allocation: AllocationRow | undefined): TrialFacts {
  const live = allocation !== undefined && allocation.state !== "ended";
  return {
    isOver: core.over !== null,
    checkpoint: core.checkpoint,
    restored:
      live && allocation.restore_tree !== null
        ? { step: allocation.start_step, tree: allocation.restore_tree }
        : null,
  };
}
