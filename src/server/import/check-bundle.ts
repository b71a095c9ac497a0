/**
 * Looks at everything that a bundle says before anything of it is written: that its parts speak of each other's trials
 * and runs and of no others, stand in order with nothing twice, are as many as the manifest says, that snapshots are
 * what they are called, and that events of the log of changes have the hashes that they carry. What fits all of this
 * can be written without a look back.
 */
import { AssertionFailed } from "../../base/assert.ts";
import { fromWire, type Json, type JsonObject, reviveExact } from "../../base/json.ts";
import { Replay } from "../../core/search/replay.ts";
import type { SearchAction, SearchEvent, SearchSpec } from "../../core/search/search.ts";
import type { SearchState } from "../../core/search/state.ts";
import {
  BUNDLE_PARTS,
  type BundleExperiment,
  type BundleRun,
  type BundleTrial,
  type BundleVerdict,
  bundleExperiment,
  bundleTime,
  EXPERIMENT_FILE,
  METRICS_FILE,
} from "../../protocol/bundle.ts";
import type { ExperimentConfig } from "../../protocol/config/config.ts";
import {
  checkConfigValue,
  openConfig,
  readConfig,
  writtenIn,
} from "../../protocol/config/config.ts";
import { METRIC_CHARS_MAX } from "../../protocol/runner-wire.ts";
import { environmentHash } from "../../store/record-store.ts";
import { storableJson } from "../../store/storable.ts";
import { linkHash } from "../../store/write-batch.ts";
import { firstRung } from "../start-checkpoint.ts";
import { toSearch } from "../translate.ts";
import { type BundleSource, invalidBundle } from "./bundle-source.ts";

const TRIALS_MAX = 1_000_000;
const NAMES_MAX = 10_000;

export interface CheckedBundle {
  readonly experiment: BundleExperiment;
  readonly config: ExperimentConfig;
  readonly spec: SearchSpec;
  readonly trials: readonly BundleTrial[];
  readonly runs: readonly BundleRun[];
  readonly verdicts: readonly BundleVerdict[];
  /** Of metrics. */
  readonly names: readonly string[];
  /** What the search came to, where its log can be decided again here with the same answers. */
  readonly search: { readonly state: SearchState; readonly events: number } | null;
}

/** @throws ContrailError invalid_bundle */
export async function checkBundle(source: BundleSource): Promise<CheckedBundle> {
  const experiment = await source.object(EXPERIMENT_FILE, bundleExperiment);
  const { origin } = source.manifest;
  if (experiment.id !== origin.experiment)
    throw invalidBundle(
      EXPERIMENT_FILE,
      `is experiment ${experiment.id}, not ${origin.experiment}`,
    );
  const { config, spec } = configOf(experiment);
  const trials = await trialsOf(source);
  const runs = await runsOf(source, new Set(trials.map(({ number }) => number)));
  const known = new Set(runs.map(({ trial, run }) => `${trial}.${run}`));
  const ofTrial = {
    known: new Set(trials.map(({ number }) => String(number))),
    of: ({ trial }: { trial: number }) => String(trial),
  };
  await checkOrder(source, "decision", ({ trial, seq }) => [trial, seq], ofTrial);
  const ofRun = {
    known,
    of: ({ trial, run }: { trial: number; run: number }) => `${trial}.${run}`,
  };
  await checkOrder(source, "report", ({ trial, run, seq }) => [trial, run, seq], ofRun);
  const environments = await checkEnvironments(source);
  await checkOrder(
    source,
    "record",
    ({ trial, run, source }) => [trial, run, source],
    ofRun,
    (row) => {
      if (row.environment !== null && !environments.has(row.environment))
        throw invalidBundle(
          BUNDLE_PARTS.record.file,
          `environment ${row.environment} is not there`,
        );
    },
  );
  const verdicts: BundleVerdict[] = [];
  await checkOrder(
    source,
    "verdict",
    ({ trial, at }) => [trial, Date.parse(at)],
    ofTrial,
    (row) => verdicts.push(row),
  );
  await checkOrder(source, "checkpoint", (row) => [row.trial, row.step, row.run, row.id], ofRun);
  await checkLog(source, known);
  expectCount(source, "audit", await checkAudit(source, BUNDLE_PARTS.audit.file, experiment.id));
  const names = await checkPoints(source, experiment.id, known);
  const search = await searchOf(source, spec);
  return { experiment, config, spec, trials, runs, verdicts, names, search };
}

