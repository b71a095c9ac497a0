/** For tests: a job of several nodes in this process. The head is a whole runner; the server is a fake; ranks are real. */
import { join } from "node:path";
import { sleep } from "../../base/clock.ts";
import { realClock } from "../../base/real-clock.ts";
import { TRIAL_ENV } from "../../protocol/trial-socket.ts";
import { startGuardian } from "../guardian.ts";
import { NodeMachine } from "../machine.ts";
import { Runner } from "../runner.ts";
import { ServerClient } from "../server-client.ts";
import { openStateFolder, type StateFolder } from "../state-folder.ts";
import { REPO_ROOT, TestBench } from "../test-bench.ts";
import { Agent } from "./agent.ts";
import { Head, type HeadOptions } from "./head.ts";
import { linkKey } from "./link.ts";
import { findMeeting, publishMeeting } from "./meeting-point.ts";

export interface TestAgent {
  readonly agent: Agent;
  /** Resolves with what `run` returns. */
  readonly over: Promise<boolean>;
  readonly state: StateFolder;
}

export class TestNodes {
  readonly bench: TestBench;
  readonly nodes: number;
  readonly said: string[] = [];
  /** What agents have told of the engine. */
  readonly leaving: string[] = [];
  #head: Head | null = null;
  #runner: Runner | null = null;
  readonly #agents: TestAgent[] = [];

  private constructor(bench: TestBench, nodes: number) {
    this.bench = bench;
    this.nodes = nodes;
  }

  static async open(nodes = 2): Promise<TestNodes> {
    return new TestNodes(await TestBench.open(), nodes);
  }

  async startHead(more: Partial<HeadOptions> = {}): Promise<void> {
    const client = this.#client();
    const head = new Head({
      ...{ clock: realClock, nodes: this.nodes, address: "127.0.0.1" },
      ...{ key: linkKey(this.bench.server.token), say: (text) => this.said.push(text) },
      publish: (place) => publishMeeting(client, place),
      leaving: (reason) => {
        this.leaving.push(reason);
        // As the program does: it leaves, and then dismisses its agents.
        void this.#runner?.leave(2_000, reason).then(() => this.#head?.close());
      },
      ...more,
    });
    const { machine } = this.#machine(0, client, head);
    this.#head = head;
    this.#runner = new Runner({
      ...{ clock: realClock, client, machine, boot: "boot-1", say: (text) => this.said.push(text) },
    });
    await head.open();
    await this.#runner.start();
  }

  /** @param token of the runner; another one than the server's is a wrong one */
  startAgent(
    node: number,
    { token = this.bench.server.token, leaseMs }: { token?: string; leaseMs?: number } = {},
  ): TestAgent {
    const client = this.#client();
    const { machine, state } = this.#machine(node, client);
    const agent = new Agent({
      ...{ clock: realClock, client, machine, key: linkKey(token), node, name: `n${node + 1}` },
      ...(leaseMs === undefined ? {} : { leaseMs }),
      meeting: () => findMeeting(client),
      say: (text) => this.said.push(`n${node + 1}: ${text}`),
    });
    const started = { agent, state, over: agent.run() };
    this.#agents.push(started);
    return started;
  }

  /** As when the network between them is cut in earnest: both sides hear of it. */
  breakConnections(): void {
    for (const node of this.#head?.others ?? []) node.destroy();
  }

  /** Until so many others are with the head. */
  async untilThere(count: number): Promise<void> {
    while (this.#head?.others.length !== count) await sleep(realClock, 20);
  }

  async untilSaid(pattern: RegExp): Promise<void> {
    while (!this.said.some((text) => pattern.test(text))) await sleep(realClock, 20);
  }

  async close(): Promise<void> {
    await this.#runner?.stop();
    await this.#head?.close();
    await Promise.all(
      this.#agents.map(async ({ agent, over }) => {
        await agent.leave("the test ends", 0);
        await over;
      }),
    );
    await this.bench.close();
  }

  #client(): ServerClient {
    const { serverFile, tokenFile } = this.bench.server;
    return new ServerClient({ fetch, clock: realClock, runnerId: "local", serverFile, tokenFile });
  }

  #machine(node: number, client: ServerClient, head?: Head) {
    const state = openStateFolder(join(this.bench.folder, `n${node}`), REPO_ROOT);
    const guardian = startGuardian(`${TRIAL_ENV.mark}=${state.sockets}/`, realClock);
    const machine = new NodeMachine({
      ...{ clock: realClock, client, state, repoRoot: REPO_ROOT, containers: null, guardian, head },
      ...{ environment: process.env, nodeBinary: process.execPath, devices: "ours" },
      say: (text) => this.said.push(text),
    });
    return { machine, state };
  }
}
