/**
 * What comes back over the WebSocket of `pods/exec`: frames whose first byte names a channel, 1 and 2 for what the command
 * prints and 3 for how it ended. Nothing is sent, so nothing of the other half of the protocol is needed.
 */
import type { Duplex } from "node:stream";

const PRINTED = [1, 2];
const STATUS = 3;
const FRAME_MAX_BYTES = 1024 * 1024;

export interface ExecOutcome {
  /** Null where the connection ended before the command did, or nobody knows. */
  readonly exitCode: number | null;
  /** What it printed, and what was said about it. */
  readonly text: string;
}

interface ExecStatus {
  readonly status?: string;
  readonly message?: string;
  readonly details?: { readonly causes?: readonly { reason?: string; message?: string }[] };
}

export async function outcomeOfExec(stream: Duplex): Promise<ExecOutcome> {
  let pending = Buffer.alloc(0);
  let printed = "";
  let status: ExecStatus | undefined;
  for await (const chunk of stream) {
    pending = Buffer.concat([pending, chunk as Buffer]);
    for (let frame = readFrame(pending); frame !== undefined; frame = readFrame(pending)) {
      pending = pending.subarray(frame.end);
      const [channel = -1] = frame.payload;
      if (frame.isClose) stream.end();
      else if (PRINTED.includes(channel)) printed += frame.payload.subarray(1).toString();
      else if (channel === STATUS)
        status = JSON.parse(frame.payload.subarray(1).toString()) as ExecStatus;
    }
    if (status !== undefined) break;
  }
  stream.destroy();
  if (status?.status === "Success") return { exitCode: 0, text: printed };
  const said = status?.details?.causes?.find(({ reason }) => reason === "ExitCode")?.message;
  const text = `${printed}${status?.message ?? "the connection ended before the command did"}`;
  return { exitCode: said === undefined ? null : Number(said), text: text.trim() };
}

/** A frame of RFC 6455 as servers send them, unmasked. @returns undefined while it is not all there */
export function readFrame(
  bytes: Buffer,
): { readonly payload: Buffer; readonly isClose: boolean; readonly end: number } | undefined {
  if (bytes.length < 2) return undefined;
  const opcode = bytes.readUInt8(0) & 0x0f;
  const short = bytes.readUInt8(1) & 0x7f;
  const start = short === 126 ? 4 : short === 127 ? 10 : 2;
  if (bytes.length < start) return undefined;
  const length =
    short === 126
      ? bytes.readUInt16BE(2)
      : short === 127
        ? Number(bytes.readBigUInt64BE(2))
        : short;
  if (length > FRAME_MAX_BYTES) throw new Error(`a frame of ${length} bytes is too long`);
  if (bytes.length < start + length) return undefined;
  const end = start + length;
  return { payload: bytes.subarray(start, end), isClose: opcode === 8, end };
}
