/**
 * The runner on a node that is not the first of its job: it prepares the same workspace there, starts the ranks that the head
 * gives it, and leaves when the head says that the allocation is over.
 *
 * It holds nothing that matters: the head decides, spools and reports. Without the head its ranks could go on to no purpose,
 * so they end when the connection does; and a job of several nodes whose network was cut is over on all of them, each
 * seeing to its own. Taking the connection up again was refused: what ranks say to each other breaks as well. Only who was
 * asked for nothing yet joins again.
 */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { TLSSocket } from "node:tls";
import type { Clock } from "../../base/clock.ts";
import { type FromAgent, type Meeting, type ToAgent, toAgent } from "../../protocol/node-wire.ts";
import type { LaunchSpec } from "../../protocol/runner-wire.ts";
import { Backoff, whenRoom, within } from "../backoff.ts";
import type { NodeMachine } from "../machine.ts";
import type { ServerClient } from "../server-client.ts";
import { AgentRanks } from "./agent-ranks.ts";
import { interfaceOf } from "./head.ts";
import { Channel, connect, LINK_LEASE_MS } from "./link.ts";
import { type NodeShare, shareOf } from "./share.ts";

/** Of what is told for people; well below what the head takes. */
const TEXT_CHARACTERS_MAX = 4_000;

export interface AgentOptions {
  readonly clock: Clock;
  readonly client: Pick<ServerClient, "url">;
  readonly machine: NodeMachine;
  readonly key: Buffer;
  /** From 1. */
  readonly node: number;
  /** Of the node, for people. */
  readonly name: string;
  /** Where the head listens; null = it has not said so yet. @throws ServerFailure */
  readonly meeting: () => Promise<Meeting | null>;
  readonly say: (text: string) => void;
  readonly leaseMs?: number;
}

