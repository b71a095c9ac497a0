/**
 * What every engine with a scheduler of its own must do, tried on the real one: an engine's tests open a stand and hand it to
 * `jobEngineContract`. What jobs do here is told by what they print, since nodes need not share any folder with us.
 *
 * Nothing is measured in time. A wait that fails says what was seen last.
 */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import {
  EngineUnreachable,
  type JobEngine,
  type JobObservation,
  JobRefused,
  type JobRequest,
} from "./job-engine.ts";

/** The engine with faults at hand, its nodes all idle when the suite begins. */
export interface JobStand extends AsyncDisposable {
  /** At least 2. */
  readonly nodes: number;
  readonly slotsPerNode: number;
  /** One more object of the engine, as a server that starts again makes one. */
  engine(): JobEngine;
  /** Absolute, empty, there. @param name different for every job */
  folder(name: string): Promise<string>;
  /** From now on the engine answers nobody; its jobs run on. @returns what ends that */
  cutOff(): Promise<() => Promise<void>>;
  /** Takes the power from a node. @param node as an observation names it @returns what brings it back */
  loseNode(node: string): Promise<() => Promise<void>>;
  /** Has the engine take this running job's place for somebody more important. @returns what ends that one */
  preempt(owner: string, id: string): Promise<() => Promise<void>>;
  /** Starts a job that is none of ours. @returns what tells whether it runs, and what ends it */
  foreign(): Promise<{ runs(): Promise<boolean>; end(): Promise<void> }>;
}

export interface JobEngineContract {
  readonly engine: string;
  /** Why it cannot be tried here. */
  readonly skip: string | undefined;
  /** Why no node can lose its power here. */
  readonly powered?: string;
  open(): Promise<JobStand>;
}

/** A guard against hanging; an engine may take half a minute to notice that a node is gone. */
const LIMIT_MS = 180_000;
const LOOK_EVERY_MS = 250;
const OWNER = "contract";

/** Tells that it runs, and what it hears; ends only when told to. */
const LISTENER = `
trap 'echo "rank $CONTRAIL_NODE_RANK told"; exit 0' TERM
trap 'echo "rank $CONTRAIL_NODE_RANK asked"' USR1
echo "rank $CONTRAIL_NODE_RANK ready"
while :; do sleep 0.1; done`;
const DEAF = `trap 'echo told' TERM; echo ready; while :; do sleep 0.1; done`;

/** The first process of a container is out of its own reach; then it tells of a child what a shell tells. */
const KILLED = `kill -KILL $$; sh -c 'kill -KILL $$'; exit $?`;

