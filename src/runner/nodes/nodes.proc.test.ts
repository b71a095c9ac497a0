/** Ranks on several nodes: what is told of them is what is told of ranks on one, and a node that goes takes nothing with it. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { afterEach, beforeEach, test } from "node:test";
import { realClock } from "../../base/real-clock.ts";
import type { Meeting } from "../../protocol/node-wire.ts";
import { TRIAL_ENV } from "../../protocol/trial-socket.ts";
import { findProcesses } from "../process-scan.ts";
import type { StateFolder } from "../state-folder.ts";
import { sh } from "../test-bench.ts";
import { TestNodes } from "./test-nodes.ts";

let nodes: TestNodes;
beforeEach(async () => {
  nodes = await TestNodes.open();
});
afterEach(() => nodes.close());

const THREE = { slots: ["a", "b", "c"], ranks: 3 };
const FOUR = { slots: ["cpu:0", "cpu:1", "cpu:2", "cpu:3"], ranks: 4 };

test("every rank finds its place, and everything that it prints is told with its number", async () => {
  const { server } = nodes.bench;
  await nodes.startHead();
  nodes.startAgent(1);
  const variables =
    "$RANK $WORLD_SIZE $LOCAL_RANK $LOCAL_WORLD_SIZE $GROUP_RANK $GROUP_WORLD_SIZE $CONTRAIL_RANK $MASTER_ADDR $GLOO_SOCKET_IFNAME";
  const code = server.tree({ "hello.txt": "hello\n" });
  server.launch("1.1.1", sh(`echo ${variables}; echo $MASTER_PORT >&2; cat hello.txt`), {
    ...{ ...FOUR, code },
  });
  const exit = await server.untilExit("1.1.1");
  assert.deepEqual([exit.kind, exit.detail], ["processes", ""]);
  assert.deepEqual(
    exit.processes.map(({ rank, code }) => [rank, code]).sort(),
    [0, 1, 2, 3].map((rank) => [rank, 0]),
  );
  await server.until("the logs", () => server.logs("1.1.1").length === exit.logLines);
  const ports = new Set<string>();
  for (const rank of [0, 1, 2, 3]) {
    const node = rank < 2 ? 0 : 1;
    assert.equal(
      server.output("1.1.1", "stdout", rank).toString(),
      `${rank} 4 ${rank % 2} 2 ${node} 2 ${rank} 127.0.0.1 lo\nhello\n`,
    );
    ports.add(server.output("1.1.1", "stderr", rank).toString());
  }
  assert.equal(ports.size, 1);
});

/** Speaks the trial's protocol by hand: asks at turn 1 and 2 what all do, rank 3 only once a pause was ordered. */
const ASKS = `
const { createConnection } = require("node:net");
const { readFileSync } = require("node:fs");
const rank = Number(process.env.CONTRAIL_RANK);
const socket = createConnection(process.env.CONTRAIL_SOCKET);
const say = (message) => socket.write(JSON.stringify(message) + "\\n");
const ask = (turn) => say({ type: "agree", turn });
say({ type: "hello", rank, sdk: "test" });
let held = "";
socket.on("data", (chunk) => {
  const lines = (held + chunk).split("\\n");
  held = lines.pop();
  for (const line of lines) {
    const message = JSON.parse(line);
    if (message.type === "welcome") {
      const { restore, checkpointDir, size } = message;
      console.log(size, readFileSync(restore.path + "/weight", "utf8"), restore.path, checkpointDir);
      if (rank === 0) say({ type: "report", step: 1, metrics: { loss: 0.5 } });
      if (rank !== 3) ask(1);
    }
    if (message.type === "orders" && message.yield === "pause") ask(rank === 3 ? 1 : 2);
    if (message.type === "agreed") console.log("turn", message.turn, message.yield);
    if (message.type === "agreed" && message.turn === 1 && rank === 3) ask(2);
    if (message.type === "agreed" && message.turn === 2) {
      say({ type: "bye" });
      socket.end();
    }
  }
});
`;