export class Agent {
  readonly #options: AgentOptions;
  readonly #looking: Backoff;
  readonly #preparing = new AbortController();
  #place: Meeting | null = null;
  #channel: Channel<ToAgent, FromAgent> | null = null;
  #control: TLSSocket | null = null;
  #ranks: AgentRanks | null = null;
  #share: NodeShare | null = null;
  #leaving = false;
  /** Since when no head has said a word to it. */
  #unheardAtMs: number | null = null;
  #stopped = false;
  /** The head has said that the allocation is over; else why it cannot go on. */
  #end: (over: boolean) => void = () => {};
  readonly #ended = new Promise<boolean>((resolve) => {
    this.#end = resolve;
  });

  constructor(options: AgentOptions) {
    this.#options = options;
    this.#looking = new Backoff(options.clock);
  }

  /** @returns whether the head has dismissed it; nothing of its ranks is left then, nor otherwise */
  async run(): Promise<boolean> {
    await this.#join();
    const over = await this.#ended;
    this.#preparing.abort(new Error("the head has gone on"));
    await this.#ranks?.end();
    this.#options.machine.release();
    this.#channel?.end();
    return over;
  }

  /** The engine takes this node away: the head is told, and has so long to end everything. */
  async leave(reason: string, graceMs: number): Promise<void> {
    this.#leaving = true;
    if (this.#channel === null) return this.#stop("nothing was begun");
    this.#channel.send({ type: "leaving", reason: short(reason) });
    await within(this.#options.clock, graceMs, this.#ended);
    this.#stop("the head did not end it in time");
  }

  async #join(): Promise<void> {
    const { say, meeting, key, node, name } = this.#options;
    let said = "";
    while (!this.#stopped) {
      let why = "the head has not said yet where it is";
      try {
        const place = await meeting();
        if (place !== null) {
          const socket = await connect(place, key, { as: "control", node, name });
          if (this.#stopped) return void socket.destroy();
          return this.#attach(place, socket);
        }
      } catch (error) {
        why = (error as Error).message;
      }
      if (why !== said) say(`the head cannot be reached yet: ${why}`);
      said = why;
      await this.#looking.wait();
    }
  }

  #attach(place: Meeting, socket: TLSSocket): void {
    const { clock, say, leaseMs = LINK_LEASE_MS } = this.#options;
    say(`joined the head at ${place.address}`);
    this.#place = place;
    this.#control = socket;
    this.#channel = new Channel<ToAgent, FromAgent>({
      ...{ clock, socket, leaseMs, schema: toAgent },
      heard: (message) => this.#heard(message),
      closed: (why) => this.#lostHead(`the head was lost: ${why}`),
    });
  }

  /**
   * While it waits for others a network that was cut costs nothing yet. It is turned away for as long as the head has not heard
   * of that; for longer where the head has its place taken by another, or has gone on without it.
   */
  #lostHead(why: string): void {
    const { clock, leaseMs = LINK_LEASE_MS } = this.#options;
    this.#unheardAtMs ??= clock.monotonicMs();
    const isUnwanted = clock.monotonicMs() - this.#unheardAtMs > 2 * leaseMs;
    if (this.#stopped || this.#leaving || this.#share !== null || isUnwanted)
      return this.#stop(why);
    this.#options.say(`${why}; it had asked for nothing yet, and is joined again`);
    this.#channel = null;
    void this.#looking.wait().then(() => this.#join());
  }

  #stop(why: string): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#options.say(why);
    this.#looking.cut();
    this.#end(false);
  }

  #heard(message: ToAgent): void {
    this.#unheardAtMs = null;
    switch (message.type) {
      case "prepare":
        void this.#prepare(message.launch, message.nodes);
        return;
      case "start":
        void this.#start(message.rank, message.meeting);
        return;
      case "unstart":
        return this.#ranks?.giveUp(message.rank);
      case "signal":
        return this.#ranks?.signal(message.rank, message.signal as NodeJS.Signals);
      case "sweep":
        void this.#sweep(message.graceMs);
        return;
      case "over":
        this.#stopped = true;
        return this.#end(true);
      case "beat":
        return;
    }
  }

  async #prepare(launch: LaunchSpec, nodes: number): Promise<void> {
    const { clock, machine, client, key, node } = this.#options;
    this.#share = shareOf(node, nodes, launch.ranks);
    const { signal } = this.#preparing;
    const tell = (text: string) => this.#tell({ type: "tell", text: short(text) });
    const room = (work: () => Promise<void>) => whenRoom(work, { clock, signal, tell });
    try {
      const place = machine.place(launch.allocation, 0);
      const checkpoints = join(place.folder, "checkpoints");
      await room(async () => {
        machine.begin(place);
        mkdirSync(checkpoints, { recursive: true });
      });
      const prepared = await machine.prepare(launch, place, { signal, tell });
      const ranks = new AgentRanks({
        ...{ clock, machine },
        plan: {
          ...{ launch: prepared.launch ?? launch, prepared, socket: place.socketPath },
          ...{ server: client.url(), rendezvous: null },
        },
        connect: (purpose) => connect(this.#place as Meeting, key, { ...purpose, node }),
        tell: (message) => this.#tell(message),
        note: tell,
        broke: (why) => this.#stop(why),
      });
      this.#ranks = ranks;
      await room(() => ranks.listen());
      const { data, restore } = prepared;
      this.#tell({ type: "prepared", data, restore, checkpoints });
    } catch (error) {
      this.#tell({ type: "unprepared", detail: short((error as Error).message) });
    }
  }

  async #start(rank: number, meeting: Meeting): Promise<void> {
    try {
      if (this.#ranks === null || this.#share === null) throw new Error("nothing was prepared");
      const pid = await this.#ranks.start(rank, {
        meeting,
        share: this.#share,
        networkInterface: interfaceOf(this.#control?.localAddress),
      });
      this.#tell({ type: "started", rank, pid });
    } catch (error) {
      this.#tell({ type: "unstarted", rank, detail: short((error as Error).message) });
    }
  }

  async #sweep(graceMs: number): Promise<void> {
    const outlived = (await this.#ranks?.sweep(graceMs)) ?? 0;
    this.#tell({ type: "swept", outlived });
  }

  /**
   * Who gives its node up says nothing more: that it kills its ranks, or starts none, is no failure of theirs, and the head
   * learns from the connection's end that the node is lost.
   */
  #tell(message: FromAgent): void {
    if (!this.#stopped) this.#channel?.send(message);
  }
}

/** The head takes a message whose texts are too long for the end of the node. */
const short = (text: string): string => text.slice(0, TEXT_CHARACTERS_MAX);
