/** The real server without a runner (bench/stub-server.ts), which kills itself at a chosen point, and can be started again. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { type ReadyChild, startChild } from "../../bench/child.ts";
import type { StubReady } from "../../bench/stub-server.ts";
import { isAlive, until } from "../support.ts";

const SCRIPT = new URL("../../bench/stub-server.ts", import.meta.url);
const PRELOAD = new URL("preload/crash-points.ts", import.meta.url);
const MEMORY = new URL("preload/memory.ts", import.meta.url);

export interface ServerHome {
  readonly dataDir: string;
  /** Another PostgreSQL than its own. */
  readonly databaseUrl?: string;
  readonly slots: number;
  /** How long a deleted experiment can be restored; undefined = as everybody's. */
  readonly restorableMs?: number;
}

export interface CrashPlan {
  /** The point at which it dies, from 1; undefined = none. */
  readonly at?: number | undefined;
  /** File in which the points that are passed are listed. */
  readonly list?: string;
  /** File in which it writes how many bytes it holds, at SIGUSR2. */
  readonly memory?: string;
}

export class CrashingServer {
  readonly #home: ServerHome;
  #child: ReadyChild<StubReady> | undefined;
  /** Milliseconds from each start to its first answer that says that it is ready. */
  readonly startsMs: number[] = [];

  constructor(home: ServerHome) {
    this.#home = home;
  }

  get ready(): StubReady {
    if (this.#child === undefined) throw new Error("the server does not run");
    return this.#child.ready;
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  get #args(): string[] {
    const { dataDir, slots, restorableMs } = this.#home;
    return [dataDir, String(slots), ...(restorableMs === undefined ? [] : [String(restorableMs)])];
  }

  /** @returns false when it died before it was ready */
  async start(plan: CrashPlan = {}): Promise<boolean> {
    const { databaseUrl } = this.#home;
    const { at, list, memory } = plan;
    const counted = at !== undefined || list !== undefined;
    const beganMs = performance.now();
    try {
      this.#child = await startChild<StubReady>({
        script: SCRIPT,
        args: this.#args,
        nodeArgs: [
          ...(counted ? ["--import", PRELOAD.href] : []),
          ...(memory === undefined ? [] : ["--import", MEMORY.href]),
        ],
        env: {
          ...process.env,
          // Hundreds of starts: what the sources compile to is kept for the next one, by those that end in good order.
          NODE_COMPILE_CACHE: join(tmpdir(), "compiled"),
          ...(databaseUrl === undefined ? {} : { DATABASE_URL: databaseUrl }),
          ...(at === undefined ? {} : { FAULTS_CRASH_AT: String(at) }),
          ...(list === undefined ? {} : { FAULTS_POINTS: list }),
          ...(memory === undefined ? {} : { FAULTS_MEMORY: memory }),
        },
      });
    } catch (error) {
      if (at === undefined) throw error;
      return false;
    }
    const health = await fetch(`${this.ready.url}/api/v1/health`).catch(() => undefined);
    if (health?.status !== 200) {
      if (at === undefined) throw new Error(`the server is ready and says ${health?.status}`);
      return false;
    }
    this.startsMs.push(performance.now() - beganMs);
    return true;
  }

  /** Waits until one that was ready has come to its point after all: some lie in what it does by the clock. */
  async diesByItself(): Promise<boolean> {
    const { pid } = this;
    return await until("the server has died", () => !isAlive(pid)).catch(() => false);
  }

  /** Kills a start after so long, wherever it is then; one that is ready by then is killed as well. */
  async killWhileStarting(afterMs: number): Promise<void> {
    const child = spawn(process.execPath, [SCRIPT.pathname, ...this.#args], {
      stdio: ["pipe", "ignore", "ignore"],
    });
    const gone = once(child, "exit");
    await wait(afterMs);
    child.kill("SIGKILL");
    await gone;
  }

  /** Ends it in good order. */
  async stop(): Promise<void> {
    await this.#child?.stop();
    this.#child = undefined;
  }

  /** Waits until the process, which has stopped answering, is seen to be gone. */
  async gone(): Promise<void> {
    await this.#child?.kill("SIGKILL");
    this.#child = undefined;
  }
}
