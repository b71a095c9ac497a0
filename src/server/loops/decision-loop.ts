/**
 * The one place where anything changes: takes a bounded batch of commands, applies them to the world in order,
 * plans the slots, commits everything in one transaction, and only then tells anyone.
 *
 * While one turn is being committed the next one's commands gather, so the slower the disk, the larger the
 * batches: group commit without a timer. One writer also means that no two parts of the server can disagree
 * and that the chain of changes needs no lock. Alternative refused: a transaction per request, which on a
 * disk of 370 fsyncs a second ends at 370 reports a second.
 *
 * Failure rules. A user's mistake (ContrailError) fails its own command, before it has touched anything. A
 * mistake of ours fails its command too; what the turn touched is loaded again and the turn's other commands
 * run alone. A commit that fails or whose outcome is unknown fails all of its commands with `unavailable`;
 * callers repeat them, and repeated ones change nothing.
 */
import { AssertionFailed } from "../../base/assert.ts";
import { isOver } from "../../core/lifecycle/experiment.ts";
import { ContrailError } from "../../protocol/errors.ts";
import { isDiskFull, isPassingState } from "../../store/failure-codes.ts";
import type { ChainTip } from "../../store/write-batch.ts";
import { ChainCut, type Ledger, LedgerMoved } from "../ledger.ts";
import { Turn, type World } from "../world.ts";
import { DurableViews } from "./durable-views.ts";

const COMMANDS_PER_TURN_MAX = 256;
/** Of all commands of a turn: as many as it stores in some 30 ms, which is how long the next turn's have to wait. */
const VALUES_PER_TURN_MAX = 4_000;
const COMMANDS_WAITING_MAX = 20_000;

export interface Command<T> {
  readonly name: string;
  /** How many rows of metrics it writes, where it is many. */
  readonly values?: number;
  /** Applies itself to the world; must throw a ContrailError before it changes anything, or not at all. */
  run(world: World, turn: Turn): T;
}

/** A command and its caller, who is answered once. */
class Waiting {
  readonly command: Command<unknown>;
  answered = false;
  readonly #resolve: (value: unknown) => void;
  readonly #reject: (error: unknown) => void;

  constructor(
    command: Command<unknown>,
    resolve: (value: unknown) => void,
    reject: (error: unknown) => void,
  ) {
    this.command = command;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  resolve(value: unknown): void {
    this.answered = true;
    this.#resolve(value);
  }

  reject(error: unknown): void {
    this.answered = true;
    this.#reject(error);
  }
}

/** What a committed turn changed, for those who watch. */
export interface Committed {
  readonly runners: ReadonlySet<string>;
  /** Experiment → its trials that changed. */
  readonly trials: ReadonlyMap<number, ReadonlySet<number>>;
  readonly experiments: ReadonlySet<number>;
  /** Experiments in which a checkpoint may have become superfluous. */
  readonly retention: ReadonlySet<number>;
}

export interface DecisionLoopOptions {
  readonly world: World;
  readonly ledger: Pick<Ledger, "takeOver" | "holds" | "commit">;
  readonly tip: ChainTip;
  readonly nowMs: () => number;
  /** By which a step of the wall clock is noticed. */
  readonly monotonicMs: () => number;
  /** Loads the named experiments, or all (and what is counted over all) anew into the world, after a failure. */
  readonly reload: (ids?: readonly number[]) => Promise<void>;
  readonly onCommitted: (committed: Committed) => void;
  readonly onFailure: (what: string, error: unknown) => void;
}

export class DecisionLoop {
  readonly #options: DecisionLoopOptions;
  #tip: ChainTip;
  readonly #cutOff: ChainTip[] = [];
  #waiting: Waiting[] = [];
  /** Those who look at the world between two turns. */
  #readers: ((world: World) => void)[] = [];
  readonly #views = new DurableViews();
  /** How long the last commit took. */
  #commitMs = 0;
  #inTurn = false;
  #running: Promise<void> | undefined;
  #stopped = false;
  /** Memory may be ahead of the database: in these experiments, and in what is counted over all of them. */
  readonly #stale = new Set<number>();
  #ahead = false;
  /** The database has moved on without us, nobody knows where. */
  #behind = false;

  constructor(options: DecisionLoopOptions) {
    this.#options = options;
    this.#tip = options.tip;
  }

  get world(): World {
    return this.#options.world;
  }

  /** Whether commands wait for the next turn. */
  get isAwaited(): boolean {
    return this.#waiting.length > 0;
  }

  /** The end of the chain of changes that is known to be durable: what verification must find. */
  get tip(): ChainTip {
    return this.#tip;
  }

  /** Ends of the chain that were durable once and were missing after a failure: verification names them from then on. */
  get cutOff(): readonly ChainTip[] {
    return this.#cutOff;
  }

