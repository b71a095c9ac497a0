/**
 * What a trial needs from whoever it trains for. Two things answer: a runner at the other end of a
 * socket, and nobody (`standalone-platform.ts`). The loop in `trial.ts` is the same for both, so a
 * script that works alone works under the platform; branching inside the loop was refused because the
 * branch that is not tested daily is the one that breaks.
 */
import type { JsonObject } from "../base/json.ts";
import type { Orders, ToTrial } from "../protocol/trial-socket.ts";

export type Welcome = Extract<ToTrial, { type: "welcome" }>;

/** The facts of this run that do not change while it lasts. */
export interface Session {
  /** For example 3.12; null when the script runs alone. */
  readonly trial: string | null;
  readonly experiment: number | null;
  readonly params: JsonObject;
  readonly seed: number;
  readonly rank: number;
  readonly size: number;
  readonly data: JsonObject;
  readonly unit: string;
  /** A checkpoint is taken at each of these, whatever else asks for one. Absent: none. */
  readonly checkpointSteps?: readonly number[];
  /** New checkpoint folders are made below this one. */
  readonly checkpointDir: string;
  readonly restore: { readonly step: number; readonly path: string } | null;
}

export interface Platform {
  readonly session: Session;
  /** The last orders heard; they change only while the event loop turns. */
  readonly orders: Orders;
  /** Returns at once, whatever the other side does. */
  report(step: number, metrics: { readonly [name: string]: unknown }): void;
  /** Hands the complete folder over. @returns why it could not be kept, or null */
  checkpoint(step: number, path: string, metadata: JsonObject): Promise<string | null>;
  /** Of several ranks, between two steps: the orders that all of them follow now. */
  agree(): Promise<Orders>;
  /** Ends when `orders` lets the trial go past `step` or tells it to yield. @returns false when the
   *  platform has gone away and nobody will ever answer */
  wait(step: number): Promise<boolean>;
  invalidHyperparameters(reason: string): void;
  bye(): void;
  /** Lets the event loop turn once, so that reports leave and orders arrive. */
  turn(): Promise<void>;
  /** Everything said so far has left this process, or a few seconds have passed. */
  flush(): Promise<void>;
}

/** One line on stderr: about the platform, never about the model. */
export type Warn = (text: string) => void;
