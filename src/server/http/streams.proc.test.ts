/** Server-sent events: from the first state to the end, over cuts, and beside readers that do not read (row F11). */
import assert from "node:assert/strict";
import { connect, type Socket } from "node:net";
import { describe, test } from "node:test";
import { setTimeout } from "node:timers/promises";
import type { Experiment, LogEntry, Rung, StreamEvent, Trial } from "../../protocol/api.ts";
import { parseEvents, type ServerSentEvent } from "../../sdk/sse.ts";
import { RANDOM_CONFIG, type TestServer, testServer } from "./test-server.ts";

async function submit(server: TestServer): Promise<[first: string, second: string]> {
  const { experiment } = await server.client.createExperiment({
    config: RANDOM_CONFIG,
    code: null,
  });
  assert.ok(experiment);
  return [`${experiment.id}.1.1`, `${experiment.id}.2.1`];
}

/** Everything that one connection says, until `enough` or its end. */
async function listen(
  server: TestServer,
  path: string,
  options: { lastEventId?: string; enough?: (event: ServerSentEvent) => boolean } = {},
): Promise<ServerSentEvent[]> {
  const abort = new AbortController();
  const response = await fetch(`${server.url}/api/v1${path}`, {
    headers: {
      authorization: `Bearer ${server.token}`,
      ...(options.lastEventId === undefined ? {} : { "last-event-id": options.lastEventId }),
    },
    signal: abort.signal,
  });
  assert.equal(response.headers.get("content-type"), "text/event-stream; charset=utf-8");
  assert.ok(response.body);
  const events: ServerSentEvent[] = [];
  for await (const event of parseEvents(response.body)) {
    events.push(event);
    if (options.enough?.(event)) break;
  }
  abort.abort();
  return events;
}

/** Asks for a stream and then does not read it. */
function stuckReader(server: TestServer, path: string): Promise<Socket> {
  const { hostname, port } = new URL(server.url);
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname, () => {
      socket.write(
        `GET /api/v1${path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${server.token}\r\n\r\n`,
      );
      // The head of the answer, and nothing after it.
      socket.once("data", () => {
        socket.pause();
        resolve(socket);
      });
    });
    socket.once("error", reject);
  });
}