/**
 * What the server works with is made anew from what people wrote: nobody's word is taken for its inside. Only where
 * their words held over a template or over defaults, which stayed behind, the resolved configuration says it all.
 */
function configOf(experiment: BundleExperiment): { config: ExperimentConfig; spec: SearchSpec } {
  const layered = ["layers", "pool_defaults"].some((key) => key in experiment.provenance);
  const reading = layered
    ? checkConfigValue(withOwnPool(experiment))
    : readConfig(experiment.config_text);
  if (!reading.ok) {
    const [first] = reading.issues;
    throw invalidBundle(
      EXPERIMENT_FILE,
      `${layered ? "config" : "config_text"} cannot be read by this version of Contrail: ${first?.message}`,
    );
  }
  const { seed, name, workspace, project } = experiment;
  if (!(Number.isSafeInteger(seed) && seed >= 0))
    throw invalidBundle(EXPERIMENT_FILE, `the seed is ${seed}`);
  const config: ExperimentConfig = {
    ...reading.config,
    ...{ name: name.slice(0, 200), workspace, project },
    reproducibility: { ...reading.config.reproducibility, experiment_seed: seed },
  };
  try {
    const { search } = toSearch(config, seed);
    return { config, spec: { ...search, ...startIn(experiment, search) } };
  } catch (error) {
    throw invalidBundle(EXPERIMENT_FILE, (error as Error).message);
  }
}

/** At which step its trials began, which no text of people says: only the checkpoint that they name had it. */
function startIn(
  { search_spec: told }: BundleExperiment,
  search: SearchSpec,
): Pick<SearchSpec, "startStep"> {
  const { startStep } = (told ?? {}) as { startStep?: Json };
  if (typeof startStep !== "number" || !Number.isSafeInteger(startStep)) return {};
  return startStep > 0 && startStep < firstRung(search) ? { startStep } : {};
}

/** The pool that was chosen is one of the other server; only what people wrote means anything here. */
function withOwnPool({ config, config_text: text }: BundleExperiment): JsonObject {
  const pool = (resources: Json | undefined) =>
    (resources as JsonObject | null | undefined)?.resource_pool ?? null;
  const written = pool(writtenIn(openConfig(text)).resources);
  return { ...config, resources: { ...(config.resources as JsonObject), resource_pool: written } };
}

async function trialsOf(source: BundleSource): Promise<BundleTrial[]> {
  const { file } = BUNDLE_PARTS.trial;
  const trials: BundleTrial[] = [];
  for await (const trial of source.lines("trial")) {
    trials.push(trial);
    if (trials.length > TRIALS_MAX) throw invalidBundle(file, `has more than ${TRIALS_MAX} trials`);
  }
  expectCount(source, "trial", trials.length);
  const wanted = source.manifest.origin.trials;
  for (const [i, { number }] of trials.entries()) {
    if (number !== wanted[i] || number <= (trials[i - 1]?.number ?? 0))
      throw invalidBundle(file, `trial ${number} stands where the manifest has ${wanted[i]}`);
  }
  return trials;
}

