/** What a Docker engine that cannot just now is taken for: one over a socket that answers as the test says. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync } from "node:fs";
import { rm } from "node:fs/promises";
import { createServer, type ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { DockerApi, DockerRefused } from "../../engines/docker/docker-api.ts";
import type { ContainerLaunch } from "../../protocol/runner-wire.ts";
import { LaunchError } from "../rank-process.ts";
import { VirtualClock } from "../virtual-clock.ts";
import { ContainerRank } from "./container-rank.ts";
import { Images } from "./images.ts";

type Answer = (response: ServerResponse) => void;

const says =
  (status: number, message: string): Answer =>
  (response) => {
    response.writeHead(status, { "content-type": "application/json" });
    response.end(JSON.stringify({ message }));
  };
const lines =
  (...them: object[]): Answer =>
  (response) => {
    response.writeHead(200);
    response.end(them.map((line) => `${JSON.stringify(line)}\n`).join(""));
  };

/** @param answers by method and path, one after the other; what is not in it is 404 */
async function engine(t: TestContext, answers: Readonly<Record<string, Answer[]>>) {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    const path = (request.url ?? "").replace(/^\/v[\d.]+/, "").replace(/\?.*/, "");
    if (path === "/_ping") return response.writeHead(200, { "api-version": "1.41" }).end("OK");
    asked.push(`${request.method} ${path}`);
    (answers[`${request.method} ${path}`]?.shift() ?? says(404, "No such thing"))(response);
  });
  const folder = mkdtempSync(join(tmpdir(), "contrail-engine-"));
  const socket = join(folder, "docker.sock");
  server.listen(socket);
  await once(server, "listening");
  t.after(async () => {
    server.closeAllConnections();
    await new Promise((closed) => server.close(closed));
    await rm(folder, { recursive: true });
  });
  return { api: new DockerApi(socket), asked };
}

async function found(t: TestContext, pulls: Answer[], clock = new VirtualClock()) {
  const image = lines({ Id: "sha256:1" });
  const pullsMax = pulls.length;
  const here: Answer = (response) => {
    const isHere = asked.filter((what) => what === "POST /images/create").length > pullsMax;
    (isHere ? image : says(404, "No such image"))(response);
  };
  const { api, asked } = await engine(t, {
    "GET /images/i/json": Array.from({ length: 500 }, () => here),
    "POST /images/create": [...pulls, lines({ status: "Pull complete", id: "a" })],
  });
  const told: string[] = [];
  let over = false;
  const finding = new Images({ api: () => api, clock }).find({
    launch: { image: "i", force_pull: false } as unknown as ContainerLaunch,
    signal: new AbortController().signal,
    tell: (text) => told.push(text),
  });
  const end = (): void => {
    over = true;
  };
  finding.then(end, end);
  while (!over) await clock.turn();
  return { image: await finding, told: told.join("\n") };
}

for (const [what, pull, words] of [
  [
    "an engine that is started anew in the middle",
    (response: ServerResponse) => {
      response.writeHead(200);
      response.write('{"id":"a","status":"Downloading"}\n', () => response.destroy());
    },
    /the pull of i broke off: .*\. Waiting for it/,
  ],
  [
    "a registry that is asked too often",
    lines({ error: "toomanyrequests: You have reached your pull rate limit." }),
    /could not be pulled: toomanyrequests.*\. Trying again/,
  ],
  [
    "a registry that does not answer in time",
    says(500, 'Get "https://registry/v2/": net/http: TLS handshake timeout'),
    /TLS handshake timeout\. Trying again/,
  ],
  ["a disk that is full", lines({ error: "write /x: no space left on device" }), /no space left/],
] as const)
  test(`a pull waits for ${what}, and says so once`, async (t) => {
    const { image, told } = await found(t, [pull, pull]);
    assert.equal(image.id, "sha256:1");
    assert.match(told, words);
    assert.equal(told.match(/Trying again|Waiting for it/g)?.length, 1);
  });

for (const message of [
  "manifest for i:latest not found",
  "pull access denied for i",
  "manifest for timeout:1 not found",
  "pull access denied for acme/timeout-lab",
  "pull access denied for timeout, repository does not exist or may require 'docker login'",
])
  test(`a pull ends with: ${message}`, (t) =>
    assert.rejects(found(t, [says(404, message)]), LaunchError));

test("a registry that cannot just now is waited for also after an engine that was away for long", async (t) => {
  const clock = new VirtualClock();
  const away: Answer = (response) => {
    clock.after(2 * 3_600_000, () => {
      response.writeHead(200);
      response.write("{", () => response.destroy());
    });
  };
  const { image } = await found(t, [away, lines({ error: "toomanyrequests: wait" })], clock);
  assert.equal(image.id, "sha256:1");
});

test("a registry that never answers is given up in the end", (t) =>
  assert.rejects(
    found(
      t,
      Array.from({ length: 200 }, () => says(500, "Get registry: i/o timeout")),
    ),
    LaunchError,
  ));

async function start(t: TestContext, answers: Readonly<Record<string, Answer[]>>) {
  const { api, asked } = await engine(t, answers);
  const clock = new VirtualClock();
  let over = false;
  const starting = ContainerRank.start({
    ...{ api, clock, name: "c", spec: {}, image: "i", program: "p", memoryBytes: null },
    ...{ say: () => {}, sinks: { output: () => {}, exited: () => {}, closed: () => {} } },
  });
  const end = (): void => {
    over = true;
  };
  starting.then(end, end);
  while (!over) await clock.turn();
  const error = await starting.catch((fault: unknown) => fault);
  return { error, asked };
}

test("a container that the engine cannot make now is no fault of the launch", async (t) => {
  const full = says(500, "mkdir /var/lib/docker/overlay2/x: no space left on device");
  const { error } = await start(t, { "POST /containers/create": [full] });
  assert.ok(error instanceof DockerRefused && error.isForNow, String(error));
  const wrong = says(400, "invalid mount config");
  const refused = await start(t, { "POST /containers/create": [wrong] });
  assert.ok(refused.error instanceof LaunchError, String(refused.error));
  const named = says(500, 'exec: "timeout": executable file not found in $PATH');
  const missing = await start(t, { "POST /containers/create": [named] });
  assert.ok(missing.error instanceof LaunchError, String(missing.error));
});

test("one of its name that is being removed is waited for", async (t) => {
  const taken = says(409, 'The container name "/c" is already in use');
  const { error, asked } = await start(t, {
    "POST /containers/create": [taken, says(400, "as far as this test goes")],
    "DELETE /containers/c": [
      says(409, "removal of container c is already in progress"),
      says(500, "device or resource busy"),
    ],
  });
  assert.match(String(error), /as far as this test goes/);
  assert.equal(asked.filter((what) => what.startsWith("DELETE")).length, 3);
});