test("ranks of all nodes agree on one turn, and go on from the same checkpoint, each in its own place", async () => {
  const { server } = nodes.bench;
  await nodes.startHead();
  nodes.startAgent(1);
  const tree = server.tree({ weight: "0.25" });
  server.launch("1.1.1", [process.execPath, "-e", ASKS], {
    ...FOUR,
    restore: { step: 7, tree },
    yieldGraceMs: 20_000,
  });
  await server.until(
    "three have asked, and the fourth hears what is pushed",
    () =>
      server.logs("1.1.1").some(({ rank }) => rank === 3) &&
      server.logs("1.1.1").filter(({ bytes }) => fromBase64(bytes) === "turn 1 null").length === 3,
  );
  server.order("1.1.1", { yield: "pause", reason: "somebody else" });
  const exit = await server.untilExit("1.1.1");
  assert.deepEqual([exit.kind, exit.yielded, exit.signalsSent], ["processes", true, []]);
  assert.deepEqual(server.types("1.1.1"), ["started", "report", "exited"]);
  await server.until("the logs", () => server.logs("1.1.1").length === exit.logLines);
  for (const rank of [0, 1, 2, 3]) {
    const [welcome, ...turns] = server.output("1.1.1", "stdout", rank).toString().split("\n");
    const folder = `${nodes.bench.folder}/n${rank < 2 ? 0 : 1}/allocations/1.1.1`;
    assert.equal(welcome, `4 0.25 ${folder}/restore ${folder}/checkpoints`);
    assert.deepEqual(turns, ["turn 1 null", "turn 2 pause", ""]);
  }
});

const fromBase64 = (bytes: string): string => Buffer.from(bytes, "base64").toString();

test("a rank that is killed on another node ends all, and is named; what it left behind ends too", async () => {
  const { server } = nodes.bench;
  await nodes.startHead();
  const { state } = nodes.startAgent(1);
  const script =
    '[ "$RANK" = 3 ] && { setsid sleep 1000 & echo about to die; kill -KILL $$; }; while :; do sleep 0.05; done';
  server.launch("1.1.1", sh(script), { ...FOUR, killGraceMs: 300 });
  const exit = await server.untilExit("1.1.1");
  assert.deepEqual(exit.processes[0], { rank: 3, code: null, signal: "SIGKILL" });
  assert.equal(exit.processes.length, 4);
  assert.deepEqual([exit.kind, exit.broken, exit.outOfMemory], ["processes", true, null]);
  assert.match(exit.detail, /rank 3 ended first/);
  assert.match(exit.detail, /1 process outlived/);
  await server.until("the logs", () => server.logs("1.1.1").length === exit.logLines);
  assert.equal(server.output("1.1.1", "stdout", 3).toString(), "about to die\n");
  assert.deepEqual(await findRanks(state), []);
});

test("much output of another node comes whole, byte for byte", async () => {
  const { server } = nodes.bench;
  await nodes.startHead();
  nodes.startAgent(1);
  server.launch("1.1.1", sh('if [ "$RANK" = 1 ]; then seq 1 60000; fi'), {
    slots: ["a", "b"],
    ranks: 2,
  });
  const exit = await server.untilExit("1.1.1");
  await server.until("the logs", () => server.logs("1.1.1").length === exit.logLines);
  const lines = Array.from({ length: 60_000 }, (_, i) => `${i + 1}\n`).join("");
  assert.ok(server.output("1.1.1", "stdout", 1).equals(Buffer.from(lines)));
});

test("a connection that breaks is a lost node: all ranks end on both sides, and nothing failed", async () => {
  const { server } = nodes.bench;
  await nodes.startHead();
  const { over, state } = nodes.startAgent(1);
  server.launch("1.1.1", sh("echo ready; trap '' TERM; while :; do sleep 0.05; done"), {
    ...{ ...FOUR, killGraceMs: 200 },
  });
  await server.until("all are ready", () => server.logs("1.1.1").length === 4);
  nodes.breakConnections();
  const exit = await server.untilExit("1.1.1");
  assert.equal(exit.kind, "runner_lost");
  assert.match(exit.detail, /^node n2 was lost: /);
  assert.deepEqual(exit.processes.map(({ rank }) => rank).sort(), [0, 1]);
  assert.equal(await over, false);
  assert.deepEqual(await findRanks(state), []);
});

