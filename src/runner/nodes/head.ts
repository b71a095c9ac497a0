/**
 * The head's side of a job of several nodes: it listens, tells the server where, and has an agent on every other node do
 * what is asked of the ranks there. There is one allocation in such a job, and so one head.
 *
 * Where the nodes are does not matter to anybody else: `spread-starter.ts` makes ranks of theirs out of it, and a connection
 * of a rank to its trial's socket is handed to the same `TrialSocket` that the ranks of this node speak to.
 */
import type { AddressInfo } from "node:net";
import { hostname, networkInterfaces } from "node:os";
import type { Server, TLSSocket } from "node:tls";
import type { Clock } from "../../base/clock.ts";
import type { Meeting, NodeHello } from "../../protocol/node-wire.ts";
import type { LaunchSpec } from "../../protocol/runner-wire.ts";
import type { ToTrial } from "../../protocol/trial-socket.ts";
import { Backoff, within } from "../backoff.ts";
import type { Captured } from "../capture/capture.ts";
import type { TrialSocket } from "../trial-socket.ts";
import { FarNode, NodeLost } from "./far-node.ts";
import { LINK_LEASE_MS, listener } from "./link.ts";
import { hasRank, type NodeShare, shareOf } from "./share.ts";

export interface HeadOptions {
  readonly clock: Clock;
  /** How many the job has, with this one. */
  readonly nodes: number;
  /** Under which the other nodes reach this one. */
  readonly address: string;
  readonly key: Buffer;
  /** Tells the server where the agents are expected. @throws ServerFailure */
  readonly publish: (place: Meeting) => Promise<void>;
  /** The engine takes one of the other nodes away. */
  readonly leaving: (reason: string) => void;
  readonly say: (text: string) => void;
  readonly leaseMs?: number;
  /** How long all nodes may take to come. */
  readonly arrivalMs?: number;
}

/** Nodes that others wait for in turn would hold one another up for ever; the trial comes again. */
const ARRIVAL_MS = 600_000;
const TELL_EVERY_MS = 60_000;
/** The server may have been started anew, and what it was told with it gone. */
const PUBLISH_EVERY_MS = 5_000;
const LEAVE_MS = 5_000;

export class Head {
  readonly #options: HeadOptions;
  readonly #server: Server;
  readonly #nodes = new Map<number, FarNode>();
  readonly #publishing: Backoff;
  /** Nothing was asked of any of them yet, so one that is lost may come again. */
  #awaiting = true;
  /** Who was lost meanwhile, as the end of a sentence. */
  #lost = "";
  /** All have come, or one was lost. */
  #wake: () => void = () => {};
  /** As the first agent has reached this node: rank 0 is met there. */
  #address: string | null = null;
  #trial: { readonly socket: TrialSocket; readonly welcome: (rank: number) => ToTrial } | null =
    null;
  #closed = false;