  /** @returns what the command returned, once it is durable @throws ContrailError */
  submit<T>(command: Command<T>): Promise<T> {
    if (this.#stopped)
      return Promise.reject(new ContrailError("unavailable", "the server is stopping"));
    if (this.#waiting.length >= COMMANDS_WAITING_MAX)
      return Promise.reject(
        new ContrailError(
          "unavailable",
          `${COMMANDS_WAITING_MAX} commands wait already; the database is slow`,
        ),
      );
    return new Promise<T>((resolve, reject) => {
      this.#waiting.push(new Waiting(command, resolve as (value: unknown) => void, reject));
      this.#running ??= this.#run();
    });
  }

  /**
   * Looks at the world when everything in it is durable: now, or after the commit that is under way. While the
   * database is away nothing is shown rather than something that may never have happened.
   */
  read<T>(look: (world: World) => T): Promise<T> {
    if (!this.#inTurn && !this.#ahead) return Promise.resolve(look(this.world));
    return new Promise<T>((resolve) => {
      this.#readers.push((world) => resolve(look(world)));
      // After a turn that failed it may be long until somebody has another command.
      this.#running ??= this.#run();
    });
  }

  /**
   * Like `read`, for what is asked for again and again: while a slow commit is under way, as everything was before it.
   * @param name of the one look that there is by it
   */
  view<T>(name: string, look: (world: World) => T): Promise<T> {
    this.#views.note(name, () => look(this.world), this.#options.monotonicMs());
    const seen = this.#inTurn && !this.#ahead && this.#views.before<T>(name);
    return seen ? Promise.resolve(seen.value) : this.read(look);
  }

  #letReadersLook(): void {
    const readers = this.#readers;
    this.#readers = [];
    for (const look of readers) look(this.world);
  }

  /** Lets what is waiting finish and takes nothing more. */
  async stop(): Promise<void> {
    this.#stopped = true;
    while (this.#running) await this.#running;
  }

  async #run(): Promise<void> {
    // One microtask's patience, so that commands submitted together share a turn.
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0, commandsOfTurn(this.#waiting));
      this.#inTurn = true;
      try {
        await this.#recover();
        await this.#turn(batch);
      } catch (error) {
        this.#options.onFailure("a turn of the decision loop", error);
        // A refusal found in the transaction is one command's own, and no answer to the others.
        const isOnes = isRefusedData(error) || error instanceof ContrailError;
        if (batch.length > 1 && isOnes) await this.#oneByOne(batch);
        else for (const waiting of batch) waiting.reject(commitFailure(error));
      }
      this.#inTurn = false;
      if (this.#ahead) this.#views.forget();
      else {
        this.#letReadersLook();
        this.#views.renew(this.#commitMs, this.#options.monotonicMs());
      }
    }
    if (this.#readers.length > 0) await this.#recoverForReaders();
    this.#running = undefined;
    if (this.#waiting.length > 0) this.#running = this.#run();
  }

  /** Where that fails they wait for the next command, or for the next who wants to look. */
  async #recoverForReaders(): Promise<void> {
    try {
      await this.#recover();
      this.#letReadersLook();
    } catch (error) {
      this.#options.onFailure("loading after a turn that failed", error);
    }
  }

  async #oneByOne(batch: readonly Waiting[]): Promise<void> {
    for (const waiting of batch) {
      if (waiting.answered) continue;
      // Those before it are answered: what was before them all would take their answers back.
      this.#views.forget();
      try {
        await this.#recover();
        await this.#turn([waiting]);
      } catch (error) {
        this.#options.onFailure(`command ${waiting.command.name}`, error);
        waiting.reject(commitFailure(error));
      }
    }
  }

  /** After a failure memory is made to agree with the database before anything else happens. */
  async #recover(): Promise<void> {
    if (!this.#ahead) return;
    const { reload, world, onCommitted } = this.#options;
    const ids = this.#behind ? [...world.experiments.keys()] : [...this.#stale];
    await this.#takeOver();
    await reload(this.#behind ? undefined : ids);
    const reloaded = new Set(this.#behind ? [...ids, ...world.experiments.keys()] : ids);
    this.#ahead = false;
    this.#behind = false;
    this.#stale.clear();
    // Where a commit's answer was lost it may have happened, and nobody has been told.
    const found = [...reloaded].flatMap((id) => world.experiments.get(id) ?? []);
    const runners = found.flatMap((live) => [...live.allocations.values()].map((a) => a.runner));
    onCommitted({
      runners: new Set(runners),
      trials: new Map(found.map((live) => [live.id, new Set(live.trials.keys())])),
      experiments: reloaded,
      retention: reloaded,
    });
  }

  /** The chain goes on from the end that is found, but one that was durable and has gone is not forgotten with it. */
  async #takeOver(): Promise<void> {
    const { ledger, onFailure } = this.#options;
    const found = await ledger.takeOver();
    const known = this.#tip;
    if (!(await ledger.holds(known))) {
      this.#cutOff.push(known);
      onFailure("finding the last event of the log of changes again", new ChainCut(known, found));
    }
    this.#tip = found;
  }

  #noteAhead(turn: Turn): void {
    this.#ahead = true;
    for (const id of turn.touched) this.#stale.add(id);
  }

  async #turn(batch: readonly Waiting[]): Promise<void> {
    const { world } = this.#options;
    const [wallMs, monotonicMs] = [this.#options.nowMs(), this.#options.monotonicMs()];
    const turn = new Turn(wallMs);
    world.clockSteps.note(turn.batch, { wallMs, monotonicMs });
    const done: { waiting: Waiting; value: unknown }[] = [];
    for (const waiting of batch) {
      try {
        done.push({ waiting, value: waiting.command.run(world, turn) });
      } catch (error) {
        if (error instanceof ContrailError) waiting.reject(error);
        else return this.#alone(batch, waiting, turn, done, error);
      }
    }
    try {
      if (turn.touched.size > 0 || turn.slotsChanged.value) world.schedule(turn);
      world.finish(turn);
      if (!turn.batch.empty) await this.#commit(turn);
    } catch (error) {
      this.#noteAhead(turn);
      this.#behind ||= error instanceof LedgerMoved;
      throw error;
    }
    world.durable(turn.ordersVersion);
    for (const { waiting, value } of done) waiting.resolve(value);
    this.#tell(turn);
  }

  async #commit({ batch }: Turn): Promise<void> {
    const { ledger, monotonicMs } = this.#options;
    const beganMs = monotonicMs();
    this.#tip = await ledger.commit(batch, this.#tip);
    this.#commitMs = monotonicMs() - beganMs;
  }

  /** One command has failed by our own mistake: undo the turn, and run the others one by one. */
  async #alone(
    batch: readonly Waiting[],
    failed: Waiting,
    turn: Turn,
    done: readonly { waiting: Waiting }[],
    error: unknown,
  ): Promise<void> {
    this.#options.onFailure(`command ${failed.command.name}`, error);
    this.#noteAhead(turn);
    failed.reject(
      new ContrailError("internal", `${failed.command.name} failed by a mistake of the server`, {
        cause: error,
      }),
    );
    const index = batch.indexOf(failed);
    await this.#recover();
    await this.#oneByOne([...done.map(({ waiting }) => waiting), ...batch.slice(index + 1)]);
  }

  #tell(turn: Turn): void {
    const { world, onCommitted } = this.#options;
    for (const id of turn.touched) {
      const live = world.experiments.get(id);
      if (live && isOver(live.x.core)) world.release(id);
    }
    const experiments = new Set([...turn.touched, ...turn.shown.keys()]);
    const trials = new Map<number, ReadonlySet<number>>(turn.dirtyTrials);
    for (const [id, shown] of turn.shown)
      trials.set(id, new Set([...shown, ...(trials.get(id) ?? [])]));
    const { runners, retention } = turn;
    if (experiments.size > 0 || runners.size > 0 || retention.size > 0)
      onCommitted({ runners, trials, experiments, retention });
  }
}

/** @returns how many of those that wait go into one turn */
function commandsOfTurn(waiting: readonly Waiting[]): number {
  let values = 0;
  let count = 0;
  for (const { command } of waiting) {
    values += command.values ?? 0;
    if (count === COMMANDS_PER_TURN_MAX || (count > 0 && values > VALUES_PER_TURN_MAX)) break;
    count += 1;
  }
  return count;
}

const UNIQUE_VIOLATION = "23505";

/** Did the database refuse the data itself (SQLSTATE classes 22, 23, 42)? Then repeating it is useless. */
function isRefusedData(error: unknown): boolean {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === "string" && /^(22|23|42)[0-9A-Z]{3}$/.test(code);
}

/** What callers are told of a write that failed. */
export function commitFailure(error: unknown): ContrailError {
  if (error instanceof ContrailError) return error;
  const code = (error as { code?: unknown } | null)?.code;
  if (isDiskFull(code))
    return new ContrailError("disk_full", "the database has no room left on its disk", {
      cause: error,
    });
  if (code === UNIQUE_VIOLATION)
    return new ContrailError("unavailable", "the same was written by another request just now", {
      cause: error,
    });
  if (isRefusedData(error))
    return new ContrailError("internal", "the database refused the data of this request", {
      cause: error,
    });
  if (isAway(error))
    return new ContrailError("unavailable", "the database could not be written", { cause: error });
  return new ContrailError("internal", "a turn failed by a mistake of the server", {
    cause: error,
  });
}

/**
 * Is it the way to the database, or the database's own trouble, so that the same request may go through later? What it says
 * itself, codes of sockets, and what the client says without any code.
 */
function isAway(error: unknown): boolean {
  if (error instanceof LedgerMoved) return true;
  if (error instanceof AssertionFailed || !(error instanceof Error)) return false;
  const { code } = error as { code?: unknown };
  if (typeof code === "string") return isPassingState(code) || /^E[A-Z_]+$/.test(code);
  if (error.constructor !== Error) return error instanceof AggregateError;
  return /connection|timeout|not queryable|pool after calling end/i.test(error.message);
}