test("nodes that no longer hear each other end their own ranks after the lease, each by itself", async () => {
  const { server } = nodes.bench;
  await using relay = await Relay.open();
  const leaseMs = 1_200;
  await nodes.startHead({
    leaseMs,
    publish: async (place) => {
      server.meeting = relay.to(place);
    },
  });
  const { over, state } = nodes.startAgent(1, { leaseMs });
  server.launch("1.1.1", sh("echo ready; trap '' TERM; while :; do sleep 0.05; done"), {
    ...{ ...FOUR, killGraceMs: 200 },
  });
  await server.until("all are ready", () => server.logs("1.1.1").length === 4);
  assert.ok((await findRanks(state)).length >= 2);
  relay.cut();
  const exit = await server.untilExit("1.1.1");
  assert.equal(exit.kind, "runner_lost");
  assert.match(exit.detail, /^node n2 was lost: nothing was heard for 1.2 s/);
  assert.equal(await over, false);
  await nodes.untilSaid(/^n2: the head was lost: nothing was heard for 1.2 s/);
  assert.deepEqual(await findRanks(state), []);
});

test("a node that gives itself up because its network takes no more connections fails nobody", async () => {
  const { server } = nodes.bench;
  await using relay = await Relay.open();
  await nodes.startHead({
    publish: async (place) => {
      server.meeting = relay.to(place);
    },
  });
  const { over, state } = nodes.startAgent(1);
  const go = `${nodes.bench.folder}/go`;
  const connects = `'${process.execPath}' -e 'require("net").connect(process.env.CONTRAIL_SOCKET)'`;
  const third = `while [ ! -e '${go}' ]; do sleep 0.05; done; ${connects}`;
  const script = `echo ready; [ "$RANK" = 3 ] && { ${third}; }; while :; do sleep 0.05; done`;
  server.launch("1.1.1", sh(script), { ...FOUR, killGraceMs: 200 });
  await server.until("all are ready", () => server.logs("1.1.1").length === 4);
  relay.refuse();
  writeFileSync(go, "");
  await nodes.untilSaid(/^n2: a rank cannot be heard: /);
  assert.equal(await over, false);
  const exit = await server.untilExit("1.1.1");
  assert.equal(exit.kind, "runner_lost");
  assert.match(exit.detail, /^node n2 was lost: /);
  assert.deepEqual(exit.processes.map(({ rank }) => rank).sort(), [0, 1]);
  assert.deepEqual(await findRanks(state), []);
});

test("output that cannot be carried is a lost node, no rank that could not be started", async () => {
  const { server } = nodes.bench;
  await using relay = await Relay.open();
  await nodes.startHead({
    publish: async (place) => {
      server.meeting = relay.to(place);
    },
  });
  relay.takeOne();
  const { over } = nodes.startAgent(1);
  server.launch("1.1.1", sh("while :; do sleep 0.05; done"), { ...FOUR, killGraceMs: 200 });
  const exit = await server.untilExit("1.1.1");
  assert.equal(exit.kind, "runner_lost");
  assert.match(exit.detail, /^node n2 was lost: /);
  await nodes.untilSaid(/^n2: the output of rank 2 cannot be carried: .*ECONNREFUSED/);
  assert.equal(await over, false);
});

/** A network between two nodes, which can be cut so that neither side is told. */
class Relay implements AsyncDisposable {
  readonly #server: Server;
  readonly #sockets: Socket[] = [];
  #place: Meeting | null = null;

