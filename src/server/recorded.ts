/**
 * Changes of what is no experiment (people, tokens, datasets, the server itself), each written in one
 * transaction with its entry in the log of changes. They go through the decision loop's batch, so that the chain
 * keeps its one writer; a second writer would need a lock around every commit.
 */
import type pg from "pg";
import { ContrailError } from "../protocol/errors.ts";
import { storable } from "../store/storable.ts";
import type { ChangeEntry } from "../store/write-batch.ts";
import type { DecisionLoop } from "./loops/decision-loop.ts";

/** A change that belongs to no experiment; its time is the turn's. */
export interface OtherChange {
  readonly actor: string;
  /** e.g. "token 1f2e3d4c", "dataset digits@2", "server". */
  readonly subject: string;
  readonly what: string;
  readonly cause: string;
}

export interface Outcome<T> {
  readonly value: T;
  /** None where nothing was changed. */
  readonly changes: readonly OtherChange[];
}

/**
 * @param work statements on the connection of the transaction; may run again, so it touches nothing else. What it refuses by a
 * ContrailError is undone, and nothing else of the turn
 * @returns its value, once it is durable @throws ContrailError
 */
export type Recorder = <T>(
  name: string,
  work: (client: pg.ClientBase, at: Date) => Promise<Outcome<T>>,
) => Promise<T>;

export function recordIn(loop: DecisionLoop): Recorder {
  return async <T>(
    name: string,
    work: (client: pg.ClientBase, at: Date) => Promise<Outcome<T>>,
  ): Promise<T> => {
    const result: { value?: T; refusal?: ContrailError | undefined } = {};
    await loop.submit({
      name,
      run: (_world, turn) => {
        const at = new Date(turn.nowMs);
        turn.batch.work(async (client) => {
          result.refusal = undefined;
          await client.query("SAVEPOINT recorded");
          try {
            const { value, changes } = await work(client, at);
            result.value = value;
            return changes.map((change) => otherChange(change, at));
          } catch (error) {
            if (!(error instanceof ContrailError)) throw error;
            // Thrown on, it would fail the turn, and with it the work of everybody else in it.
            await client.query("ROLLBACK TO SAVEPOINT recorded");
            result.refusal = error;
            return [];
          }
        });
      },
    });
    if (result.refusal !== undefined) throw result.refusal;
    return result.value as T;
  };
}

const TEXT_CHARS_MAX = 500;

/** Names can come from anybody: cut, and with nothing in them that a database cannot hold. */
export function otherChange(change: OtherChange, at: Date): ChangeEntry {
  const clean = (text: string): string => storable(text.slice(0, TEXT_CHARS_MAX));
  return {
    at,
    experimentId: null,
    actor: clean(change.actor),
    subject: clean(change.subject),
    what: change.what,
    cause: clean(change.cause),
  };
}
