/**
 * A submission, from text to a running experiment, all or nothing: configuration (every fault at once), room
 * on the slots, code and data that are really there; only then is anything made, in one transaction.
 */
import { createHash, randomInt } from "node:crypto";
import type { JsonObject } from "../base/json.ts";
import { keyed } from "../base/random.ts";
import { largestThatFits } from "../core/schedule/plan.ts";
import type { CreateExperimentReply, CreateExperimentRequest } from "../protocol/api.ts";
import { type ExperimentConfig, readConfig } from "../protocol/config/config.ts";
import { datasetReference } from "../protocol/config/dataset-reference.ts";
import type { Issue } from "../protocol/config/issue.ts";
import { ContrailError, type ProblemIssue } from "../protocol/errors.ts";
import type { TreeEntry } from "../protocol/runner-wire.ts";
import { findDataset } from "../store/dataset-store.ts";
import { readExperiment } from "../store/experiment-reads.ts";
import { canonicalTree, checkTree } from "../store/snapshot.ts";
import { storable, storableJson } from "../store/storable.ts";
import type { RouteContext } from "./http/context.ts";
import type { DecisionLoop } from "./loops/decision-loop.ts";
import {
  holdFiles,
  type KeptSnapshot,
  keepSnapshot,
  type UploadContext,
} from "./retention/uploads.ts";
import { toPlan, toSearch, toSettings } from "./translate.ts";
import { experimentView } from "./views.ts";

interface Submission {
  readonly request: CreateExperimentRequest;
  readonly owner: { readonly userId: number; readonly name: string };
  readonly idempotencyKey: string | undefined;
}

/** Requests under one key go one after the other, so that the second finds the answer to the first. */
const underway = new WeakMap<DecisionLoop, Map<string, Promise<unknown>>>();

/** @throws ContrailError */
export async function createExperiment(
  context: RouteContext,
  submission: Submission,
): Promise<CreateExperimentReply> {
  if (submission.idempotencyKey === undefined) return create(context, submission);
  const keys = underway.get(context.loop) ?? new Map<string, Promise<unknown>>();
  underway.set(context.loop, keys);
  const key = `${submission.owner.userId} ${submission.idempotencyKey}`;
  const before = keys.get(key)?.catch(() => undefined) ?? Promise.resolve();
  const mine = before.then(() => create(context, submission));
  keys.set(key, mine);
  try {
    return await mine;
  } finally {
    if (keys.get(key) === mine) keys.delete(key);
  }
}

async function create(
  context: RouteContext,
  submission: Submission,
): Promise<CreateExperimentReply> {
  const { request, owner } = submission;
  const earlier = await earlierReply(context, submission);
  if (earlier) return earlier;
  const reading = readConfig(request.config);
  if (!reading.ok)
    throw new ContrailError("invalid_config", describeFaults(reading.issues), {
      issues: reading.issues.map(toProblemIssue),
    });
  const seed = reading.config.reproducibility.experiment_seed ?? randomInt(2 ** 32);
  const config: ExperimentConfig = {
    ...reading.config,
    name: reading.config.name ?? madeUpName(seed),
    workspace: reading.config.workspace ?? "default",
    project: reading.config.project ?? "default",
    reproducibility: { ...reading.config.reproducibility, experiment_seed: seed },
  };
  refuseWhatNeverFits(config, context.world);
  const { search, reason } = toSearch(config, seed);
  const settings = toSettings(config, search);
  const plan = toPlan(search, config.resources.slots_per_trial, context.world.slots.length);
  using snapshot = request.code && (await codeSnapshot(context, request.code, request.dry_run));
  const code = snapshot?.hash ?? null;
  const data = await resolveData(context, config);
  const warnings = reading.warnings.map(toProblemIssue);
  const reply = { plan, searcher_reason: reason, warnings };
  if (request.dry_run) return { experiment: null, ...reply };

  const id = await context.loop.submit({
    name: "create experiment",
    run: (world, turn) => {
      const live = world.create(
        turn,
        {
          name: config.name ?? "",
          description: config.description,
          labels: config.labels,
          workspace: config.workspace ?? "",
          project: config.project ?? "",
          owner_id: owner.userId,
          owner: owner.name,
          config: storableJson(config) as unknown as JsonObject,
          config_text: storable(request.config),
          data,
          seed,
          code,
          provenance: storableJson(request.provenance) as JsonObject,
          plan: plan as unknown as JsonObject,
          searcher_reason: reason,
          search_spec: search,
          progress: 0,
          best_trial: null,
          best_step: null,
          best_objective: null,
          steps: 0,
          slot_ms: 0,
          created_at: new Date(turn.nowMs),
          started_at: null,
          ended_at: null,
        },
        settings,
        { paused: !request.activate, actor: owner.name },
      );
      if (submission.idempotencyKey !== undefined)
        turn.batch.put(
          "idempotency",
          {
            user_id: owner.userId,
            key: storable(submission.idempotencyKey),
            request_hash: `\\x${requestHash(request).toString("hex")}`,
            reply: { experiment: live.id, ...reply },
            created_at: new Date(turn.nowMs),
          },
          // An earlier attempt whose commit was still under way when it was looked for: one experiment is enough.
          "refuse",
        );
      return live.id;
    },
  });
  return { experiment: await view(context, id), ...reply };
}

