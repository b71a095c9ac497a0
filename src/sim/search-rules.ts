/**
 * Rules about searches, held against their logs alone: every event that one was told is decided again as its row becomes
 * durable, by a search that no server has ever held.
 *
 * The server saves a search now and then and brings it up to date from its log after each start. Some seeds therefore go to
 * the other extreme here and restore this second search before every event: whatever a search would know without its
 * saved state saying so shows at the next decision.
 */
import { firstDifference } from "../base/difference.ts";
import type { ExperimentCore } from "../core/lifecycle/experiment.ts";
import { type LoggedStep, Replay } from "../core/search/replay.ts";
import type { SearchState } from "../core/search/state.ts";
import type { ExperimentRow, TrialRow } from "../store/schema.ts";
import type { BatchContents, TableName } from "../store/write-batch.ts";
import { type MemoryLedger, type SearchEventRow, stored } from "./memory-ledger.ts";
import { said } from "./said.ts";
import type { SimContext } from "./sim-context.ts";

interface Search {
  readonly replay: Replay;
  /** Trials that it asked for, and those whose end it was told. */
  created: number;
  readonly exits: Set<number>;
  /** It has said that it is over, or was told that somebody else has ended it. */
  closed: boolean;
  /** Rows of trials, and those of them that are over. */
  readonly trials: Set<number>;
  readonly over: Set<number>;
}

export class SearchRules {
  readonly #context: SimContext;
  readonly #ledger: MemoryLedger;
  readonly #searches = new Map<number, Search>();

  constructor(context: SimContext, ledger: MemoryLedger) {
    this.#context = context;
    this.#ledger = ledger;
  }

  /** @param contents of a turn that has just become durable */
  check({ tables, experimentUpdates }: BatchContents): void {
    const rows = <T>(name: TableName): readonly T[] =>
      (tables.find(({ table }) => table === name)?.rows ?? []) as unknown as readonly T[];
    const touched = new Set<number>();
    for (const row of rows<SearchEventRow>("search_events")) {
      touched.add(row.experiment_id);
      this.#told(row);
    }
    for (const { experiment_id: id, number, end_reason: end } of rows<TrialRow>("trials")) {
      touched.add(id);
      const search = this.#of(id);
      search.trials.add(number);
      if (end !== null) search.over.add(number);
    }
    for (const id of touched) {
      const core = (experimentUpdates.get(id) ?? this.#row(id)).core as ExperimentCore;
      this.#counts(id, core.ending !== null);
    }
  }

  #row(id: number): ExperimentRow {
    return this.#ledger.table("experiments").get(String(id)) as unknown as ExperimentRow;
  }

  #of(id: number): Search {
    const known = this.#searches.get(id);
    if (known) return known;
    const replay = new Replay(this.#row(id).search_spec);
    const counts = { created: 0, exits: new Set<number>(), closed: false };
    const search = { replay, ...counts, trials: new Set<number>(), over: new Set<number>() };
    this.#searches.set(id, search);
    return search;
  }

  #told({ experiment_id: id, seq, at_ms: atMs, event, actions }: SearchEventRow): void {
    const search = this.#of(id);
    const { replay } = search;
    if (seq !== replay.events + 1)
      return this.#context.broken(
        "the search's log has no gap",
        `experiment ${id}: event ${seq} after ${replay.events}`,
      );
    const restored = this.#context.thorough;
    if (restored) replay.state = stored(replay.state) as SearchState;
    const step = { seq, atMs, event, actions };
    const parting = replay.take(restored ? (stored(step) as LoggedStep) : step);
    if (parting)
      return this.#context.broken(
        restored
          ? "a search that was restored decides as one that never was"
          : "a search decides the same from its log",
        `experiment ${id}, event ${seq}: ${parting.kind} ${said(parting.difference, "then", "now")}`,
      );
    const acts = actions.filter(({ type }) => type !== "finish");
    if (search.closed && acts.length > 0)
      this.#context.broken(
        "nothing is decided once the end is",
        `experiment ${id}, event ${seq}: ${acts.map(({ type }) => type).join(", ")}`,
      );
    search.closed ||= event.type === "end" || acts.length < actions.length;
    for (const { type } of actions) if (type === "create") search.created += 1;
    if (event.type === "exit") search.exits.add(event.trial);
  }

  #counts(id: number, ending: boolean): void {
    const { created, exits, trials, over, closed } = this.#of(id);
    if (ending !== closed)
      this.#context.broken(
        "a search knows whether its experiment ends",
        `experiment ${id}: ${ending ? "ends, and nobody told it" : "goes on, and it was told of an end"}`,
      );
    if (exits.size !== over.size || created !== trials.size)
      this.#context.broken(
        "the search's counts equal the log's",
        `experiment ${id}: ${trials.size} trials, ${created} asked for; ${over.size} over, ${exits.size} exits heard`,
      );
  }

  /** @param experiment one that is over, as it is stored */
  checkEnd(experiment: ExperimentRow): void {
    const { replay } = this.#of(experiment.id);
    const other = firstDifference(experiment.search_state, replay.state);
    if (other)
      this.#context.broken(
        "a search's saved state is that of its log",
        `experiment ${experiment.id}: ${said(other, "saved", "from the log")}`,
      );
    if (experiment.search_events !== replay.events)
      this.#context.broken(
        "a search's saved state is that of its log",
        `experiment ${experiment.id}: saved after event ${experiment.search_events} of ${replay.events}`,
      );
  }
}