async function runsOf(source: BundleSource, trials: ReadonlySet<number>): Promise<BundleRun[]> {
  const runs: BundleRun[] = [];
  let last: readonly number[] = [];
  for await (const run of source.lines("run")) {
    const key = [run.trial, run.run];
    if (!trials.has(run.trial) || compare(last, key) >= 0)
      throw invalidBundle(
        BUNDLE_PARTS.run.file,
        `run ${run.run} of trial ${run.trial} is of no trial in the bundle, or out of order`,
      );
    last = key;
    runs.push(run);
  }
  expectCount(source, "run", runs.length);
  return runs;
}

type Part = Parameters<BundleSource["lines"]>[0];
type Row<P extends Part> =
  ReturnType<typeof BundleSource.prototype.lines<P>> extends AsyncGenerator<infer R> ? R : never;

function expectCount(source: BundleSource, part: Part | "points", found: number): void {
  const wanted = source.manifest.counts[part];
  if (found === wanted) return;
  const file = part === "points" ? METRICS_FILE : BUNDLE_PARTS[part].file;
  throw invalidBundle(file, `has ${found}, and the manifest says ${wanted}`);
}

/** Strictly upwards, and of what is known. */
async function checkOrder<P extends Part>(
  source: BundleSource,
  part: P,
  key: (row: Row<P>) => readonly (number | string)[],
  { known, of }: { known: ReadonlySet<string>; of: (row: Row<P>) => string },
  take: (row: Row<P>) => void = () => undefined,
): Promise<void> {
  let last: readonly (number | string)[] = [];
  let count = 0;
  for await (const row of source.lines(part)) {
    count += 1;
    const own = key(row as Row<P>);
    const where = `${BUNDLE_PARTS[part].file} line ${count}`;
    if (!known.has(of(row as Row<P>)))
      throw invalidBundle(where, `is of ${of(row as Row<P>)}, which the bundle does not have`);
    if (compare(last, own) >= 0) throw invalidBundle(where, "is out of order, or there twice");
    last = own;
    take(row as Row<P>);
  }
  expectCount(source, part, count);
}

function compare(a: readonly (number | string)[], b: readonly (number | string)[]): number {
  for (const [i, value] of b.entries()) {
    const other = a[i];
    if (other === undefined || other < value) return -1;
    if (other > value) return 1;
  }
  return 0;
}

/** @returns their hashes */
async function checkEnvironments(source: BundleSource): Promise<Set<string>> {
  const { file } = BUNDLE_PARTS.environment;
  const hashes = new Set<string>();
  for await (const { hash, document } of source.lines("environment")) {
    // As it will be stored; whoever recorded it named what was stored there.
    if (environmentHash(storableJson(document)) !== hash)
      throw invalidBundle(file, `environment ${hash} is not what its hash says`);
    if (hashes.has(hash)) throw invalidBundle(file, `environment ${hash} is there twice`);
    hashes.add(hash);
  }
  expectCount(source, "environment", hashes.size);
  return hashes;
}

async function checkLog(source: BundleSource, known: ReadonlySet<string>): Promise<void> {
  const last = new Map<string, number>();
  let count = 0;
  for await (const { trial, run, line, bytes, text } of source.lines("log")) {
    count += 1;
    const where = `${BUNDLE_PARTS.log.file} line ${count}`;
    const of = `${trial}.${run}`;
    if (!known.has(of)) throw invalidBundle(where, `is of ${of}, which the bundle does not have`);
    if (line <= (last.get(of) ?? 0)) throw invalidBundle(where, "is out of order, or there twice");
    if (bytes !== undefined && Buffer.from(bytes, "base64").toString("utf8") !== text)
      throw invalidBundle(where, "shows another text than its bytes give");
    last.set(of, line);
  }
  expectCount(source, "log", count);
}

