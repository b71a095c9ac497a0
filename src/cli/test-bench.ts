/**
 * A fake server with an answer to everything that a command asks, for tests of this room, and a folder with a
 * configuration. Not a test itself.
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, beforeEach } from "node:test";
import { type Answer, events, type FakeServer, fakeServer, type Ran, run } from "./test-host.ts";
import {
  aCheckpoint,
  aDataset,
  aDecision,
  aDetail,
  aDiff,
  aFork,
  aLog,
  anAllocation,
  anExperiment,
  aPlan,
  aProgress,
  aRunner,
  aTrial,
  aTrialDetail,
  aVerdict,
  DATASET_LIST,
  HASH,
  someRungs,
} from "./test-things.ts";

const page = (...items: unknown[]): Answer => ({ items, next_cursor: null });
export const CONTENT = "weights";
export const CONTENT_HASH = createHash("sha256").update(CONTENT).digest("hex");
const ended = anExperiment({ state: "completed", reason: "All over.", progress: 1 });
const token = {
  id: "ab12",
  name: "ci",
  scope: "user",
  created_at: "2026-11-23T09:00:00.000Z",
  expires_at: "2027-11-23T09:00:00.000Z",
  last_used_at: null,
};

const aLayer = {
  ...{ name: "base", version: 2, created_by: "ada", created_at: token.created_at },
  removed: { by: "bob", at: token.expires_at },
};

const aRun = {
  ...{ state: "idle", requested_by: "ada", requested_at: token.created_at },
  ...{ started_at: token.created_at, ended_at: token.created_at, phase: "leftovers" },
  ...{ done: 0, total: null, problem: null },
  deleted: { checkpoints: 0, experiments: 0, blobs: 0, bytes: 0, half_written: 0 },
};

export const ANSWERS: { readonly [route: string]: Answer } = {
  "GET /server": { version: "0.1.0", user: "ada", scope: "user", slots: 2 },
  "GET /me": { user: "ada", scope: "user" },
  "GET /experiments": page(anExperiment(), anExperiment({ id: 2, name: "older", best: null })),
  "GET /experiments/3": aDetail(),
  "GET /experiments/3/rungs": { items: someRungs },
  "GET /experiments/3/trials": page(aTrial(), aTrial({ id: "3.1", number: 1, best: null })),
  "GET /experiments/3/allocations": page(anAllocation()),
  "GET /experiments/3/decisions": page(aDecision()),
  "GET /experiments/3/progress": aProgress(),
  "GET /experiments/3/checkpoints": page(aCheckpoint()),
  "GET /experiments/3/logs": page(aLog(), aLog({ text: "epoch 2", stream: "stderr" })),
  "GET /experiments/3/stream": (_, response) =>
    events(response, [
      ["trials", [aTrial()]],
      ["rungs", someRungs],
      ["experiment", ended],
      ["end", ended],
    ]),
  "GET /experiments/3/logs/stream": (_, response) =>
    events(response, [
      ["log", [aLog()], "1-1"],
      ["log", [aLog({ cursor: "1-2", text: "oops", stream: "stderr" })], "1-2"],
      ["end", {}],
    ]),
  "GET /templates": page(aLayer),
  "GET /templates/base": { ...aLayer, config: "resources: {priority: 3}\n" },
  "PUT /templates/base": { ...aLayer, created: true },
  "DELETE /templates/base": { ...aLayer, versions: [1, 2] },
  "GET /workspaces": page(aLayer),
  "GET /workspaces/base": { ...aLayer, config: "resources: {priority: 3}\n" },
  "PUT /workspaces/base": { ...aLayer, created: false },
  "DELETE /workspaces/base": { ...aLayer, versions: [2] },
  "PATCH /experiments/3": anExperiment({ priority: 5 }),
  "POST /forks": aFork(),
  "GET /diff": aDiff(),
  "POST /trials/3.2/replays": { experiment: anExperiment(), verdict: null, reasons: [] },
  "POST /trials/3.1/replays": {
    ...{ experiment: null, verdict: aVerdict({ state: "not_comparable", replay: null }) },
    reasons: ["its code is gone"],
  },
  "GET /trials/3.2/verdicts": { items: [aVerdict()] },
  "POST /experiments/3/pause": anExperiment({ state: "paused" }),
  "POST /experiments/3/activate": anExperiment(),
  "POST /experiments/3/cancel": anExperiment({ state: "stopping" }),
  "POST /experiments/3/kill": anExperiment({ state: "stopping" }),
  "GET /trials/3.2": aTrialDetail(),
  "GET /trials/3.2/metrics": {
    trial: "3.2",
    unit: "epochs",
    series: [
      {
        name: "accuracy",
        total: 2,
        thinned: false,
        points: [
          { step: 1, value: 0.5, run: 1 },
          { step: 2, value: "NaN", run: 1 },
        ],
      },
      { name: "loss", total: 1, thinned: false, points: [{ step: 2, value: 1.25, run: 1 }] },
    ],
  },
  "GET /trials/3.2/logs": page(aLog()),
  "GET /trials/3.2/checkpoints": page(aCheckpoint()),
  "POST /trials/3.2/kill": aTrial({ state: "stopping" }),
  "POST /trials/3.2/pause": aTrial({ state: "pausing" }),
  "POST /trials/3.2/activate": aTrial({ state: "queued" }),
  "POST /trials/3.2/cancel": aTrial({ state: "stopping" }),
  [`GET /checkpoints/${HASH}`]: {
    ...aCheckpoint(),
    tree: [
      { path: "model/weights.bin", size: CONTENT.length, hash: CONTENT_HASH, executable: false },
    ],
  },
  [`GET /blobs/${CONTENT_HASH}`]: (_, response) => void response.end(CONTENT),
  ...Object.fromEntries(
    ["delete", "restore", "archive", "unarchive"].map((act) => [
      `POST /experiments/${act}`,
      { items: [{ id: 3, changed: true, experiment: ended, problem: null }] },
    ]),
  ),
  ...Object.fromEntries(
    ["pin", "unpin"].map((verb) => [
      `POST /checkpoints/${HASH}/${verb}`,
      { id: HASH, pinned: verb === "pin", experiments: [{ experiment: 3, changed: true }] },
    ]),
  ),
  "GET /gc": {
    checkpoints: { count: 0, items: [], kept: { trial_latest: 1 } },
    experiments: [],
    bytes: { snapshots: 10, leftovers: 0, total: 10 },
    blobs: 1,
  },
  "POST /gc/run": aRun,
  "GET /gc/run": aRun,
  "GET /slots": {
    items: [
      {
        id: "cpu:0",
        kind: "cpu",
        node: "here",
        description: "CPU share",
        runner: "local",
        allocation: "3.2.1",
        since: "2026-11-23T09:00:00.000Z",
        withheld: null,
      },
      {
        id: "cpu:1",
        kind: "cpu",
        node: "here",
        description: "CPU share",
        runner: "local",
        allocation: null,
        since: null,
        withheld: null,
      },
    ],
  },
  "GET /runners": { items: [aRunner()] },
  "GET /jobs": {
    items: [
      {
        experiment: 3,
        name: "digits",
        owner: "ada",
        priority: 42,
        submitted_at: "2026-11-23T09:00:00.000Z",
        running: 1,
        queued: 1,
        silent: 0,
        slots_held: 1,
        waiting: [{ trial: "3.5", reason: "needs 1 slot; 0 of 2 are free" }],
      },
    ],
  },
  "GET /datasets": page(aDataset()),
  "POST /datasets": { ...aDataset(), created: true },
  "GET /datasets/names/2": { ...aDataset(), statistics: null, used_by: [], used_by_total: 0 },
  "GET /datasets/names/latest": { ...aDataset(), statistics: null, used_by: [], used_by_total: 0 },
  "POST /datasets/names/2/verify": { files: 1, bytes: 7, differences: [], next: null },
  "DELETE /datasets/names/2": { ...aDataset(), used_by: [] },
  [`GET /blobs/${aDataset().snapshot}`]: (_, response) => void response.end(DATASET_LIST),
  "POST /blobs/missing": (request, response) => {
    response.end(JSON.stringify({ missing: JSON.parse(request.body.toString()).hashes }));
  },
  "PUT /blobs/*": { existed: false },
  "POST /experiments": (request, response) => {
    const dry = JSON.parse(request.body.toString()).dry_run === true;
    response.end(
      JSON.stringify({
        experiment: dry ? null : anExperiment(),
        plan: aPlan,
        unit: "epochs",
        layers: aDetail().layers,
        searcher_reason: "named",
        warnings: [],
      }),
    );
  },
  "POST /tokens": { ...token, token: "cu_secret" },
  "GET /tokens": page(token),
  "DELETE /tokens/ab12": (_, response) => void response.writeHead(204).end(),
  "POST /login": { token: "cu_new", user: "ada", expires_at: null },
  "GET /health": { status: "ready", version: "0.1.0" },
};

export interface Bench {
  readonly server: FakeServer;
  readonly folder: string;
  /** A configuration without faults. */
  readonly config: string;
  /** A path in the folder where nothing is yet. */
  fresh(): string;
  cli(...args: string[]): Promise<Ran>;
}

