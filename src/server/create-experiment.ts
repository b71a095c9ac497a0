/**
 * A submission, from text to a running experiment, all or nothing: configuration (every fault at once), room
 * on the slots, code and data that are really there; only then is anything made, in one transaction.
 */
import { createHash, randomInt } from "node:crypto";
import type { Json, JsonObject } from "../base/json.ts";
import type { CreateExperimentReply, CreateExperimentRequest } from "../protocol/api.ts";
import {
  type ExperimentConfig,
  type OpenConfig,
  openConfig,
  readOpen,
} from "../protocol/config/config.ts";
import { type Layered, layerText } from "../protocol/config/layers.ts";
import { maskedAt } from "../protocol/config/masked.ts";
import { ContrailError } from "../protocol/errors.ts";
import type { TreeEntry } from "../protocol/runner-wire.ts";
import { readExperiment } from "../store/experiment-reads.ts";
import { readEnvironment } from "../store/record-store.ts";
import { blobsOf, canonicalTree, checkTree } from "../store/snapshot.ts";
import { storable, storableJson } from "../store/storable.ts";
import { describeFaults, toProblemIssue } from "./config-faults.ts";
import { refuseContainersElsewhere } from "./container-demands.ts";
import { resolveData } from "./datasets/resolve.ts";
import { ancestryRow, givenOrigin, type Origin, originText, overridesOf } from "./fork/origin.ts";
import type { RouteContext } from "./http/context.ts";
import { namingLayers } from "./layers/given.ts";
import { overLayers } from "./layers/over.ts";
import type { DecisionLoop } from "./loops/decision-loop.ts";
import { madeUpName } from "./made-up-name.ts";
import { refuseMasked } from "./masked-values.ts";
import { choosePool, refuseWhatNeverFits } from "./pools/fit.ts";
import { refuseSlurmElsewhere } from "./pools/slurm-demands.ts";
import {
  holdFiles,
  type KeptSnapshot,
  keepSnapshot,
  type UploadContext,
} from "./retention/uploads.ts";
import { withoutLogin } from "./sealed-logins.ts";
import { startOf } from "./start-checkpoint.ts";
import { toPlan, toSearch, toSettings } from "./translate.ts";
import { experimentView } from "./views.ts";

interface Submission {
  readonly request: CreateExperimentRequest;
  readonly owner: { readonly userId: number; readonly name: string };
  readonly idempotencyKey: string | undefined;
  /** Of what the server itself makes from what it holds; a request's own word for it is not looked at then. */
  readonly origin?: Origin;
  /** Of what it is a copy of: versions that are taken over as they are, whatever is registered today. */
  readonly inheritedData?: JsonObject;
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
  const open = openConfig(request.config);
  // A copy says everything itself: what holds for others by now must not change it.
  const over = submission.origin
    ? undefined
    : await overLayers(context, { open, text: request.config, template: request.template });
  const reading = readOrRefuse(open, over);
  if (submission.origin) refuseTemplate(reading.config);
  refuseMasked(reading.config, submission.origin);
  const given = over?.layers ?? [];
  const naming = <T>(act: () => T | Promise<T>) => namingLayers(given, act);
  const pool = await naming(() =>
    choosePool(reading.config.resources.resource_pool, context.world.pools),
  );
  const seed = reading.config.reproducibility.experiment_seed ?? randomInt(2 ** 32);
  const bare = await naming(() =>
    withoutLogin({ config: reading.config, text: request.config }, context.logins),
  );
  const config: ExperimentConfig = {
    ...bare.config,
    // What it gave stands here now, and does not hang on it any more.
    template: null,
    resources: { ...bare.config.resources, resource_pool: pool.name },
    name: reading.config.name ?? madeUpName(seed),
    workspace: reading.config.workspace ?? "default",
    project: reading.config.project ?? "default",
    reproducibility: { ...reading.config.reproducibility, experiment_seed: seed },
  };
  await naming(async () => {
    refuseContainersElsewhere(config, pool, [...context.world.pools.values()]);
    refuseSlurmElsewhere(config, pool);
    refuseWhatNeverFits(config, pool, context.world.room(pool.name));
    await refuseUnknownEnvironment(context, config);
  });
  const { search: whole, reason } = toSearch(config, seed);
  using snapshot = request.code && (await codeSnapshot(context, request.code, request.dry_run));
  const code = snapshot?.hash ?? null;
  const data = await naming(() => resolveData(context, config, submission.inheritedData));
  const origin =
    submission.origin ?? (request.parent && (await givenOrigin(context, request.parent)));
  const layers = given.map((layer) => ({ ...layer, fields: [...layer.fields] }));
  const warnings = reading.warnings.map(toProblemIssue);
  using held = new DisposableStack();
  const { from, search } = await naming(() => startOf(context, config, whole, held));
  const settings = toSettings(config, search);
  const plan = toPlan(
    search,
    config.resources.slots_per_trial,
    context.world.room(pool.name).total,
  );
  const reply = { plan, unit: settings.unit, searcher_reason: reason, warnings, layers };
  if (request.dry_run) return { experiment: null, ...reply };