async function view(context: RouteContext, id: number) {
  const row = await readExperiment(context.pool, id);
  if (!row) throw new ContrailError("internal", `experiment ${id} was made and is not there`);
  return experimentView(row, new Date(context.clock.nowMs()));
}

/** The answer that was given to the same request under the same key. */
async function earlierReply(
  context: RouteContext,
  { request, owner, idempotencyKey }: Submission,
): Promise<CreateExperimentReply | undefined> {
  if (idempotencyKey === undefined) return undefined;
  const { rows } = await context.pool.query<{
    request_hash: Buffer;
    reply: { experiment: number } & Omit<CreateExperimentReply, "experiment">;
  }>("select request_hash, reply from idempotency where user_id = $1 and key = $2", [
    owner.userId,
    idempotencyKey,
  ]);
  const found = rows[0];
  if (!found) return undefined;
  if (!found.request_hash.equals(requestHash(request)))
    throw new ContrailError(
      "idempotency_mismatch",
      `the key ${idempotencyKey} belongs to another request`,
    );
  return { ...found.reply, experiment: await view(context, found.reply.experiment) };
}

const requestHash = (request: CreateExperimentRequest): Buffer =>
  createHash("sha256").update(JSON.stringify(request)).digest();

function describeFaults(issues: readonly Issue[]): string {
  const first = issues[0];
  const where = first?.line == null ? "" : `line ${first.line}, column ${first.column}: `;
  const more = issues.length > 1 ? ` (and ${issues.length - 1} more)` : "";
  return `${where}${first?.message ?? "the configuration is not valid"}${more}`;
}

function toProblemIssue(issue: Issue): ProblemIssue {
  return {
    code: issue.code,
    path: issue.path,
    message: issue.message,
    ...(issue.line === null ? {} : { line: issue.line }),
    ...(issue.column === null ? {} : { column: issue.column }),
    ...(issue.value === undefined ? {} : { value: issue.value }),
    ...(issue.limit === undefined ? {} : { limit: issue.limit }),
    ...(issue.suggestion === undefined ? {} : { suggestion: issue.suggestion }),
  };
}

function refuseWhatNeverFits(
  config: ExperimentConfig,
  { slotsLargest, slots }: RouteContext["world"],
): void {
  const needed = config.resources.slots_per_trial;
  const fits = largestThatFits(needed, slotsLargest);
  if (fits === undefined) return;
  const there =
    slotsLargest === slots.length
      ? `there are ${slots.length}`
      : `no node has more than ${slotsLargest}`;
  throw new ContrailError(
    "slots_unavailable",
    `each trial needs ${needed} slots; ${there}, so none could ever start`,
    { hint: `The largest resources.slots_per_trial that fits is ${fits}.` },
  );
}

async function codeSnapshot(
  context: RouteContext,
  tree: NonNullable<CreateExperimentRequest["code"]>,
  dryRun: boolean,
): Promise<KeptSnapshot> {
  const unsafe = checkTree(tree);
  if (unsafe.length > 0)
    throw new ContrailError(
      "invalid_request",
      `the code snapshot is not safe to unpack: ${unsafe[0]?.path}: ${unsafe[0]?.message}`,
      {
        issues: unsafe.map(({ path, message }) => ({ code: "unsafe_path", path, message })),
      },
    );
  if (dryRun) return { hash: canonicalTree(tree).hash, [Symbol.dispose]: () => undefined };
  return requireSnapshot(context, tree, "code");
}