/** Registers the hooks of a test file; each test begins with the usual answers. */
export function cliBench(): Bench {
  let server: FakeServer | undefined;
  let made = 0;
  const folder = mkdtempSync(join(tmpdir(), "contrail-cli-test-"));
  // `doctor` looks whether PostgreSQL's user could pass, when tests run as root.
  chmodSync(folder, 0o711);
  const config = join(folder, "config.yaml");
  const there = (): FakeServer => server ?? assert.fail("before the first test");
  before(async () => {
    server = await fakeServer();
    writeFileSync(config, CONFIG);
  });
  beforeEach(() => {
    there().requests.length = 0;
    for (const [route, answer] of Object.entries(ANSWERS)) there().answer(route, answer);
  });
  after(async () => {
    await there().close();
    rmSync(folder, { recursive: true, force: true });
  });
  return {
    get server() {
      return there();
    },
    folder,
    config,
    fresh: () => join(folder, `new-${++made}`),
    cli: (...args) =>
      run(args, {
        url: there().url,
        host: { cwd: folder, env: { CONTRAIL_CONFIG_DIR: join(folder, "config") } },
      }),
  };
}

const CONFIG = `name: digits
entrypoint: python3 train.py
hyperparameters:
  lr: {type: log, base: 10, minval: -3, maxval: -1}
searcher:
  name: random
  metric: loss
  max_length: {epochs: 3}
  max_trials: 4
`;
