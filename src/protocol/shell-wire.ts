/**
 * What a terminal and the shell of a task say to each other (`python/contrail/_shell.py` is the other end): frames of one
 * byte of kind, four of length (big endian), then the content. They travel over whatever bytes lie between, as they are.
 *
 *   d  bytes typed, or printed
 *   r  to the shell: { rows, cols }, the size of the terminal; the first thing that is said
 *   s  to the shell: nothing; from it { idle_ms }: how long nothing was typed or printed
 *   x  from the shell: { signal }: it has ended
 */

/** The way to it through the server, taken by an upgrade as a runner's (`task-tunnel.ts`). */
export const shellPath = (experiment: number): string => `/api/v1/tasks/${experiment}/shell`;

export type ShellFrameKind = "d" | "r" | "s" | "x";

export interface ShellFrame {
  readonly kind: ShellFrameKind;
  readonly content: Uint8Array;
}

const HEAD_BYTES = 5;
/** Beyond what a shell ever sends: its scrollback and some. */
const CONTENT_BYTES_MAX = 16 * 1024 * 1024;

export function shellFrame(kind: ShellFrameKind, content: Uint8Array | string = ""): Uint8Array {
  const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
  const frame = new Uint8Array(HEAD_BYTES + bytes.length);
  frame[0] = kind.charCodeAt(0);
  new DataView(frame.buffer).setUint32(1, bytes.length);
  frame.set(bytes, HEAD_BYTES);
  return frame;
}

/** Bytes as they come into whole frames. */
export class ShellFrames {
  #rest: Uint8Array = new Uint8Array();

  /** @returns the frames that are whole now @throws Error where what comes is none */
  take(chunk: Uint8Array): ShellFrame[] {
    const bytes = new Uint8Array(this.#rest.length + chunk.length);
    bytes.set(this.#rest);
    bytes.set(chunk, this.#rest.length);
    const view = new DataView(bytes.buffer);
    const frames: ShellFrame[] = [];
    let at = 0;
    while (bytes.length - at >= HEAD_BYTES) {
      const kind = String.fromCharCode(bytes[at] as number);
      const length = view.getUint32(at + 1);
      if (!isKind(kind) || length > CONTENT_BYTES_MAX)
        throw new Error("what answers is no shell of a task");
      if (bytes.length - at - HEAD_BYTES < length) break;
      const from = at + HEAD_BYTES;
      frames.push({ kind, content: bytes.slice(from, from + length) });
      at = from + length;
    }
    this.#rest = bytes.slice(at);
    return frames;
  }
}

const isKind = (text: string): text is ShellFrameKind => /^[drsx]$/.test(text);

export const frameJson = ({ content }: ShellFrame): unknown =>
  JSON.parse(new TextDecoder().decode(content));