/** @returns the snapshot, stored and held until what refers to it is written down @throws ContrailError missing_blobs; invalid_request where a file's size is not its content's */
export async function requireSnapshot(
  context: UploadContext,
  tree: readonly TreeEntry[],
  what: string,
): Promise<KeptSnapshot> {
  const { held, missing } = await holdFiles(context, tree);
  try {
    if (missing.size === 0) await requireSizes(context, tree, what);
  } catch (error) {
    held[Symbol.dispose]();
    throw error;
  }
  if (missing.size === 0) return keepSnapshot(context, tree, held);
  held[Symbol.dispose]();
  const lacking = tree.filter((entry) => missing.has(entry.hash)).slice(0, 100);
  throw new ContrailError(
    "missing_blobs",
    `${missing.size} files of the ${what} snapshot were not uploaded`,
    {
      issues: lacking.map(({ path, hash }) => ({ code: "missing", path, message: hash })),
    },
  );
}

/** A size that is not true would make every checkout fail, long after this request. */
async function requireSizes(
  { blobs }: Pick<RouteContext, "blobs">,
  tree: readonly { path: string; hash: string; size: number }[],
  what: string,
): Promise<void> {
  const sizes = new Map<string, number | undefined>();
  const hashes = [...new Set(tree.map(({ hash }) => hash))];
  for (let at = 0; at < hashes.length; at += SIZES_AT_ONCE)
    await Promise.all(
      hashes
        .slice(at, at + SIZES_AT_ONCE)
        .map(async (hash) => void sizes.set(hash, await blobs.size(hash))),
    );
  for (const { path, hash, size } of tree) {
    const stored = sizes.get(hash);
    if (stored !== undefined && stored !== size)
      throw new ContrailError(
        "invalid_request",
        `${path} of the ${what} snapshot is given with ${size} bytes; its content ${hash} has ${stored}`,
      );
  }
}

const SIZES_AT_ONCE = 64;

/** `name@latest` becomes the version that is latest now; anything else is passed on as it is. */
async function resolveData(context: RouteContext, config: ExperimentConfig): Promise<JsonObject> {
  const resolved: [string, JsonObject][] = [];
  const issues: ProblemIssue[] = [];
  for (const [name, value] of Object.entries(config.data)) {
    const reference = datasetReference(value);
    if (!reference) {
      resolved.push([name, { value }]);
      continue;
    }
    const { rows, known } = await findDataset(context.readPool, reference);
    const found = rows[0];
    if (found)
      resolved.push([
        name,
        { snapshot: found.snapshot, dataset: `${found.name}@${found.version}` },
      ]);
    else
      issues.push({
        code: "unknown_dataset",
        path: `.data.${name}`,
        message: `there is no dataset ${reference.name}@${reference.version}${known.length > 0 ? `; of this name there are versions ${known.join(", ")}` : ""}`,
        value: String(value),
      });
  }
  if (issues.length > 0)
    throw new ContrailError("invalid_config", issues.map((issue) => issue.message).join("; "), {
      issues,
      hint: "Register it first: contrail data add NAME PATH. contrail data list shows what there is.",
    });
  return Object.fromEntries(resolved);
}

const FIRST = [
  "amber",
  "brisk",
  "calm",
  "deft",
  "early",
  "fair",
  "glad",
  "high",
  "ivory",
  "jolly",
  "keen",
  "lucid",
  "merry",
  "noble",
  "olive",
  "plain",
  "quick",
  "russet",
  "steady",
  "tidy",
  "upward",
  "vivid",
  "wide",
  "young",
];
const SECOND = [
  "anvil",
  "breeze",
  "cirrus",
  "dune",
  "ember",
  "fjord",
  "grove",
  "harbor",
  "island",
  "jetty",
  "kite",
  "lagoon",
  "meadow",
  "north",
  "orchard",
  "peak",
  "quarry",
  "ridge",
  "summit",
  "thicket",
  "updraft",
  "valley",
  "willow",
  "zenith",
];

/** Never asked for, always there: two words and four digits by the seed. */
function madeUpName(seed: number): string {
  const random = keyed(seed, "name");
  const word = (list: readonly string[]): string => list[random.below(list.length)] ?? "";
  return `${word(FIRST)}-${word(SECOND)}-${String(random.below(10_000)).padStart(4, "0")}`;
}
