/** What the two sides of a meeting have in common: `hub.ts` is rank 0, `spoke.ts` every other. */
import type { Values } from "./sum.ts";

/** Who is to meet whom, and where. */
export interface Meeting {
  readonly rank: number;
  readonly size: number;
  readonly address: string;
  readonly port: number;
  /** What only the ranks of one allocation know. */
  readonly key: string;
  readonly timeoutMs: number;
}

export interface Party {
  sum(values: Values): Promise<void>;
  close(): void;
}
