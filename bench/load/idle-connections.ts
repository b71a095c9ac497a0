/**
 * L8: ten thousand connections that say nothing, and some hundreds that say their headers or their body a byte at
 * a time. Accepted or turned away within limits that are known; and whoever works meanwhile, over a connection
 * of its own or a new one for each request, must not feel it.
 */
import { readFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { sleep } from "../../src/base/clock.ts";
import { type Bench, figure, type Measure } from "../bench.ts";
import { type Figure, quantileOf, quartiles, tail } from "../figure.ts";
import { anonymousBytesOf, descriptorsOf } from "../processes.ts";
import { type Subject, stubServer } from "../subjects.ts";
import { number } from "../table.ts";
import { Wire } from "../wire.ts";

const IDLE = 10_000;
const SLOW = 250;
/** Descriptors that the process needs for other things. */
const SPARE = 500;
const OPEN_AT_ONCE = 200;
const BYTE_EVERY_MS = 1_000;
/** Slow headers and slow bodies that are let in for longer than this have met no limit. */
const SLOW_MS_MAX = { quick: 60_000, whole: 150_000 };
const KIB = 1024;

export const idleConnections: Measure = {
  name: "L8",
  title: "idle and slow connections",
  async run(bench) {
    const subject = await stubServer(bench, { slots: 1, label: "l8" });
    const crowd = new Crowd(bench, new URL(subject.url));
    try {
      const wanted = Math.min(IDLE, descriptorLimit(process.pid), descriptorLimit(subject.pid));
      const count = wanted === IDLE ? IDLE : wanted - 2 * SLOW - SPARE;
      const before = anonymousBytesOf(subject.pid);
      const alone = await work(bench, subject, 5_000);
      await crowd.openIdle(count, (open) => bench.say(`${number(open)} idle connections`));
      const idleOpen = crowd.open("idle");
      const after = anonymousBytesOf(subject.pid);
      const descriptors = descriptorsOf(subject.pid);
      crowd.openSlow("slow headers", SLOW);
      crowd.openSlow("slow body", SLOW);
      const beside: number[] = [];
      const startMs = bench.clock.monotonicMs();
      const limitMs = bench.quick ? SLOW_MS_MAX.quick : SLOW_MS_MAX.whole;
      for (let round = 1; ; round++) {
        beside.push(...(await work(bench, subject, 5_000)));
        const slow = crowd.open("slow headers") + crowd.open("slow body");
        const elapsedMs = bench.clock.monotonicMs() - startMs;
        if (round % 2 === 0)
          bench.say(
            `${crowd.open("idle")} idle and ${slow} slow ones after ${number(elapsedMs / 1000)} s`,
          );
        if ((slow === 0 && round >= 4) || elapsedMs > limitMs) break;
      }
      return [
        idle({ count, idleOpen, before, after, descriptors }),
        slowOnes(crowd),
        worker(beside, alone),
      ];
    } finally {
      crowd.close();
      await subject.stop();
    }
  },
};

/** How many files and sockets a process may hold open. */
function descriptorLimit(pid: number): number {
  try {
    const limits = readFileSync(`/proc/${pid}/limits`, "utf8");
    return Number(/^Max open files\s+([0-9]+)/m.exec(limits)?.[1] ?? Number.MAX_SAFE_INTEGER);
  } catch {
    return Number.MAX_SAFE_INTEGER;
  }
}

/** Requests one after the other, every second one over a new connection. @returns how long each took */
async function work(bench: Bench, subject: Subject, forMs: number): Promise<number[]> {
  const { clock } = bench;
  const tookMs: number[] = [];
  const kept = new Wire(subject.url, { token: subject.token, sockets: 1 });
  const endMs = clock.monotonicMs() + forMs;
  try {
    while (clock.monotonicMs() < endMs) {
      const fresh = new Wire(subject.url, { token: subject.token, sockets: 1 });
      for (const wire of [kept, fresh]) {
        const startMs = clock.monotonicMs();
        await wire.get("/api/v1/experiments?limit=1");
        tookMs.push(clock.monotonicMs() - startMs);
      }
      fresh.close();
      await sleep(clock, 20);
    }
  } finally {
    kept.close();
  }
  return tookMs;
}

type Kind = "idle" | "slow headers" | "slow body";

interface Member {
  readonly kind: Kind;
  readonly socket: Socket;
  readonly openedMs: number;
  closedAfterMs: number | null;
  said: string;
}

class Crowd {
  readonly #bench: Bench;
  readonly #target: URL;
  readonly #members: Member[] = [];
  #dripping: (() => void) | null = null;

  constructor(bench: Bench, target: URL) {
    this.#bench = bench;
    this.#target = target;
  }

  async openIdle(count: number, tell: (open: number) => void): Promise<void> {
    for (let opened = 0; opened < count; opened += OPEN_AT_ONCE) {
      const some = Math.min(OPEN_AT_ONCE, count - opened);
      await Promise.all(Array.from({ length: some }, () => this.#connect("idle")));
      if ((opened / OPEN_AT_ONCE) % 10 === 9) tell(opened + some);
    }
    // What is turned away is turned away just after it was accepted.
    await sleep(this.#bench.clock, 500);
  }

  openSlow(kind: "slow headers" | "slow body", count: number): void {
    for (let index = 0; index < count; index++) {
      const opened = this.#connect(kind);
      void opened.then(({ socket }) => {
        const head = `POST /api/v1/login HTTP/1.1\r\nhost: ${this.#target.host}\r\n`;
        const body = "content-type: application/json\r\ncontent-length: 10000\r\n\r\n";
        socket.write(kind === "slow headers" ? head : head + body);
      });
    }
    this.#dripping ??= this.#drip();
  }

  /** How many of this kind the server has not closed. */
  open(kind: Kind): number {
    return this.of(kind).filter(({ closedAfterMs }) => closedAfterMs === null).length;
  }

  of(kind: Kind): readonly Member[] {
    return this.#members.filter((member) => member.kind === kind);
  }

  close(): void {
    this.#dripping?.();
    for (const { socket } of this.#members) socket.destroy();
  }

  /** One more byte from each that is slow. */
  #drip(): () => void {
    let cancel = (): void => undefined;
    const next = (): void => {
      for (const { kind, socket, closedAfterMs } of this.#members)
        if (kind !== "idle" && closedAfterMs === null && socket.writable) socket.write("x");
      cancel = this.#bench.clock.after(BYTE_EVERY_MS, next);
    };
    cancel = this.#bench.clock.after(BYTE_EVERY_MS, next);
    return () => cancel();
  }

  #connect(kind: Kind): Promise<Member> {
    const { clock } = this.#bench;
    const socket = connect({ host: this.#target.hostname, port: Number(this.#target.port) });
    const member: Member = {
      ...{ kind, socket, openedMs: clock.monotonicMs(), closedAfterMs: null, said: "" },
    };
    this.#members.push(member);
    socket.on("data", (chunk) => {
      member.said += chunk.toString("latin1");
    });
    return new Promise((resolve) => {
      socket.once("connect", () => resolve(member));
      socket.on("error", () => undefined);
      socket.once("close", () => {
        member.closedAfterMs ??= clock.monotonicMs() - member.openedMs;
        resolve(member);
      });
    });
  }
}

function idle(seen: {
  readonly count: number;
  readonly idleOpen: number;
  readonly before: number | undefined;
  readonly after: number | undefined;
  readonly descriptors: number | undefined;
}): Figure {
  const { count, idleOpen, before, after, descriptors } = seen;
  const each =
    before === undefined || after === undefined
      ? ""
      : `, ${number((after - before) / Math.max(1, idleOpen) / KIB)} KiB of the server's memory each`;
  return figure({
    measure: "L8",
    what: `idle connections held of ${number(count)}`,
    unit: "",
    value: quartiles([idleOpen]),
    note: `the others were closed to make room${each}; ${descriptors ?? "?"} descriptors of the server open${count < IDLE ? "; more the limit on open files of this machine does not allow (ulimit -n)" : ""}`,
  });
}

function slowOnes(crowd: Crowd): Figure {
  const all = [...crowd.of("slow headers"), ...crowd.of("slow body")];
  const left = all.filter(({ closedAfterMs }) => closedAfterMs === null).length;
  const closed = all.flatMap(({ closedAfterMs }) => closedAfterMs ?? []);
  const answered = all.filter(({ said }) => said.startsWith("HTTP/1.1 408")).length;
  return figure({
    measure: "L8",
    what: `slow headers and slow bodies cut off, of ${all.length}`,
    unit: "",
    value: quartiles([all.length - left]),
    aim: "all, within the limits",
    met: left === 0,
    note: `after ${closed.length === 0 ? "–" : `${number(quantileOf(closed, 0) / 1000)} to ${number(quantileOf(closed, 1) / 1000)}`} s; ${answered} of them were answered with 408`,
  });
}

function worker(besideMs: readonly number[], aloneMs: readonly number[]): Figure {
  const value = tail(besideMs);
  return figure({
    measure: "L8",
    what: "p99 of a working client's requests meanwhile",
    unit: "ms",
    value,
    floor: tail(aloneMs),
    floorWhat: "the same before the crowd came",
    aim: "< 1 s",
    met: value.median < 1000,
    note: "every second one over a new connection; in brackets p50 and the maximum",
  });
}