describe("the stream of an experiment", () => {
  test("begins with everything, goes on with what changes, and ends with the end", async () => {
    await using server = await testServer();
    const [first, second] = await submit(server);
    const events: StreamEvent[] = [];
    let seenAll = (): void => undefined;
    const initial = new Promise<void>((resolve) => {
      seenAll = resolve;
    });
    const following = (async () => {
      for await (const event of server.client.experimentStream(1)) {
        events.push(event);
        if (event.event === "experiment") seenAll();
      }
    })();
    await initial;
    const kinds = events.map(({ event }) => event);
    assert.deepEqual(kinds, ["trials", "rungs", "experiment"]);
    const [trials, , experiment] = events.map(({ data }) => data) as [Trial[], Rung[], Experiment];
    assert.deepEqual(
      trials.map(({ id, state }) => [id, state]),
      [
        ["1.1", "starting"],
        ["1.2", "starting"],
      ],
    );
    const [listed] = (await server.client.experiments()).items;
    assert.deepEqual(experiment, { ...listed, spent: experiment.spent });
    for (const id of [first, second]) {
      await server.runner.started(id);
      await server.runner.report(id, 4, { loss: id === first ? 0.5 : 0.25 });
      await server.runner.tell(id, { type: "waiting", step: 4 });
      await server.runner.exited(id, 0, { yielded: true });
    }
    await following;
    const last = events.at(-1);
    assert.ok(last?.event === "end" && last.data.state === "completed");
    const latest = new Map(
      events.flatMap((e) => (e.event === "trials" ? e.data.map((t) => [t.id, t] as const) : [])),
    );
    for (const trial of (await server.client.experimentTrials(1)).items)
      assert.deepEqual(latest.get(trial.id), trial, "what was heard last is what is so");
    const rungs = events.filter((e) => e.event === "rungs").at(-1);
    assert.deepEqual(rungs?.data, await server.client.rungs(1));
    assert.deepEqual(last.data.best, { trial: "1.2", step: 4, objective: 0.25 });
  });

  test("tells rungs only where the search has heard something, and gathers them for a second", async () => {
    await using server = await testServer({ slots: 4, monotonicStands: true });
    const config = RANDOM_CONFIG.replace("max_trials: 2", "max_trials: 4");
    await server.client.createExperiment({ config, code: null });
    /** How many results each of them had. */
    const told: number[] = [];
    const steps = new Map<string, number>();
    let seen = Promise.withResolvers<void>();
    const listening = listen(server, "/experiments/1/stream", {
      enough: ({ event, data }) => {
        if (event === "trials")
          for (const { id, step } of JSON.parse(data) as Trial[]) steps.set(id, step);
        if (event === "rungs") {
          const [rung] = JSON.parse(data) as Rung[];
          told.push(rung?.entries.length ?? 0);
        }
        if (event === "experiment") {
          seen.resolve();
          seen = Promise.withResolvers();
        }
        return event === "experiment" && told.at(-1) === 3;
      },
    });
    // What the test finds is its failure, not that its connection ended with it.
    listening.catch(() => undefined);
    await seen.promise;
    await server.runner.started("1.1.1");
    const report = async (
      trial: string,
      step: number,
      metrics: Record<string, number>,
    ): Promise<void> => {
      await server.runner.report(`${trial}.1`, step, metrics);
      while (steps.get(trial) !== step) await seen.promise;
    };
    server.clock.advance(1000);
    for (const step of [1, 2, 3]) await report("1.1", step, { speed: 1 });
    assert.deepEqual(told, [0], "the first ones: no report has told the search anything");
    await report("1.1", 4, { loss: 0.5 });
    while (told.length < 2) await seen.promise;
    for (const trial of ["1.2", "1.3"]) {
      await server.runner.started(`${trial}.1`);
      await report(trial, 4, { loss: 0.5 });
      server.clock.advance(499);
    }
    assert.deepEqual(told, [0, 1], "the others come with the second, not with their results");
    server.clock.advance(2);
    // They come though nothing happens any more.
    await listening;
    assert.deepEqual(told, [0, 1, 3]);
  });

  test("tells of a trial that waits why, also when that changes by what others do", async () => {
    await using server = await testServer({ slots: 1 });
    const config = RANDOM_CONFIG.replace("max_trials: 2", "max_trials: 4");
    await server.client.createExperiment({ config, code: null });
    const reasons = new Map<string, string>();
    let isFirstSeen = (): void => undefined;
    const firstSeen = new Promise<void>((resolve) => {
      isFirstSeen = resolve;
    });
    const listening = listen(server, "/experiments/1/stream", {
      enough: ({ event, data }) => {
        if (event === "trials")
          for (const { id, reason } of JSON.parse(data) as Trial[]) reasons.set(id, reason);
        if (event === "experiment") isFirstSeen();
        return (
          reasons.get("1.3") === "needs 1 slot; 0 of 1 are free" &&
          reasons.get("1.4") === "behind 1.3, which needs 1 slot"
        );
      },
    });
    await firstSeen;
    assert.equal(reasons.get("1.4"), "behind 1.2, which needs 1 slot");
    await server.runner.started("1.1.1");
    await server.runner.report("1.1.1", 4, { loss: 1 });
    await server.runner.tell("1.1.1", { type: "waiting", step: 4 });
    await server.runner.exited("1.1.1", 0, { yielded: true });
    await listening;
  });

  test("tells nothing while trials wait and only time passes", async () => {
    await using server = await testServer({ slots: 1, clockStands: true });
    const config = RANDOM_CONFIG.replace("max_restarts: 0", "max_restarts: 1");
    await server.client.createExperiment({ config, code: null });
    await server.runner.started("1.1.1");
    await server.runner.exited("1.1.1", 1);
    const waits = async (): Promise<string> => (await server.client.trial("1.1")).reason;
    assert.match(await waits(), /^waits 0\.3 s before the next attempt/);
    const [first, begun] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const events: string[] = [];
    const listening = listen(server, "/experiments/1/stream", {
      enough: ({ event, data }) => {
        const name = event === "experiment" ? (JSON.parse(data) as Experiment).name : "";
        events.push(`${event} ${name}`.trim());
        if (event === "experiment") first.resolve();
        if (name === "before") begun.resolve();
        return name === "after";
      },
    });
    // A stream that begins beside the change may tell it twice.
    await first.promise;
    await server.client.updateExperiment(1, { name: "before" });
    await begun.promise;
    server.clock.advance(200);
    assert.match(await waits(), /^waits 0\.1 s before the next attempt/);
    // Two looks at those that wait.
    await setTimeout(2500);
    await server.client.updateExperiment(1, { name: "after" });
    await listening;
    const since = events.slice(events.indexOf("experiment before") + 1);
    assert.deepEqual(since, ["experiment after"]);
  });

  test("of one that is over gives the last state and ends at once; of none it is refused", async () => {
    await using server = await testServer();
    await submit(server);
    await server.client.changeExperiment(1, "kill");
    for (const id of ["1.1.1", "1.2.1"])
      await server.runner.exited(id, 0, { signalsSent: ["SIGTERM"] });
    const events = await listen(server, "/experiments/1/stream");
    assert.deepEqual(
      events.map(({ event }) => event),
      ["trials", "rungs", "experiment", "end"],
    );
    assert.equal((await server.call("GET", "/api/v1/experiments/2/stream")).status, 404);
  });

  test("of all of them tells what becomes of one that is over, too", async () => {
    await using server = await testServer();
    await submit(server);
    await server.client.changeExperiment(1, "kill");
    for (const id of ["1.1.1", "1.2.1"])
      await server.runner.exited(id, 0, { signalsSent: ["SIGTERM"] });
    const seen: string[] = [];
    const next = [
      () => server.client.updateExperiment(1, { name: "renamed" }),
      () => server.client.actOnExperiments("archive", [1]),
    ];
    await listen(server, "/experiments/stream", {
      enough: ({ data }) => {
        for (const { id, name, archived_at: at } of JSON.parse(data) as Experiment[])
          seen.push(`${id} ${name} ${at === null ? "current" : "archived"}`);
        const act = next.shift();
        if (act) void act();
        return next.length === 0 && seen.length >= 2;
      },
    });
    assert.deepEqual(seen, ["1 renamed current", "1 renamed archived"]);
  });

  test("ends when the server stops, without claiming an end", async () => {
    const server = await testServer();
    await submit(server);
    const begun = Promise.withResolvers<void>();
    const listening = listen(server, "/experiments/1/stream", {
      enough: () => {
        begun.resolve();
        return false;
      },
    }).then(
      (events) => events.map(({ event }) => event),
      // A connection that is cut in the middle is as good an ending.
      (error: Error) => [error.message],
    );
    await begun.promise;
    await server.stop();
    assert.ok(!(await listening).includes("end"));
  });
});

