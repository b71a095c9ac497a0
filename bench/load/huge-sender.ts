/**
 * A thread that sends reports of one huge size. Making and sending twenty million bytes holds up whoever does it, and the
 * thread that sends everybody else's reports would find that in their delays. A report is made before its time is measured: on
 * two cores that work, which is the sender's alone, would be taken from everybody.
 */
import { parentPort, workerData } from "node:worker_threads";

export interface HugeSenderOptions {
  readonly url: string;
  readonly token: string;
  /** Of one report. */
  readonly values: number;
  /** Characters of each name. */
  readonly nameChars: number;
}

/** The next report to make. */
export interface HugeRequest {
  readonly id: string;
  readonly fence: number;
  readonly seq: number;
  readonly atMs: number;
}

/** What the thread is told: to make a report, which it answers with "made", and to send that. */
export type HugeCommand = HugeRequest | "send";

export interface HugeAnswer {
  readonly status: number;
  readonly text: string;
  readonly bytes: number;
  readonly tookMs: number;
}

const { url, token, values, nameChars } = workerData as HugeSenderOptions;
const names = Array.from({ length: values }, (_, at) => `huge/${at}`.padEnd(nameChars, "x"));
const metrics = JSON.stringify(Object.fromEntries(names.map((name, at) => [name, at + 0.5])));
const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };

let body = Buffer.alloc(0);

function make({ id, fence, seq, atMs }: HugeRequest): void {
  const event = `{"type":"report","seq":${seq},"atMs":${atMs},"step":${seq},"metrics":${metrics}}`;
  body = Buffer.from(
    `{"boot":"stub","ordersAfter":1000000000,"allocations":[{"id":"${id}","fence":${fence},"events":[${event}]}]}`,
  );
  parentPort?.postMessage("made");
}

async function send(): Promise<void> {
  const startMs = performance.now();
  const response = await fetch(url, { method: "POST", headers, body });
  const text = await response.text();
  const tookMs = performance.now() - startMs;
  const answer: HugeAnswer = { status: response.status, text, bytes: body.length, tookMs };
  parentPort?.postMessage(answer);
}

parentPort?.on("message", (command: HugeCommand) =>
  command === "send" ? void send() : make(command),
);
