/**
 * What is sent as it is: bytes that can be read again from their beginning for every attempt, because a request that
 * failed half-way has used up what it was given. Files of any size are sent through this (`src/store/file-part.ts`); the
 * Blob that Node makes of a file counts its size in 32 bits.
 */
export interface Content {
  /** Bytes; no reading gives fewer or more. */
  readonly size: number;
  /** Begins at the first byte, each time. @throws ContentError */
  open(): Promise<OpenContent>;
}

export interface OpenContent {
  /** A stream ends in a ContentError where it cannot be read to its end. */
  readonly body: Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array<ArrayBuffer>>;
  /** To be called whatever became of it: a request that was given up may read on and never let go. */
  close(): Promise<void>;
}

/** What was to be sent cannot be read, or not any more: nothing is known of who was to get it. */
export class ContentError extends Error {
  override name = "ContentError";
}

/** Bytes that are in memory. */
export const contentOf = (bytes: Uint8Array): Content => ({
  size: bytes.length,
  open: async () => ({ body: bytes as Uint8Array<ArrayBuffer>, close: async () => {} }),
});
