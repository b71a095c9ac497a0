/**
 * One rank as the rest of the runner knows it, whether it is a process of this machine (`rank-process.ts`) or a
 * container (`containers/`): started with two streams of output, signalled by name, and over with an end that somebody
 * vouches for.
 */
export interface RankEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** Who says that memory ran out; null = it did not; absent = nobody knows, and the kernel's count may tell. */
  readonly outOfMemory?: string | null;
  /** Why its program was never started, where that is found out only afterwards. */
  readonly fault?: string;
  /** What took it away, where that was no doing of its own; then code and signal say nothing. */
  readonly lost?: string;
}

export interface RankSinks {
  /** The chunk is the sink's to keep. */
  output(stream: "stdout" | "stderr", chunk: Buffer): void;
  exited(end: RankEnd): void;
  /** Its output has ended; may come before or after `exited`, or never while somebody holds it open. */
  closed(): void;
}

export interface Rank {
  /** As the kernel of this machine numbers it; 0 where it was over before anybody asked. */
  readonly pid: number;
  /** The process group that it leads; null where it has a room of its own, and nothing can leave that. */
  readonly group: number | null;
  /** What has ended already hears nothing. */
  signal(name: NodeJS.Signals): void;
  pause(): void;
  resume(): void;
  /** Lets go of its output, whoever may still hold the other end. */
  abandonPipes(): void;
}