export function jobEngineContract(contract: JobEngineContract): void {
  const title = `${contract.engine} as an engine`;
  describe(title, { skip: contract.skip ?? false }, () => {
    let stand: JobStand;
    let bench: Bench;
    before(async () => {
      stand = await contract.open();
      bench = new Bench(stand);
    });
    after(async () => {
      await bench?.close();
      await stand?.[Symbol.asyncDispose]();
    });

    test("what it has is said with its source", async () => {
      const { slots, slotsPerNode, nodes, kind, reason } = await bench.engine.capacity();
      assert.deepEqual([nodes, slotsPerNode], [stand.nodes, stand.slotsPerNode]);
      assert.equal(slots, stand.nodes * stand.slotsPerNode);
      assert.match(kind, /^[cg]pu$/);
      assert.match(reason, /\w+ \w+/);
    });

    test("the command runs on every node as it was given, and knows its place", async () => {
      const odd = ["a b", "it's", '"$HOME"', "`id`", "\\n", "*", "", "--x=1;y", "ü"];
      odd.push("$(CONTRAIL_NODES)", "a$$b", "100%s");
      const script =
        'printf "%s\\n" "rank=$CONTRAIL_NODE_RANK of=$CONTRAIL_NODES at=[$CONTRAIL_NODE_ADDRESS] odd=[$ODD]"; for word; do printf "%s\\n" "word=[$word]"; done';
      const job = await bench.request("1.1.1", ["/bin/sh", "-c", script, "sh", ...odd], {
        nodes: 2,
        environment: { ODD: odd.join("|") },
      });
      assert.deepEqual(await bench.engine.launch(job), { adopted: false });
      const { end } = await bench.ended(job);
      assert.deepEqual([end.cause, end.code, end.signal], ["exited", 0, null], end.text);
      const output = await bench.engine.output(job);
      for (const rank of [0, 1])
        assert.match(output, new RegExp(`rank=${rank} of=2 at=\\[[^\\]\\s]+\\] odd=\\[a b\\|it's`));
      assert.equal(count(output, "rank="), 2, output);
      for (const word of odd)
        assert.equal(count(output, `word=[${word}]`), 2, `${word}: ${output}`);
    });

    test("one id starts once: twice at a time, later, after a restart, after its end", async () => {
      const job = await bench.request("1.2.1", sh(LISTENER), {
        title: `odd "title" with 'quotes', $x`,
      });
      const answers = await Promise.all([bench.engine.launch(job), bench.engine.launch(job)]);
      assert.deepEqual(answers.map(({ adopted }) => adopted).sort(), [false, true]);
      await bench.prints(job, "rank 0 ready");
      assert.deepEqual(await bench.engine.launch(job), { adopted: true });
      await using restarted = bench.again();
      assert.deepEqual(await restarted.engine.launch(job), { adopted: true });
      assert.equal((await restarted.look(job))?.state, "running");
      await bench.engine.signal(OWNER, job.id, "SIGTERM");
      await bench.ended(job);
      await using late = bench.again();
      assert.deepEqual(await late.engine.launch(job), { adopted: true });
      assert.equal((await late.look(job))?.state, "ended");
      assert.equal(count(await bench.engine.output(job), "ready"), 1);
    });

    test("who has no room waits with a reason, and starts when there is room", async () => {
      const all = { nodes: stand.nodes, slotsPerNode: stand.slotsPerNode };
      const first = await bench.start("1.3.1", sh(LISTENER), all);
      const running = await bench.look(first);
      assert.ok(running?.state === "running");
      assert.equal(new Set(running.nodes).size, stand.nodes);
      const second = await bench.request("1.3.2", sh(LISTENER), all);
      const third = await bench.request("1.3.3", sh(LISTENER), all);
      await bench.engine.launch(second);
      await bench.engine.launch(third);
      const waits = await bench.until(second, "queued", ({ state }) => state === "queued");
      assert.ok(waits.state === "queued");
      assert.match(waits.why, /\w+ \w+/);
      await bench.engine.cancel(OWNER, third.id);
      const never = await bench.ended(third);
      assert.equal(never.end.cause, "cancelled", never.end.text);
      await bench.engine.cancel(OWNER, first.id);
      await bench.ended(first);
      await bench.until(second, "running", ({ state }) => state === "running");
      await bench.engine.cancel(OWNER, second.id);
      await bench.ended(second);
      assert.equal(await bench.engine.output(third), "");
    });

    test("signals reach the command on every node", async () => {
      const job = await bench.start("1.4.1", sh(LISTENER), { nodes: 2 });
      await bench.engine.signal(OWNER, job.id, "SIGUSR1");
      for (const rank of [0, 1]) await bench.prints(job, `rank ${rank} asked`);
      assert.equal((await bench.look(job))?.state, "running");
      await bench.engine.signal(OWNER, job.id, "SIGTERM");
      const { end } = await bench.ended(job);
      assert.deepEqual([end.cause, end.code], ["exited", 0], end.text);
      for (const rank of [0, 1]) await bench.prints(job, `rank ${rank} told`);
      await bench.engine.signal(OWNER, job.id, "SIGTERM");
      await bench.engine.signal(OWNER, "1.4.99", "SIGTERM");
    });

    test("who is cancelled is told on every node, and killed when deaf", async () => {
      const polite = await bench.start("1.5.1", sh(LISTENER), { nodes: 2 });
      await bench.engine.cancel(OWNER, polite.id);
      assert.equal((await bench.ended(polite)).end.cause, "cancelled");
      for (const rank of [0, 1]) await bench.prints(polite, `rank ${rank} told`);
      const deaf = await bench.start("1.5.2", sh(DEAF));
      await bench.engine.cancel(OWNER, deaf.id);
      assert.equal((await bench.ended(deaf)).end.cause, "cancelled");
      await bench.prints(deaf, "told");
      await bench.engine.cancel(OWNER, deaf.id);
      await bench.engine.cancel(OWNER, "1.5.99");
    });

    test("how a command ended is told, and one node's failure ends the others", async () => {
      const seven = await bench.request("1.6.1", sh("echo last words; exit 7"));
      await bench.engine.launch(seven);
      const { end } = await bench.ended(seven);
      assert.deepEqual([end.cause, end.code, end.signal], ["exited", 7, null], end.text);
      assert.match(end.text, /7/);
      assert.match(await bench.engine.output(seven), /last words/);
      const script = `[ "$CONTRAIL_NODE_RANK" = 1 ] && { sleep 5; exit 5; }\n${LISTENER}`;
      const gang = await bench.request("1.6.2", sh(script), { nodes: 2 });
      await bench.engine.launch(gang);
      const failed = await bench.ended(gang);
      assert.deepEqual([failed.end.cause, failed.end.code], ["exited", 5], failed.end.text);
      const killed = await bench.request("1.6.3", sh(KILLED));
      await bench.engine.launch(killed);
      const by = await bench.ended(killed);
      assert.equal(by.end.cause, "exited");
      assert.ok(by.end.signal === 9 || by.end.code === 137, by.end.text);
      const missing = await bench.request("1.6.4", ["/no/such/program"]);
      await bench.engine.launch(missing);
      const none = await bench.ended(missing);
      assert.notEqual(none.end.code, 0, none.end.text);
    });

    test("an engine that does not answer has lost nothing", async () => {
      const job = await bench.start("1.7.1", sh(LISTENER));
      // Over while nobody answers, or before where it took long until then.
      const short = await bench.request("1.7.2", sh("echo rank 0 ready; sleep 6; exit 4"));
      await bench.engine.launch(short);
      await bench.prints(short, "rank 0 ready");
      const other = await bench.request("1.7.3", sh(LISTENER));
      const heal = await stand.cutOff();
      try {
        await assert.rejects(bench.engine.list(OWNER), EngineUnreachable);
        await assert.rejects(bench.engine.launch(other), EngineUnreachable);
        await assert.rejects(bench.engine.cancel(OWNER, job.id), EngineUnreachable);
        await assert.rejects(bench.engine.signal(OWNER, job.id, "SIGTERM"), EngineUnreachable);
        await assert.rejects(bench.engine.capacity(), EngineUnreachable);
      } finally {
        await heal();
      }
      await bench.answers();
      const { end } = await bench.ended(short);
      assert.deepEqual([end.cause, end.code], ["exited", 4], end.text);
      assert.equal((await bench.look(job))?.state, "running");
      // Nobody knew whether it was taken: the next try starts it, or finds it.
      await bench.engine.launch(other);
      await bench.prints(other, "rank 0 ready");
      for (const { id } of [job, other]) await bench.engine.signal(OWNER, id, "SIGTERM");
      await bench.ended(job);
      await bench.ended(other);
      assert.equal(count(await bench.engine.output(other), "ready"), 1);
    });

    test("what can never run is refused, with the nearest that would", async () => {
      const wide = await bench.request("1.8.1", sh("exit"), { nodes: stand.nodes + 1 });
      await assert.rejects(bench.engine.launch(wide), (error) => {
        assert.ok(error instanceof JobRefused);
        assert.match(error.message, new RegExp(`${stand.nodes + 1}`));
        return new RegExp(`\\b${stand.nodes}\\b`).test(error.nearest ?? "");
      });
      const large = { slotsPerNode: stand.slotsPerNode + 1 };
      const fat = await bench.request("1.8.2", sh("exit"), large);
      await assert.rejects(bench.engine.launch(fat), (error) => {
        assert.ok(error instanceof JobRefused);
        return new RegExp(`\\b${stand.slotsPerNode}\\b`).test(error.nearest ?? "");
      });
      const extra = { extra: { no_such_word: 1 } };
      const strange = await bench.request("1.8.3", sh("exit"), extra);
      await assert.rejects(
        bench.engine.launch(strange),
        (error) => error instanceof JobRefused && /no_such_word/.test(error.message),
      );
      const known = await bench.engine.list(OWNER);
      assert.deepEqual(
        [...known.keys()].filter((id) => id.startsWith("1.8.")),
        [],
      );
    });

    test("jobs of others are not seen, and not touched", async () => {
      const foreign = await stand.foreign();
      try {
        const ours = await bench.start("1.9.1", sh(LISTENER));
        const theirs = await bench.start("1.9.1", sh(LISTENER), { owner: "neighbour" });
        for (const id of (await bench.engine.list(OWNER)).keys()) assert.match(id, /^1\.\d+\.\d+$/);
        await bench.engine.cancel(OWNER, ours.id);
        await bench.ended(ours);
        assert.equal((await bench.look(theirs))?.state, "running");
        await bench.engine.cancel("neighbour", theirs.id);
        await bench.ended(theirs);
        assert.ok(await foreign.runs());
      } finally {
        await foreign.end();
      }
    });

    test("who makes room for somebody more important is told, and it is no failure", async () => {
      const job = await bench.start("1.10.1", sh(LISTENER), { nodes: 2 });
      const end = await stand.preempt(OWNER, job.id);
      try {
        const over = await bench.ended(job);
        assert.equal(over.end.cause, "preempted", over.end.text);
        for (const rank of [0, 1]) await bench.prints(job, `rank ${rank} told`);
      } finally {
        await end();
      }
    });

    const powered = { skip: contract.powered ?? false };
    test("a node that is lost ends its job, and the others' hear of it", powered, async () => {
      const job = await bench.start("1.11.1", sh(LISTENER), { nodes: 2 });
      const running = await bench.look(job);
      assert.ok(running?.state === "running");
      const lost = running.nodes[1] as string;
      const bringBack = await stand.loseNode(lost);
      try {
        const { end } = await bench.ended(job);
        assert.equal(end.cause, "node_lost", end.text);
      } finally {
        await bringBack();
      }
    });
  });
}