  const storedConfig = storableJson(config) as unknown as JsonObject;
  const overrides = origin?.base ? overridesOf(origin.base, storedConfig) : [];
  const id = await context.loop.submit({
    name: "create experiment",
    run: (world, turn) => {
      const at = new Date(turn.nowMs);
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
          config: storedConfig,
          config_text: storable(bare.text),
          data,
          seed,
          code,
          provenance: maskedAt(
            storableJson(withLayers(request.provenance, layers)) as Json,
          ) as JsonObject,
          plan: plan as unknown as JsonObject,
          searcher_reason: reason,
          search_spec: search,
          progress: 0,
          best_trial: null,
          best_step: null,
          best_objective: null,
          steps: 0,
          slot_ms: 0,
          created_at: at,
          started_at: null,
          ended_at: null,
        },
        settings,
        {
          paused: !request.activate,
          actor: owner.name,
          ...(from ? { from } : {}),
          ...(origin
            ? { cause: originText(origin, overrides) }
            : layers.length > 0
              ? { cause: `submitted over ${layers.map(layerText).join(", ")}` }
              : {}),
        },
      );
      if (origin?.kind === "replay" && origin.experiment !== null)
        world.retention.noteReplay(origin.experiment);
      if (origin)
        turn.batch.put("ancestry", ancestryRow(live.id, origin, { overrides, at }), "nothing");
      if (submission.idempotencyKey !== undefined)
        turn.batch.put(
          "idempotency",
          {
            user_id: owner.userId,
            key: storable(submission.idempotencyKey),
            request_hash: `\\x${requestHash(request).toString("hex")}`,
            reply: { experiment: live.id, ...reply },
            created_at: at,
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
  return experimentView(row, new Date(context.clock.nowMs()), context.verdicts);
}

/** What an earlier version answered lacks some of it. */
type EarlierReply = Omit<CreateExperimentReply, "experiment" | "layers" | "unit"> &
  Partial<Pick<CreateExperimentReply, "layers" | "unit">>;

/** The answer that was given to the same request under the same key. */
async function earlierReply(
  context: RouteContext,
  { request, owner, idempotencyKey }: Submission,
): Promise<CreateExperimentReply | undefined> {
  if (idempotencyKey === undefined) return undefined;
  const { rows } = await context.pool.query<{
    request_hash: Buffer;
    reply: { experiment: number } & EarlierReply;
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
  const experiment = await view(context, found.reply.experiment);
  return { layers: [], unit: experiment.unit, ...found.reply, experiment };
}

const requestHash = (request: CreateExperimentRequest): Buffer =>
  createHash("sha256").update(JSON.stringify(request)).digest();

/** @throws ContrailError with every fault of it */
function readOrRefuse(open: OpenConfig, over: Layered | undefined) {
  const reading = readOpen(open, { over });
  if (reading.ok) return reading;
  const beneath = (over?.layers ?? []).map(layerText);
  throw new ContrailError("invalid_config", describeFaults(reading.issues), {
    issues: reading.issues.map(toProblemIssue),
    ...(beneath.length === 0 ? {} : { hint: `It was read over ${beneath.join(", ")}.` }),
  });
}

/** What an experiment has from elsewhere is the server's to say, whatever a client tells. */
function withLayers(told: JsonObject, layers: CreateExperimentReply["layers"]): JsonObject {
  const { layers: _, ...others } = told;
  return layers.length === 0 ? others : { ...others, layers };
}

function refuseTemplate({ template }: ExperimentConfig): void {
  if (template === null) return;
  const path = ".template";
  const message = `${path} is "${template}", and a copy says everything itself: nothing would be taken from there. Remove it.`;
  throw new ContrailError("invalid_config", message, {
    issues: [{ code: "conflict", path, message, value: template }],
  });
}

async function refuseUnknownEnvironment(
  { readPool }: RouteContext,
  { environment }: ExperimentConfig,
): Promise<void> {
  for (const field of ["rebuild", "require"] as const) {
    const hash = environment[field];
    if (hash === null || (await readEnvironment(readPool, hash)) !== undefined) continue;
    const path = `.environment.${field}`;
    const message = `${path} names ${hash}, and no run that is recorded here had that environment`;
    throw new ContrailError("invalid_config", message, {
      issues: [{ code: "unknown_environment", path, message, value: hash }],
      hint: "contrail trial show TRIAL --record says which one a run had.",
    });
  }
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
  const lacking = tree
    .flatMap((entry) => blobsOf(entry).map(({ hash }) => ({ path: entry.path, hash })))
    .filter(({ hash }) => missing.has(hash))
    .slice(0, 100);
  throw new ContrailError(
    "missing_blobs",
    `${missing.size} files (or parts of files) of the ${what} snapshot were not uploaded`,
    {
      issues: lacking.map(({ path, hash }) => ({ code: "missing", path, message: hash })),
    },
  );
}

/** A size that is not true would make every checkout fail, long after this request. */
async function requireSizes(
  { blobs }: Pick<RouteContext, "blobs">,
  tree: readonly TreeEntry[],
  what: string,
): Promise<void> {
  const sizes = new Map<string, number | undefined>();
  const parts = tree.flatMap((entry) =>
    blobsOf(entry).map(({ hash, size }) => ({ path: entry.path, hash, size })),
  );
  const hashes = [...new Set(parts.map(({ hash }) => hash))];
  for (let at = 0; at < hashes.length; at += SIZES_AT_ONCE)
    await Promise.all(
      hashes
        .slice(at, at + SIZES_AT_ONCE)
        .map(async (hash) => void sizes.set(hash, await blobs.size(hash))),
    );
  for (const { path, hash, size } of parts) {
    const stored = sizes.get(hash);
    if (stored !== undefined && stored !== size)
      throw new ContrailError(
        "invalid_request",
        `${path} of the ${what} snapshot is given with ${size} bytes; its content ${hash} has ${stored}`,
      );
  }
}

const SIZES_AT_ONCE = 64;
