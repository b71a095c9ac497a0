/** What starts the ranks of a node and sees to it that nothing of them is left: processes, or containers. */
import type { Meeting } from "../protocol/node-wire.ts";
import type { LaunchSpec } from "../protocol/runner-wire.ts";
import type { Inside } from "./capture/capture.ts";
import type { NodeShare } from "./nodes/share.ts";
import type { Rank, RankSinks } from "./rank.ts";
import type { RendezvousPort } from "./rendezvous-port.ts";
import type { PreparedWorkspace } from "./workspace.ts";

/** This node's place among several. */
export interface GangPlace {
  /** Of rank 0. */
  readonly meeting: Meeting;
  readonly share: NodeShare;
  /** By which the nodes reach each other; null = unknown. */
  readonly networkInterface: string | null;
}

export interface RankPlan {
  readonly launch: LaunchSpec;
  readonly prepared: PreparedWorkspace;
  readonly socket: string;
  readonly server: string;
  /** Where several ranks meet; whoever has the plan releases it when they are gone. */
  readonly rendezvous: RendezvousPort | null;
  /** Where the ranks are on several nodes; absent = all are here. */
  readonly gang?: GangPlace;
}

/** What is to be ended of an allocation. */
export interface Leftovers {
  /** By it everything of the allocation can be recognized. */
  readonly socket: string;
  /** Process groups that are certainly its own. */
  readonly groups: readonly number[];
  /** Between SIGTERM and SIGKILL, where what outlived the ranks can be asked at all. */
  readonly graceMs: number;
}

export interface RankStarter {
  /** How long output may stay open when nothing runs any more. */
  readonly lastBytesMs: number;
  /** Whom what ranks write into has to belong to; null = to the runner, as everything does. */
  readonly owner: () => { readonly uid: number; readonly gid: number } | null;
  /** Brings what a rank is started in, beside its workspace. @throws LaunchError; or the signal's reason */
  prepare(
    launch: LaunchSpec,
    prepared: PreparedWorkspace,
    options: { readonly signal: AbortSignal; readonly tell: (text: string) => void },
  ): Promise<PreparedWorkspace>;
  /** @throws LaunchError */
  plan(launch: LaunchSpec, prepared: PreparedWorkspace, socket: string): Promise<RankPlan>;
  /** The variables that a first rank would get, before it is known where ranks meet. */
  variables(
    launch: LaunchSpec,
    prepared: PreparedWorkspace,
    socket: string,
  ): Record<string, string>;
  /** The variables of one rank. */
  environment(plan: RankPlan, rank: number): Record<string, string>;
  /**
   * @param options.before the ranks that run already
   * @param options.signal gives up a start of which nothing is there yet; what has begun is brought to its end
   * @param options.tell a line for who waits while there is no room for it
   * @throws LaunchError; or the signal's reason
   */
  start(
    plan: RankPlan,
    rank: number,
    options: {
      readonly sinks: RankSinks;
      readonly before: readonly Rank[];
      readonly signal?: AbortSignal;
      readonly tell?: (text: string) => void;
    },
  ): Promise<Rank>;
  /** What a run is in, where that is not this machine itself. */
  inside(launch: LaunchSpec, prepared: PreparedWorkspace, socket: string): Inside | undefined;
  /** Ends what still runs. @returns how many there were */
  endAll(left: Leftovers): Promise<number>;
  /** Removes what an earlier runner left and nothing of now has to do with. Never throws. */
  tidy(): Promise<void>;
  /** Removes what stays behind once nothing runs and everything was read. Never throws. */
  clear(socket: string): Promise<void>;
}