  constructor(options: HeadOptions) {
    this.#options = options;
    this.#publishing = new Backoff(options.clock);
    this.#server = listener(options.key, options.clock, (hello, socket) =>
      this.#take(hello, socket),
    );
  }

  async open(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen(0, () => {
        this.#server.off("error", reject);
        this.#server.on("error", () => {}); // Out of descriptors for one accept; the next may succeed.
        resolve();
      });
    });
  }

  /** The nodes that are there, in order, the head's not among them. */
  get others(): readonly FarNode[] {
    return [...this.#nodes.values()].sort((a, b) => a.node - b.node);
  }

  share(launch: LaunchSpec, node: number): NodeShare {
    return shareOf(node, this.#options.nodes, launch.ranks);
  }

  /** @returns undefined for a rank of this node */
  nodeOf(launch: LaunchSpec, rank: number): FarNode | undefined {
    return this.others.find(({ node }) => hasRank(this.share(launch, node), rank));
  }

  /** By which way the others reach this node; once there is one of them. */
  get address(): string | null {
    return this.#address;
  }

  /** What was taken down on this node, with the names of all. */
  named({ environment, own }: Captured): Captured {
    const nodes = [hostname(), ...this.others.map(({ name }) => name)].join(" ");
    const { captured } = own;
    const command = { ...captured.command, nodes };
    return { environment, own: { ...own, captured: { ...captured, command } } };
  }

  /** @throws LaunchError; NodeLost; the signal's reason */
  async prepare(
    launch: LaunchSpec,
    options: { readonly signal: AbortSignal; readonly tell: (text: string) => void },
  ): Promise<void> {
    void this.#publish();
    await this.#arrival(options);
    const { nodes } = this.#options;
    await Promise.all(this.others.map((node) => node.prepare(launch, nodes, options)));
  }

  /** The ranks of the other nodes speak to it from now on. @param welcome as it is for ranks of this node */
  serve(socket: TrialSocket, welcome: (rank: number) => ToTrial): void {
    this.#trial = { socket, welcome };
  }

  /** The allocation is over, and so is the work of the agents. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#publishing.cut();
    this.#server.close();
    await within(
      this.#options.clock,
      LEAVE_MS,
      Promise.all(this.others.map((node) => node.over())),
    );
    for (const node of this.others) node.destroy();
  }

  async #arrival({
    signal,
    tell,
  }: {
    readonly signal: AbortSignal;
    readonly tell: (text: string) => void;
  }): Promise<void> {
    const { clock, arrivalMs = ARRIVAL_MS } = this.#options;
    const aborted = new Promise<void>((resolve) => {
      if (signal.aborted) resolve();
      signal.addEventListener("abort", () => resolve(), { once: true });
    });
    const startedMs = clock.monotonicMs();
    while (!this.#isComplete) {
      const leftMs = arrivalMs - (clock.monotonicMs() - startedMs);
      if (leftMs <= 0)
        throw new NodeLost(
          `${this.#missingWords()} did not come within ${arrivalMs / 1000} s${this.#lost}`,
        );
      const changed = new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      await within(clock, Math.min(leftMs, TELL_EVERY_MS), Promise.race([changed, aborted]));
      signal.throwIfAborted();
      if (!this.#isComplete) tell(`waits for ${this.#missingWords()}`);
    }
    this.#awaiting = false;
    this.#publishing.cut();
  }

  get #isComplete(): boolean {
    return this.#nodes.size === this.#options.nodes - 1;
  }

  #missingWords(): string {
    const { nodes } = this.#options;
    const missing = Array.from({ length: nodes - 1 }, (_, i) => i + 1).filter(
      (node) => !this.#nodes.has(node),
    );
    return `node ${missing.map((node) => node + 1).join(", ")} of ${nodes}`;
  }

  async #publish(): Promise<void> {
    const { address, publish, say } = this.#options;
    const { port } = this.#server.address() as AddressInfo;
    let failing = false;
    while (!this.#closed && this.#awaiting) {
      try {
        await publish({ address, port });
        failing = false;
      } catch (error) {
        if (!failing) say(`where its nodes meet could not be told: ${(error as Error).message}`);
        failing = true;
      }
      const rest = this.#publishing;
      if (this.#closed || !this.#awaiting) return;
      await (failing ? rest.wait() : rest.rest(PUBLISH_EVERY_MS));
    }
  }

  #take(hello: NodeHello, socket: TLSSocket): void {
    const { nodes, clock, leaving, say, leaseMs = LINK_LEASE_MS } = this.#options;
    const known = this.#nodes.get(hello.node);
    if (hello.as !== "control") {
      if (known === undefined) socket.destroy();
      else if (hello.as === "output") known.takeOutput(hello.rank, hello.stream, socket);
      else this.#serveTrial(known, socket);
      return;
    }
    if (known !== undefined || hello.node >= nodes || this.#closed) {
      say(`an agent came as node ${hello.node + 1} of ${nodes}, which is not awaited; turned away`);
      socket.destroy();
      return;
    }
    this.#address ??= plainAddress(socket.localAddress ?? this.#options.address);
    const { node, name } = hello;
    const far = new FarNode({
      ...{ clock, socket, node, name, leaseMs, leaving },
      gone: (why) => {
        say(why);
        if (!this.#awaiting) return;
        this.#lost = `; ${why}`;
        this.#nodes.delete(node);
        this.#wake();
      },
    });
    this.#nodes.set(node, far);
    if (this.#isComplete) this.#wake();
  }

  #serveTrial(node: FarNode, socket: TLSSocket): void {
    const { workspace } = node;
    if (this.#trial === null || workspace === null) return void socket.destroy();
    const { data, restore, checkpoints: checkpointDir } = workspace;
    const { welcome, socket: trial } = this.#trial;
    trial.attach(socket, (rank) => {
      const said = welcome(rank);
      return said.type === "welcome" ? { ...said, data, restore, checkpointDir } : said;
    });
  }
}

const plainAddress = (address: string): string => address.replace(/^::ffff:(?=\d+\.)/, "");

/** The network interface that has this address: what gloo is to be told, which else asks what the host's name stands for. */
export function interfaceOf(address: string | undefined): string | null {
  const plain = plainAddress(address ?? "");
  for (const [name, addresses] of Object.entries(networkInterfaces()))
    if (addresses?.some((each) => each.address === plain)) return name;
  return null;
}