describe("the stream of logs", () => {
  const LINES = 3_000;
  const textsOf = (events: readonly ServerSentEvent[]): string[] =>
    events
      .filter(({ event }) => event === "log")
      .flatMap(({ data }) => (JSON.parse(data) as LogEntry[]).map(({ text }) => text));
  const expected = Array.from({ length: LINES }, (_, i) => `line ${i}`);

  async function printAll(server: TestServer, id: string): Promise<void> {
    for (let i = 0; i < LINES; i += 250)
      await server.runner.print(id, ...expected.slice(i, i + 250));
  }

  test("goes on after Last-Event-ID without a gap or a repetition, however often it is cut", async () => {
    await using server = await testServer();
    const [id] = await submit(server);
    await server.runner.started(id);
    const printing = printAll(server, id).then(() => server.runner.exited(id, 0));
    const heard: string[] = [];
    let lastEventId: string | undefined;
    for (let cuts = 0; ; cuts++) {
      assert.ok(cuts < 1000);
      const events = await listen(server, "/trials/1.1/logs/stream", {
        ...(lastEventId === undefined ? {} : { lastEventId }),
        enough: () => true,
      });
      heard.push(...textsOf(events));
      lastEventId = events.at(-1)?.id || lastEventId;
      if (events.at(-1)?.event === "end") break;
    }
    await printing;
    assert.deepEqual(heard, expected);
    for (const bad of ["x", "1", "1-2-3", "99999999999-1"]) {
      const answer = await server.call("GET", "/api/v1/trials/1.1/logs/stream", {
        headers: { "last-event-id": bad },
      });
      assert.equal(answer.status, 400, bad);
    }
    const tail = await listen(server, "/trials/1.1/logs/stream?tail=3");
    assert.deepEqual(textsOf(tail), expected.slice(-3));
    const some = await listen(server, "/trials/1.1/logs/stream?contains=99&stream=stdout&rank=0");
    assert.deepEqual(
      textsOf(some),
      expected.filter((line) => line.includes("99")),
    );
  });

  test("is not held up by readers that do not read, who miss nothing when they do", async () => {
    await using server = await testServer();
    const [id] = await submit(server);
    await server.runner.started(id);
    const path = "/trials/1.1/logs/stream";
    const stuck = await Promise.all(Array.from({ length: 10 }, () => stuckReader(server, path)));
    const big = (i: number): string => `${i} ${"x".repeat(60_000)}`;
    const reader = listen(server, path);
    // Far more than sockets and pipes hold: ten of them stand full while this goes through.
    for (let i = 0; i < 400; i += 20)
      await server.runner.print(id, ...Array.from({ length: 20 }, (_, k) => big(i + k)));
    await server.runner.exited(id, 0);
    const texts = textsOf(await reader);
    assert.equal(texts.length, 400);
    assert.ok(texts.every((text, i) => text === big(i)));
    const one = stuck.pop() as Socket;
    const late: string[] = [];
    for await (const { event, data } of parseEvents(unchunked(one))) {
      if (event === "log") late.push(...(JSON.parse(data) as LogEntry[]).map(({ text }) => text));
      if (event === "end") break;
    }
    assert.deepEqual(
      late.map((text) => text.length),
      texts.map((text) => text.length),
    );
    for (const socket of [one, ...stuck]) socket.destroy();
  });
});

/** The body of a chunked answer whose head has been read. */
async function* unchunked(socket: Socket): AsyncGenerator<Uint8Array> {
  let rest = Buffer.alloc(0);
  for await (const bytes of socket) {
    rest = Buffer.concat([rest, bytes as Buffer]);
    for (;;) {
      const line = rest.indexOf("\r\n");
      if (line === -1) break;
      const length = Number.parseInt(rest.toString("latin1", 0, line), 16);
      if (rest.length < line + 2 + length + 2) break;
      if (length === 0) return;
      yield rest.subarray(line + 2, line + 2 + length);
      rest = rest.subarray(line + 2 + length + 2);
    }
  }
}