/** @returns how many events there are */
export async function checkAudit(
  source: BundleSource,
  file: string,
  experiment: number,
): Promise<number> {
  let last: { seq: number; hash: string } | undefined;
  let count = 0;
  for await (const event of source.linesOf(file, BUNDLE_PARTS.audit.schema)) {
    count += 1;
    const { seq, hash, previous, experiment: experimentId, ...fields } = event;
    const where = `${file} line ${count}`;
    const found = linkHash(Buffer.from(previous, "hex"), { seq, experimentId, ...fields });
    if (found.toString("hex") !== hash)
      throw invalidBundle(where, `event ${seq} does not give the hash that it carries`);
    if (experimentId !== experiment)
      throw invalidBundle(where, `event ${seq} is of another experiment`);
    if (last !== undefined && seq <= last.seq)
      throw invalidBundle(where, `event ${seq} stands behind event ${last.seq}`);
    if (last?.seq === seq - 1 && previous !== last.hash)
      throw invalidBundle(where, `event ${seq} does not follow event ${last.seq}`);
    last = event;
  }
  return count;
}

/** @returns the names of metrics */
async function checkPoints(
  source: BundleSource,
  experiment: number,
  known: ReadonlySet<string>,
): Promise<string[]> {
  const names = new Set<string>();
  /** Of the trial that is read: a name's points stand together. */
  const done = new Set<string>();
  let last: Parameters<typeof compare>[0] = [];
  let name: string | undefined;
  let trial = 0;
  let count = 0;
  for await (const points of source.points())
    for (const point of points) {
      count += 1;
      const fault = (text: string) => invalidBundle(`${METRICS_FILE} point ${count}`, text);
      const of = `${point.trial}.${point.run}`;
      if (point.experiment !== experiment || !known.has(of))
        throw fault(`is of ${point.experiment}.${of}, which the bundle does not have`);
      if (point.trial !== trial || point.name !== name) {
        if (point.trial !== trial) done.clear();
        if (point.trial < trial || done.has(point.name)) throw fault("is out of order");
        ({ trial, name } = point);
        last = [];
        done.add(name);
        if (name.length > METRIC_CHARS_MAX) throw fault("has a name that is too long");
        names.add(name);
        if (names.size > NAMES_MAX) throw fault(`is of the ${NAMES_MAX + 1}th metric`);
      }
      const key = [point.step, point.run, point.seq];
      if (compare(last, key) >= 0) throw fault("is out of order, or there twice");
      last = key;
      if (!key.every(Number.isSafeInteger) || !bundleTime.safeParse(point.time).success)
        throw fault("has a number or a time that is none");
    }
  expectCount(source, "points", count);
  return [...names];
}

/** A log that this version answers differently is kept as it is; nothing depends on its being decided alike. */
async function searchOf(source: BundleSource, spec: SearchSpec): Promise<CheckedBundle["search"]> {
  const { file } = BUNDLE_PARTS.search;
  let replay: Replay | undefined = new Replay(spec);
  let events = 0;
  for await (const { seq, at_ms: atMs, event, actions } of source.lines("search")) {
    events += 1;
    if (seq !== events) throw invalidBundle(file, `event ${seq} stands where ${events} should be`);
    try {
      const parting = replay?.take({
        ...{ seq, atMs, event: reviveExact(structuredClone(event)) as SearchEvent },
        actions: reviveExact(structuredClone(actions)) as unknown as SearchAction[],
      });
      if (parting) replay = undefined;
    } catch (error) {
      if (!(error instanceof AssertionFailed || error instanceof TypeError)) throw error;
      replay = undefined;
    }
  }
  expectCount(source, "search", events);
  return replay ? { state: replay.state, events } : null;
}

/** The best of those trials that came along: the experiment's own may not be among them. */
export function bestOf({ trials, config }: CheckedBundle) {
  const sign = config.searcher.smaller_is_better ? 1 : -1;
  let best: { trial: number; step: number; value: number } | null = null;
  for (const { number, best: own } of trials) {
    if (own === null) continue;
    const value = fromWire(own.objective);
    if (Number.isNaN(value)) continue;
    if (best === null || sign * value < sign * best.value)
      best = { trial: number, step: own.step, value };
  }
  return best;
}