  private constructor() {
    this.#server = createServer((near) => {
      const far = connect(this.#place?.port ?? 0, this.#place?.address);
      this.#sockets.push(near, far);
      for (const [one, other] of [
        [near, far],
        [far, near],
      ] as const) {
        one.on("error", () => other.destroy());
        one.pipe(other);
      }
    });
  }

  static async open(): Promise<Relay> {
    const relay = new Relay();
    relay.#server.listen(0, "127.0.0.1");
    await once(relay.#server, "listening");
    return relay;
  }

  to(place: Meeting): Meeting {
    this.#place = place;
    return { address: "127.0.0.1", port: (this.#server.address() as AddressInfo).port };
  }

  /** Those that there are go on. */
  refuse(): void {
    this.#server.close();
  }

  /** The control connection is the first. */
  takeOne(): void {
    this.#server.once("connection", () => this.refuse());
  }

  /** As `cut`, and both sides are told. */
  break(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  cut(): void {
    for (const socket of this.#sockets) socket.unpipe().pause();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
  }
}

test("an agent with another key never joins, and one that is slow is waited for", async () => {
  const { server } = nodes.bench;
  await nodes.startHead();
  const stranger = nodes.startAgent(1, { token: "cr_another" });
  server.launch("1.1.1", sh("echo $RANK"), FOUR);
  await nodes.untilSaid(/^n2: the head cannot be reached yet: .*bad record mac/i);
  assert.deepEqual(server.types("1.1.1"), []);
  await stranger.agent.leave("it gives up", 0);
  assert.equal(await stranger.over, false);
  nodes.startAgent(1);
  assert.equal((await server.untilExit("1.1.1")).kind, "processes");
});

test("nodes that do not come give back what there is, uncharged", async () => {
  const { server } = nodes.bench;
  await nodes.startHead({ arrivalMs: 300 });
  server.launch("1.1.1", sh("echo $RANK"), FOUR);
  const exit = await server.untilExit("1.1.1");
  assert.deepEqual([exit.kind, exit.processes], ["runner_lost", []]);
  assert.equal(exit.detail, "node 2 of 2 did not come within 0.3 s");
});

test("a node that is lost before all have come is awaited again, and joins again", {
  timeout: 60_000,
}, async (t) => {
  const three = await TestNodes.open(3);
  t.after(() => three.close());
  const { server } = three.bench;
  await using relay = await Relay.open();
  await three.startHead({
    publish: async (place) => {
      server.meeting = relay.to(place);
    },
  });
  three.startAgent(1);
  server.launch("1.1.1", sh("echo $RANK"), THREE);
  await three.untilThere(1);
  relay.break();
  await three.untilSaid(/^node n2 was lost: /);
  three.startAgent(2);
  const exit = await server.untilExit("1.1.1");
  assert.deepEqual([exit.kind, exit.detail, exit.processes.length], ["processes", "", 3]);
});

test("nodes that do not come in time are named, and so is why one that had come is among them", async (t) => {
  const three = await TestNodes.open(3);
  t.after(() => three.close());
  const { server } = three.bench;
  await using relay = await Relay.open();
  let skewMs = 0;
  await three.startHead({
    clock: { ...realClock, monotonicMs: () => realClock.monotonicMs() + skewMs },
    publish: async (place) => {
      server.meeting = relay.to(place);
    },
  });
  three.startAgent(1);
  server.launch("1.1.1", sh("echo $RANK"), THREE);
  await three.untilThere(1);
  skewMs = 3_600_000;
  relay.break();
  const exit = await server.untilExit("1.1.1");
  assert.equal(exit.kind, "runner_lost");
  assert.match(exit.detail, /^node 2, 3 of 3 did not come within 600 s; node n2 was lost: /);
});

test("a node that the engine takes away takes all along, when they have saved", async () => {
  const { server } = nodes.bench;
  await nodes.startHead();
  const { agent, over } = nodes.startAgent(1);
  server.launch(
    "1.1.1",
    sh("trap 'echo saved; exit 0' TERM; echo ready; while :; do sleep 0.05; done"),
    {
      ...{ ...FOUR, yieldGraceMs: 100 },
    },
  );
  await server.until("all are ready", () => server.logs("1.1.1").length === 4);
  await agent.leave("SIGTERM", 10_000);
  const exit = await server.untilExit("1.1.1");
  assert.equal(exit.kind, "runner_lost");
  assert.match(exit.detail, /SIGTERM \(n2\)/);
  for (const rank of [0, 1, 2, 3])
    assert.equal(server.output("1.1.1", "stdout", rank).toString(), "ready\nsaved\n");
  assert.equal(await over, true);
});

test("a reason of any length is told, and no end of the node", async () => {
  const { server } = nodes.bench;
  await nodes.startHead();
  const { agent, over } = nodes.startAgent(1);
  server.launch("1.1.1", sh("trap 'exit 0' TERM; echo ready; while :; do sleep 0.05; done"), {
    ...{ ...FOUR, yieldGraceMs: 100 },
  });
  await server.until("all are ready", () => server.logs("1.1.1").length === 4);
  await agent.leave("x".repeat(20_000), 10_000);
  assert.match(
    (await server.untilExit("1.1.1")).detail,
    /^the runner was told to stop and ended its trials; x{3000}/,
  );
  assert.equal(await over, true);
});

/** Processes of ranks on a node. */
const findRanks = (state: StateFolder): Promise<number[]> =>
  findProcesses({ groups: [], marker: `${TRIAL_ENV.mark}=${state.socket("1.1.1")}` });