const sh = (script: string): string[] => ["/bin/sh", "-c", script];

const count = (text: string, word: string): number => text.split(word).length - 1;

/** Jobs of the suite on one engine, and what becomes of them. */
class Bench implements AsyncDisposable {
  readonly engine: JobEngine;
  readonly #stand: JobStand;
  readonly #launched: Pick<JobRequest, "id" | "owner">[] = [];

  constructor(stand: JobStand) {
    this.#stand = stand;
    this.engine = stand.engine();
  }

  again(): Bench {
    return new Bench(this.#stand);
  }

  async request(
    id: string,
    command: readonly string[],
    more: Partial<JobRequest> = {},
  ): Promise<JobRequest> {
    const owner = more.owner ?? OWNER;
    this.#launched.push({ id, owner });
    return {
      ...{ id, owner, command, title: `contract ${id}`, nodes: 1, slotsPerNode: 1 },
      ...{ environment: {}, files: [], extra: {} },
      folder: await this.#stand.folder(`${owner}-${id}`),
      ...more,
    };
  }

  /** Launches it, and waits until it has printed that it is ready on every node. */
  async start(
    id: string,
    command: readonly string[],
    more: Partial<JobRequest> = {},
  ): Promise<JobRequest> {
    const job = await this.request(id, command, more);
    assert.deepEqual(await this.engine.launch(job), { adopted: false });
    const pattern = command.includes(DEAF) ? "ready" : "rank 0 ready";
    await this.prints(job, pattern);
    for (let rank = 1; rank < job.nodes; rank++) await this.prints(job, `rank ${rank} ready`);
    await this.until(job, "running", ({ state }) => state === "running");
    return job;
  }

  async look({ owner, id }: JobRequest): Promise<JobObservation | undefined> {
    return (await this.engine.list(owner)).get(id);
  }

  /** @throws when the engine has forgotten it */
  async until(
    job: JobRequest,
    what: string,
    holds: (seen: JobObservation) => boolean,
  ): Promise<JobObservation> {
    return await wait(`${job.id} is ${what}`, async () => {
      const seen = await this.look(job);
      assert.ok(seen, `${job.id} is not known any more`);
      return { done: holds(seen), seen };
    });
  }

  async ended(job: JobRequest): Promise<JobObservation & { state: "ended" }> {
    const seen = await this.until(job, "ended", ({ state }) => state === "ended");
    assert.ok(seen.state === "ended");
    return seen;
  }

  async prints(job: JobRequest, text: string): Promise<void> {
    await wait(`${job.id} prints "${text}"`, async () => {
      const seen = await this.engine.output(job);
      return { done: seen.includes(text), seen };
    });
  }

  /** Until the engine answers again. */
  async answers(): Promise<void> {
    await wait("the engine answers", async () => {
      try {
        return { done: (await this.engine.list(OWNER)) !== undefined, seen: undefined };
      } catch (error) {
        if (!(error instanceof EngineUnreachable)) throw error;
        return { done: false, seen: error.message };
      }
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.engine.close();
  }

  /** Ends what a test that failed has left behind. */
  async close(): Promise<void> {
    for (const { owner, id } of this.#launched) {
      const seen = (await this.engine.list(owner)).get(id);
      if (seen !== undefined && seen.state !== "ended") await this.engine.cancel(owner, id);
    }
    await this.engine.close();
  }
}

async function wait<T>(what: string, look: () => Promise<{ done: boolean; seen: T }>): Promise<T> {
  const limitMs = performance.now() + LIMIT_MS;
  for (;;) {
    const { done, seen } = await look();
    if (done) return seen;
    const last = typeof seen === "string" ? seen : JSON.stringify(seen);
    assert.ok(performance.now() < limitMs, `${what}: not within ${LIMIT_MS} ms. Last: ${last}`);
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
  }
}
