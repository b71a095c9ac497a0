/**
 * Data-parallel training in TypeScript: the processes of one trial add up their gradients.
 *
 *     const ranks = await meet(trial);
 *     for (const batch of order.rest()) {
 *       const gradient = model.gradient(ranks.share(batch));   // of this process's part
 *       await ranks.sum(gradient);                             // now of the whole batch, the same bits everywhere
 *       model.move(gradient, batch.length);
 *     }
 *
 * A star: rank 0 adds up in the order of the ranks and sends the sum back, so the result is the same for the same number of
 * processes, every time, whoever was first. Refused: a ring, which moves less through one process, and adds up each
 * part in an order of its own; models that need it train with a framework. The ranks find each other by the names that
 * torch.distributed reads (MASTER_ADDR, MASTER_PORT), and prove to each other that they belong to one allocation by its
 * token. docs/distributed.md is the page.
 */
import { TRIAL_ENV } from "../../protocol/trial-socket.ts";
import { shown, TrialError } from "../trial-errors.ts";
import { Hub } from "./hub.ts";
import { VALUES_MAX_BYTES } from "./link.ts";
import type { Party } from "./meeting.ts";
import { RanksError } from "./ranks-error.ts";
import { Spoke } from "./spoke.ts";
import type { Values } from "./sum.ts";

const TIMEOUT_MS = 600_000;

export interface MeetOptions {
  /** Longest time to wait for another rank, when they meet and at every sum; 600,000 unless given. */
  readonly timeoutMs?: number;
}

type Environment = { readonly [name: string]: string | undefined };

/**
 * Brings the processes of a trial together; alone it is there at once. Call it once, on every rank.
 * @throws RanksError ranks_apart, port_taken; TrialError environment_invalid, option_invalid
 */
export async function meet(
  { rank, size }: { readonly rank: number; readonly size: number },
  { timeoutMs = TIMEOUT_MS }: MeetOptions = {},
  environment: Environment = process.env,
): Promise<Ranks> {
  // Longer than that no timer can wait.
  if (!(timeoutMs > 0 && timeoutMs < 2 ** 31)) {
    const expected = "a number of milliseconds above 0 and below 2^31";
    throw new TrialError("option_invalid", {
      ...{ call: "meet()", name: "timeoutMs", value: shown(timeoutMs) },
      expected,
    });
  }
  if (size === 1) return new Ranks(rank, size, null);
  const meeting = {
    ...{ rank, size, timeoutMs },
    address: variable(environment, "MASTER_ADDR", "the host of rank 0", /\S/),
    port: Number(variable(environment, "MASTER_PORT", "a port", /^[1-9][0-9]{0,4}$/)),
    key: variable(environment, TRIAL_ENV.token, "the allocation's token", /\S/),
  };
  const party = rank === 0 ? new Hub(meeting) : new Spoke(meeting);
  try {
    await party.open();
  } catch (fault) {
    party.close();
    throw fault;
  }
  return new Ranks(rank, size, party);
}

function variable(environment: Environment, name: string, expected: string, rule: RegExp): string {
  const value = environment[name] ?? "";
  if (rule.test(value)) return value;
  throw new TrialError("environment_invalid", {
    ...{ name, expected },
    value: name === TRIAL_ENV.token ? "not set" : shown(value),
  });
}

export class Ranks {
  readonly rank: number;
  readonly size: number;
  readonly #party: Party | null;
  #isClosed = false;
  /** Sums that were asked for follow each other, awaited or not. */
  #last: Promise<void> = Promise.resolve();

  constructor(rank: number, size: number, party: Party | null) {
    this.rank = rank;
    this.size = size;
    this.#party = party;
  }

  /**
   * Puts into `values` the sum, element by element, of what every rank has there. Leave them alone until it resolves.
   * @throws RanksError rank_gone, rank_late, ranks_differ, values_invalid, ranks_closed: on all ranks alike, and again at every later call
   */
  sum(values: Values): Promise<void> {
    const isValues = values instanceof Float32Array || values instanceof Float64Array;
    if (!isValues || values.byteLength > VALUES_MAX_BYTES)
      return Promise.reject(
        new RanksError("values_invalid", { value: kindOf(values), limit: VALUES_MAX_BYTES }),
      );
    if (this.#isClosed) return Promise.reject(new RanksError("ranks_closed"));
    const party = this.#party;
    if (party === null) return Promise.resolve();
    const next = this.#last.then(() => party.sum(values));
    this.#last = next.catch(() => undefined);
    return next;
  }

  /** Numbers, each summed over all ranks: a loss that was counted by parts. */
  async total(...values: readonly number[]): Promise<number[]> {
    const sums = Float64Array.from(values);
    await this.sum(sums);
    return [...sums];
  }

  /** This rank's part of a batch: of all ranks together each item is in exactly one. It may be empty. */
  share(batch: Uint32Array): Uint32Array {
    return batch.filter((_, place) => place % this.size === this.rank);
  }

  /** Lets go of the connections. A program that ends need not call it. */
  close(): void {
    this.#isClosed = true;
    this.#party?.close();
  }
}

const kindOf = (value: unknown): string =>
  ArrayBuffer.isView(value)
    ? `${value.constructor.name} of ${value.byteLength} bytes`
    : shown(value);
