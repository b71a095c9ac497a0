/**
 * The typed client of the HTTP API: one method a route, over fetch. Types come from `protocol` and
 * vanish at run time, so loading this costs a few milliseconds and works in a browser too; answers
 * are trusted to be what the server's own schemas let out.
 *
 * Only what may safely be sent twice is sent again (reads, uploads by content, creations under an
 * idempotency key), on what passes (remote-error.ts), a bounded number of times. Everything else fails
 * at the first trouble and leaves the choice to the caller.
 *
 * Long because it is one class with one method a route, each a line or two: callers hold one thing and look for nothing.
 */
import type { z } from "zod";
import type { Clock } from "../base/clock.ts";
import { type Content, ContentError, type OpenContent } from "../base/content.ts";
import type { JsonObject } from "../base/json.ts";
import type * as api from "../protocol/api.ts";
import type { BundleLine } from "../protocol/bundle.ts";
import type { Problem } from "../protocol/errors.ts";
import { withFailure } from "./answer-body.ts";
import { type Point, readPoints } from "./points.ts";
import {
  brokeOff,
  isPassing,
  isStillAwaited,
  notContrail,
  RemoteError,
  timedOut,
  unreachable,
} from "./remote-error.ts";
import { type FollowOptions, followEvents, pause, type ServerSentEvent } from "./sse.ts";

export interface Page<T> {
  readonly items: T[];
  readonly next_cursor: string | null;
}
export interface PageQuery {
  readonly cursor?: string | undefined;
  readonly limit?: number | undefined;
}
export interface ExperimentsQuery extends PageQuery {
  readonly state?: string | undefined;
  readonly label?: string | undefined;
  readonly show?: "current" | "archived" | "deleted" | undefined;
  /** As in docs/filters.md. */
  readonly filter?: string | undefined;
  /** e.g. "name", "-best". */
  readonly sort?: string | undefined;
}
export interface LogsQuery extends PageQuery {
  readonly tail?: number | undefined;
  /** Of a trial: what this one of its runs wrote. */
  readonly run?: number | undefined;
  readonly rank?: number | undefined;
  readonly stream?: "stdout" | "stderr" | undefined;
  readonly contains?: string | undefined;
  readonly since?: string | undefined;
  readonly until?: string | undefined;
  readonly from?: string | undefined;
}
export interface MetricsQuery {
  readonly names?: string | undefined;
  readonly from_step?: number | undefined;
  readonly to_step?: number | undefined;
  readonly points?: number | undefined;
  readonly superseded?: boolean | undefined;
}
/** Which points: of these experiments and trials, or of the experiments that a filter finds, or all. */
export interface PointsQuery {
  /** Such as "3,4.12"; this or `filter`. */
  readonly ids?: string | undefined;
  /** As in docs/filters.md. */
  readonly filter?: string | undefined;
  /** With commas between them. */
  readonly names?: string | undefined;
  readonly from_step?: number | undefined;
  readonly to_step?: number | undefined;
  /** Also those in whose place a later report counts. */
  readonly superseded?: boolean | undefined;
}
export type PointFormat = "parquet" | "csv" | "arrow";
export interface CurvesQuery {
  readonly metric?: string | undefined;
  readonly points?: number | undefined;
  readonly limit?: number | undefined;
  readonly from_step?: number | undefined;
  readonly to_step?: number | undefined;
}
export interface AuditQuery extends PageQuery {
  readonly experiment?: number | undefined;
  readonly trial?: string | undefined;
  readonly actor?: string | undefined;
  readonly what?: string | undefined;
  readonly since?: string | undefined;
  readonly until?: string | undefined;
  readonly order?: "newest" | "oldest" | undefined;
}
export interface AuditVerifyQuery {
  readonly after_seq?: number | undefined;
  readonly after_hash?: string | undefined;
  readonly expect_seq?: number | undefined;
  readonly expect_hash?: string | undefined;
  readonly limit?: number | undefined;
}
export type Token = z.infer<typeof api.token>;
export type CreateToken = z.input<typeof api.createTokenRequest>;
export type CreatedToken = z.infer<typeof api.createTokenReply>;
export type CreateExperiment = z.input<typeof api.createExperimentRequest>;
export type CreateReplay = z.input<typeof api.createReplayRequest>;
export type CreateFork = z.input<typeof api.createForkRequest>;
export type UpdateExperiment = z.input<typeof api.updateExperimentRequest>;
export type CreateDataset = z.input<typeof api.createDatasetRequest>;
export type VerifyDataset = z.input<typeof api.verifyDatasetRequest>;
export interface DatasetName {
  readonly name: string;
  readonly version: number | "latest";
}
export interface DatasetsQuery extends PageQuery {
  readonly name?: string | undefined;
  readonly removed?: boolean | undefined;
}
/** What is kept by version: a template, or the defaults of a workspace. */
export type KeptKind = "template" | "workspace";
export type Login = z.infer<typeof api.loginRequest>;
export type Verb = "activate" | "pause" | "cancel" | "kill";

export interface ClientOptions {
  /** Where the server listens, e.g. http://127.0.0.1:4747 */
  readonly url: string;
  readonly token?: string | undefined;
  readonly clock: Clock;
  /** A fresh idempotency key. */
  readonly newKey: () => string;
  readonly fetch?: typeof globalThis.fetch;
  /** How often a request that may be sent again is sent at most; 1 = never again. */
  readonly attemptsMax?: number;
  /** For the headers of an answer. */
  readonly timeoutMs?: number;
}

type Bytes = NonNullable<RequestInit["body"]> | Content;

/** `duplex` is what Node asks for with a stream; browsers' types lack it. */
type SentInit = RequestInit & { duplex?: "half" };

const isContent = (bytes: Bytes | undefined): bytes is Content =>
  typeof bytes === "object" && "open" in bytes;

interface Call {
  readonly query?: object | undefined;
  /** Sent as JSON. */
  readonly body?: unknown;
  readonly bytes?: Bytes;
  /** May be sent twice without harm; reads always may. */
  readonly safe?: boolean;
  /** The server has it under way once, however often it is asked, so an answer that takes long is asked for again. */
  readonly isShared?: boolean;
  readonly key?: string | undefined;
  readonly headers?: Record<string, string>;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal | undefined;
}

const ATTEMPTS_MAX = 4;
const TIMEOUT_MS = 60_000;
/** It looks at every checkpoint, and at every file. */
const GC_TIMEOUT_MS = 600_000;
/** Finding the trials of many experiments; what follows may take as long as it has bytes. */
const EXPORT_TIMEOUT_MS = 300_000;
/** Ten million points take minutes. */
const IMPORT_TIMEOUT_MS = 3_600_000;
/** Long enough for one large blob over a slow line, and for one larger than that at the slowest that is waited for. */
const BLOB_TIMEOUT_MS = 3_600_000;
const BLOB_MIN_BYTES_PER_MS = 100;

export class Client {
  readonly url: string;
  readonly #options: ClientOptions;

  constructor(options: ClientOptions) {
    this.url = options.url.replace(/\/+$/, "");
    this.#options = options;
  }

  // ---- the server, access

  health(): Promise<api.Health> {
    return this.#json("GET", "/health");
  }
  server(): Promise<api.ServerInfo> {
    return this.#json("GET", "/server");
  }
  me(): Promise<{ user: string; scope: string }> {
    return this.#json("GET", "/me");
  }
  login(body: Login): Promise<api.LoginReply> {
    return this.#json("POST", "/login", { body });
  }
  /** Signs a browser in: the token comes as a cookie that this code never sees. */
  openSession(body: Login): Promise<api.Session> {
    return this.#json("POST", "/session", { body });
  }
  session(): Promise<api.Session> {
    return this.#json("GET", "/session");
  }
  async closeSession(): Promise<void> {
    await this.#send("DELETE", "/session", {});
  }
  signInLink(): Promise<api.SignInLink> {
    return this.#json("POST", "/session/links", { body: {} });
  }
  /** Whether the program of a shell or notebook answers. */
  taskReadiness(id: number): Promise<api.TaskReadiness> {
    return this.#json("GET", `/tasks/${id}/readiness`);
  }
  /** A link that lets one browser in, once. */
  openTask(id: number): Promise<api.TaskLink> {
    return this.#json("POST", `/tasks/${id}/open`, { body: {} });
  }
  tokens(query: PageQuery = {}): Promise<Page<Token>> {
    return this.#json("GET", "/tokens", { query });
  }
  createToken(body: CreateToken): Promise<CreatedToken> {
    return this.#json("POST", "/tokens", { body });
  }
  async revokeToken(id: string): Promise<void> {
    await this.#send("DELETE", `/tokens/${part(id)}`, { safe: true });
  }
  async setPassword(password: string): Promise<void> {
    await this.#send("PUT", "/me/password", { body: { password }, safe: true });
  }
  openapi(): Promise<unknown> {
    return this.#json("GET", "/openapi.json");
  }
  /** @param trials what becomes of training that runs: "stop" ends it, "keep" leaves it to the runner */
  async shutdown(trials: "stop" | "keep"): Promise<void> {
    await this.#send("POST", "/shutdown", { body: { trials } });
  }

  // ---- content

  async missingBlobs(hashes: readonly string[]): Promise<string[]> {
    const reply = await this.#json<{ missing: string[] }>("POST", "/blobs/missing", {
      body: { hashes },
      safe: true,
    });
    return reply.missing;
  }
  /** @throws ContentError where the content cannot be read to its end */
  async putBlob(hash: string, bytes: Bytes, signal?: AbortSignal): Promise<void> {
    const size = isContent(bytes) ? bytes.size : 0;
    const timeoutMs = BLOB_TIMEOUT_MS + size / BLOB_MIN_BYTES_PER_MS;
    await this.#send("PUT", `/blobs/${part(hash)}`, { bytes, safe: true, signal, timeoutMs });
  }
  /** @returns the bytes as they arrive; the caller checks the hash */
  async getBlob(hash: string, signal?: AbortSignal): Promise<ReadableStream<Uint8Array>> {
    const timeoutMs = BLOB_TIMEOUT_MS;
    return this.#bytes("GET", `/blobs/${part(hash)}`, { signal, timeoutMs });
  }
  createDataset(body: CreateDataset): Promise<api.CreateDatasetReply> {
    // By content: the second time finds the version of the first.
    return this.#json("POST", "/datasets", { body, safe: true });
  }
  datasets(query: DatasetsQuery = {}): Promise<Page<api.Dataset>> {
    return this.#json("GET", "/datasets", { query });
  }
  dataset(of: DatasetName): Promise<api.DatasetDetail> {
    return this.#json("GET", datasetPath(of));
  }
  /** One stretch, `after` what an earlier one ended with. */
  verifyDataset(of: DatasetName, body: VerifyDataset = {}): Promise<api.VerifyDatasetReply> {
    const call = { body, safe: true, isShared: true, timeoutMs: BLOB_TIMEOUT_MS };
    return this.#json("POST", `${datasetPath(of)}/verify`, call);
  }
  /** @param force `name@version`: also when experiments used it */
  removeDataset(of: DatasetName, force?: string): Promise<api.RemoveDatasetReply> {
    return this.#json("DELETE", datasetPath(of), { query: { force }, safe: true });
  }

  // ---- templates and defaults of workspaces

  layers(kind: KeptKind, query: PageQuery & { name?: string } = {}): Promise<Page<api.Layer>> {
    return this.#json("GET", `/${kind}s`, { query });
  }
  layer(kind: KeptKind, name: string, version?: number): Promise<api.LayerDetail> {
    return this.#json("GET", `/${kind}s/${part(name)}`, { query: { version } });
  }
  setLayer(kind: KeptKind, name: string, config: string): Promise<api.SetLayerReply> {
    // The same text again is the version that it was.
    return this.#json("PUT", `/${kind}s/${part(name)}`, { body: { config }, safe: true });
  }
  removeLayer(kind: KeptKind, name: string): Promise<api.RemoveLayerReply> {
    return this.#json("DELETE", `/${kind}s/${part(name)}`, {});
  }

  // ---- experiments

  createExperiment(body: CreateExperiment, key?: string): Promise<api.CreateExperimentReply> {
    return this.#json("POST", "/experiments", {
      body,
      key: key ?? this.#options.newKey(),
      safe: true,
    });
  }
  /** A runnable copy of `3` or `3.12`, from what the server holds. */
  fork(body: CreateFork, key?: string): Promise<api.CreateForkReply> {
    return this.#json("POST", "/forks", {
      body,
      key: key ?? this.#options.newKey(),
      safe: true,
    });
  }
  /** In what two runs are not the same, each such as `3` or `3.12`. */
  diff(a: string, b: string): Promise<api.DiffReply> {
    return this.#json("GET", "/diff", { query: { a, b } });
  }
  /** Runs a trial again from its record, or says why that could prove nothing. */
  replay(trial: string, body: CreateReplay = {}, key?: string): Promise<api.CreateReplayReply> {
    return this.#json("POST", `/trials/${part(trial)}/replays`, {
      body,
      key: key ?? this.#options.newKey(),
      safe: true,
    });
  }
  /** The newest first. */
  async verdicts(trial: string): Promise<api.Verdict[]> {
    const path = `/trials/${part(trial)}/verdicts`;
    return (await this.#json<{ items: api.Verdict[] }>("GET", path)).items;
  }
  experiments(query: ExperimentsQuery = {}): Promise<Page<api.Experiment>> {
    return this.#json("GET", "/experiments", { query });
  }
  experiment(id: number): Promise<api.ExperimentDetail> {
    return this.#json("GET", `/experiments/${id}`);
  }
  /** Of what is left out nothing changes. */
  updateExperiment(id: number, body: UpdateExperiment): Promise<api.Experiment> {
    return this.#json("PATCH", `/experiments/${id}`, { body, safe: true });
  }
  /** Like a dry run of a creation without code, whose refusal is an answer rather than an error. */
  checkExperiment(config: string): Promise<api.CheckExperimentReply> {
    return this.#json("POST", "/experiments/check", { body: { config }, safe: true });
  }
  /** JSON Schema of the configuration, for editors. */
  configSchema(): Promise<JsonObject> {
    return this.#json("GET", "/schema/experiment");
  }
  changeExperiment(id: number, verb: Verb): Promise<api.Experiment> {
    return this.#json("POST", `/experiments/${id}/${verb}`, { body: {} });
  }
  /** On experiments that have ended, each by itself; what is so already is left so. */
  actOnExperiments(
    act: api.ExperimentAct,
    ids: readonly number[],
  ): Promise<api.ExperimentsActReply> {
    return this.#json("POST", `/experiments/${act}`, { body: { ids }, safe: true });
  }
  experimentTrials(
    id: number,
    query: PageQuery & {
      state?: string | undefined;
      verdict?: string | undefined;
      order?: "number" | "best" | undefined;
    } = {},
  ): Promise<Page<api.Trial>> {
    return this.#json("GET", `/experiments/${id}/trials`, { query });
  }
  async rungs(id: number): Promise<api.Rung[]> {
    return (await this.#json<{ items: api.Rung[] }>("GET", `/experiments/${id}/rungs`)).items;
  }
  curves(id: number, query: CurvesQuery = {}): Promise<api.CurvesReply> {
    return this.#json("GET", `/experiments/${id}/curves`, { query });
  }
  experimentAllocations(
    id: number,
    query: PageQuery = {},
  ): Promise<Page<api.ExperimentAllocation>> {
    return this.#json("GET", `/experiments/${id}/allocations`, { query });
  }
  experimentDecisions(id: number, query: PageQuery = {}): Promise<Page<api.ExperimentDecision>> {
    return this.#json("GET", `/experiments/${id}/decisions`, { query });
  }
  experimentProgress(
    id: number,
    query: { readonly points?: number | undefined } = {},
  ): Promise<api.ProgressReply> {
    return this.#json("GET", `/experiments/${id}/progress`, { query });
  }
  experimentChanges(id: number, query: PageQuery = {}): Promise<Page<api.Change>> {
    return this.#json("GET", `/experiments/${id}/changes`, { query });
  }
  /** What a search was asked for, and how long its log is. */
  searchLogHead(id: number): Promise<api.SearchLogHead> {
    return this.#json("GET", `/experiments/${id}/search`);
  }
  /** What it was told and what it answered, oldest first. */
  searchLog(id: number, query: PageQuery = {}): Promise<Page<api.SearchLogEntry>> {
    return this.#json("GET", `/experiments/${id}/search/log`, { query });
  }
  experimentCheckpoints(id: number, query: PageQuery = {}): Promise<Page<api.Checkpoint>> {
    return this.#json("GET", `/experiments/${id}/checkpoints`, { query });
  }
  experimentLogs(id: number, query: LogsQuery = {}): Promise<Page<api.LogEntry>> {
    return this.#json("GET", `/experiments/${id}/logs`, { query });
  }
  /** Follows an experiment over cuts until it is over. */
  async *experimentStream(
    id: number,
    options: Pick<FollowOptions, "signal" | "onCut"> = {},
  ): AsyncGenerator<api.StreamEvent> {
    for await (const { event, data } of this.#follow(`/experiments/${id}/stream`, {}, options)) {
      if (event === "experiment" || event === "trials" || event === "rungs" || event === "end")
        yield { event, data: JSON.parse(data) } as api.StreamEvent;
    }
  }

  /** Follows all experiments over cuts, until the signal: those that are not over, then each that changed. */
  async *experimentsStream(
    options: Pick<FollowOptions, "signal" | "onCut"> = {},
  ): AsyncGenerator<api.Experiment[]> {
    for await (const { event, data } of this.#follow("/experiments/stream", {}, options))
      if (event === "experiments") yield JSON.parse(data) as api.Experiment[];
  }

  /** Everything that is stored of an experiment or one of its trials, line by line; the last line is `end`. */
  async *bundle(id: number, trial?: number): AsyncGenerator<BundleLine> {
    const call = { query: { trial }, timeoutMs: EXPORT_TIMEOUT_MS };
    const decoder = new TextDecoder();
    let rest = "";
    for await (const bytes of await this.#bytes("GET", `/experiments/${id}/bundle`, call)) {
      const lines = (rest + decoder.decode(bytes, { stream: true })).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) yield JSON.parse(line) as BundleLine;
    }
  }

  /** @param manifest the text of the bundle's manifest.json, after its files were sent as blobs */
  importBundle(manifest: string): Promise<api.ImportReply> {
    // By content: the second time finds the experiment of the first. By key: while that goes on it waits for its answer.
    const key = this.#options.newKey();
    const body = { manifest };
    const call = { body, key, safe: true, isShared: true, timeoutMs: IMPORT_TIMEOUT_MS };
    return this.#json("POST", "/experiments/import", call);
  }
  importOrigin(id: number): Promise<api.ImportOrigin> {
    return this.#json("GET", `/experiments/${id}/import`);
  }

  // ---- trials, checkpoints

  trial(id: string): Promise<api.TrialDetail> {
    return this.#json("GET", `/trials/${part(id)}`);
  }
  changeTrial(id: string, verb: Verb): Promise<api.Trial> {
    return this.#json("POST", `/trials/${part(id)}/${verb}`, { body: {} });
  }
  metrics(id: string, query: MetricsQuery = {}): Promise<api.MetricsReply> {
    return this.#json("GET", `/trials/${part(id)}/metrics`, { query });
  }
  /** Every point, never thinned, as the bytes of a file that is made while it arrives. */
  async exportMetrics(
    format: PointFormat,
    query: PointsQuery = {},
    signal?: AbortSignal,
  ): Promise<ReadableStream<Uint8Array>> {
    const call = { query: { format, ...query }, signal, timeoutMs: EXPORT_TIMEOUT_MS };
    return this.#bytes("GET", "/metrics/export", call);
  }
  /** The same points one by one, some thousands at a time. */
  async *points(query: PointsQuery = {}, signal?: AbortSignal): AsyncGenerator<Point[]> {
    yield* readPoints(await this.exportMetrics("csv", query, signal));
  }
  trialLogs(id: string, query: LogsQuery = {}): Promise<Page<api.LogEntry>> {
    return this.#json("GET", `/trials/${part(id)}/logs`, { query });
  }
  logExtent(id: string): Promise<api.LogExtent> {
    return this.#json("GET", `/trials/${part(id)}/logs/extent`);
  }
  /** Follows the output of an experiment or a trial, from its beginning or after `cursor`, to its end. */
  async *logStream(
    subject: { experiment: number } | { trial: string },
    query: LogsQuery = {},
    options: Pick<FollowOptions, "signal" | "onCut"> = {},
  ): AsyncGenerator<api.LogEntry[]> {
    const base =
      "trial" in subject ? `/trials/${part(subject.trial)}` : `/experiments/${subject.experiment}`;
    for await (const { event, data } of this.#follow(`${base}/logs/stream`, query, options)) {
      if (event === "log") yield JSON.parse(data) as api.LogEntry[];
    }
  }
  /** @param query.run which of its allocations; absent = the last */
  trialRecord(id: string, query: { run?: number | undefined } = {}): Promise<api.TrialRecord> {
    return this.#json("GET", `/trials/${part(id)}/record`, { query });
  }
  environment(hash: string): Promise<api.EnvironmentReply> {
    return this.#json("GET", `/environments/${part(hash)}`);
  }
  trialCheckpoints(id: string, query: PageQuery = {}): Promise<Page<api.Checkpoint>> {
    return this.#json("GET", `/trials/${part(id)}/checkpoints`, { query });
  }
  checkpoint(id: string): Promise<api.CheckpointDetail> {
    return this.#json("GET", `/checkpoints/${part(id)}`);
  }

  /** @param experiment only there, where the same content was saved in several */
  pinCheckpoint(id: string, pinned: boolean, experiment?: number): Promise<api.PinReply> {
    const body = experiment === undefined ? {} : { experiment };
    const path = `/checkpoints/${part(id)}/${pinned ? "pin" : "unpin"}`;
    return this.#json("POST", path, { body, safe: true });
  }

  // ---- storage

  /** What a run would delete; nothing is changed. */
  gcPlan(query: { experiment?: number | undefined } = {}): Promise<api.GcPlan> {
    return this.#json("GET", "/gc", { query, isShared: true, timeoutMs: GC_TIMEOUT_MS });
  }
  /** Asks for a run; one that is under way is the one. */
  startGc(): Promise<api.GcRun> {
    return this.#json("POST", "/gc/run", { body: {}, safe: true });
  }
  gcRun(): Promise<api.GcRun> {
    return this.#json("GET", "/gc/run");
  }

  // ---- slots, jobs

  async runners(): Promise<api.Runner[]> {
    return (await this.#json<{ items: api.Runner[] }>("GET", "/runners")).items;
  }

  async pools(): Promise<api.Pool[]> {
    return (await this.#json<{ items: api.Pool[] }>("GET", "/pools")).items;
  }
  async slots(): Promise<api.Slot[]> {
    return (await this.#json<{ items: api.Slot[] }>("GET", "/slots")).items;
  }
  async jobs(): Promise<api.Job[]> {
    return (await this.#json<{ items: api.Job[] }>("GET", "/jobs")).items;
  }

  // ---- the log, why

  audit(query: AuditQuery = {}): Promise<Page<api.AuditChange>> {
    return this.#json("GET", "/audit", { query });
  }
  auditEvent(seq: number): Promise<api.AuditChange> {
    return this.#json("GET", `/audit/${seq}`);
  }
  /** One stretch of the chain; `complete` says whether there is more after `last`. */
  auditVerify(query: AuditVerifyQuery = {}): Promise<api.AuditVerdict> {
    return this.#json("GET", "/audit/verify", { query });
  }
  /** What content of this SHA-256 was ever saved, used or added as. */
  lineage(thing: string, query: { readonly depth?: number } = {}): Promise<api.Lineage> {
    return this.#json("GET", `/lineage/${part(thing)}`, { query });
  }
  ideas(query: { readonly filter?: string; readonly limit?: number } = {}): Promise<api.Ideas> {
    return this.#json("GET", "/ideas", { query });
  }
  markThread(request: z.input<typeof api.createThreadRequest>): Promise<api.Thread> {
    return this.#json("POST", "/threads", { body: request });
  }
  unmarkThread(id: number): Promise<api.Thread> {
    return this.#json("DELETE", `/threads/${id}`);
  }
  whence(hash: string): Promise<api.Whence> {
    return this.#json("GET", `/whence/${part(hash)}`);
  }
  why(kind: api.WhyKind, id: string): Promise<api.Why> {
    return this.#json("GET", `/why/${kind}/${part(id)}`);
  }

  // ---- how

  #json<T>(method: string, path: string, call: Call = {}): Promise<T> {
    // Read within an attempt: an answer that breaks off is asked for again like one that never came.
    return this.#again(method, call, async () => {
      const response = await this.#once(method, path, call);
      const text = await response.text().catch((error: unknown) => {
        throw this.#lost(error, call.signal);
      });
      try {
        return JSON.parse(text) as T;
      } catch {
        throw notContrail(`${method} ${this.url}${path}`, response.status, describe(text));
      }
    });
  }

  /** As they arrive; a connection that ends in the middle of them is a RemoteError to whoever reads. */
  async #bytes(method: string, path: string, call: Call): Promise<ReadableStream<Uint8Array>> {
    const { body } = await this.#send(method, path, call);
    if (body === null) return new Blob([]).stream();
    return withFailure(body, (error) => this.#lost(error, call.signal));
  }

  #send(method: string, path: string, call: Call): Promise<Response> {
    return this.#again(method, call, () => this.#once(method, path, call));
  }

  /** What to make of an answer that could not be read to its end. */
  #lost(error: unknown, signal: AbortSignal | undefined): unknown {
    return signal?.aborted ? error : brokeOff(this.url, error);
  }

  async #again<T>(method: string, call: Call, attemptOnce: () => Promise<T>): Promise<T> {
    const maySendAgain = method === "GET" || call.safe === true;
    const { attemptsMax = ATTEMPTS_MAX, clock } = this.#options;
    const sinceMs = clock.monotonicMs();
    for (let attempt = 1; ; attempt++) {
      try {
        return await attemptOnce();
      } catch (error) {
        const passing = error instanceof RemoteError && isPassing(error);
        if (!passing || !maySendAgain || attempt >= attemptsMax || call.signal?.aborted)
          throw error;
        if (call.isShared && isStillAwaited(error)) {
          const { timeoutMs = 0 } = call;
          if (clock.monotonicMs() - sinceMs >= timeoutMs)
            throw timedOut(`${method} at ${this.url}`, timeoutMs);
          attempt -= 1;
        }
        const waitMs = Math.min(error.retryAfterMs ?? 150 * 2 ** Math.max(attempt, 1), 5_000);
        await pause(this.#options.clock, waitMs, call.signal);
      }
    }
  }

  async #once(method: string, path: string, call: Call): Promise<Response> {
    const limitMs = call.timeoutMs ?? this.#options.timeoutMs ?? TIMEOUT_MS;
    const timeout = new AbortController();
    const cancel = this.#options.clock.after(limitMs, () => timeout.abort());
    const signal = call.signal ? AbortSignal.any([timeout.signal, call.signal]) : timeout.signal;
    try {
      return await this.#fetch(method, path, call, signal);
    } catch (error) {
      if (timeout.signal.aborted) throw timedOut(`${method} ${this.url}${path}`, limitMs);
      throw error;
    } finally {
      // Headers are here; what follows may take as long as it has bytes.
      cancel();
    }
  }

  async #fetch(method: string, path: string, call: Call, signal: AbortSignal): Promise<Response> {
    const { token, fetch = globalThis.fetch } = this.#options;
    const headers: Record<string, string> = { accept: "application/json", ...call.headers };
    if (token !== undefined) headers.authorization = `Bearer ${token}`;
    if (call.key !== undefined) headers["idempotency-key"] = call.key;
    if (call.body !== undefined) headers["content-type"] = "application/json";
    if (call.bytes !== undefined) headers["content-type"] = "application/octet-stream";
    const init: SentInit = { method, headers, signal, redirect: "error" };
    let opened: OpenContent | undefined;
    try {
      if (isContent(call.bytes)) {
        opened = await call.bytes.open();
        init.body = opened.body;
        // A stream has no length of its own, and is sent without waiting for the answer.
        headers["content-length"] = String(call.bytes.size);
        init.duplex = "half";
      } else if (call.bytes !== undefined) init.body = call.bytes;
      else if (call.body !== undefined) init.body = JSON.stringify(call.body);
      const response = await fetch(`${this.url}/api/v1${path}${queryOf(call.query)}`, init);
      if (!response.ok) throw await this.#refusal(method, path, response);
      return response;
    } catch (error) {
      if (signal.aborted || error instanceof RemoteError || error instanceof ContentError)
        throw error;
      const { cause } = error as Error;
      throw cause instanceof ContentError ? cause : unreachable(this.url, error);
    } finally {
      await opened?.close();
    }
  }

  async #refusal(method: string, path: string, response: Response): Promise<RemoteError> {
    const text = await response.text().catch(() => "");
    const after = Number(response.headers.get("retry-after") ?? "");
    try {
      const problem = JSON.parse(text) as Problem;
      if (typeof problem.code === "string" && typeof problem.detail === "string")
        return new RemoteError(problem, after > 0 ? { retryAfterMs: after * 1000 } : {});
    } catch {
      // Not JSON: said below, with what it is instead.
    }
    return notContrail(`${method} ${this.url}${path}`, response.status, describe(text));
  }

  #follow(
    path: string,
    query: object,
    options: Pick<FollowOptions, "signal" | "onCut">,
  ): AsyncGenerator<ServerSentEvent> {
    return followEvents({
      ...options,
      clock: this.#options.clock,
      endEvent: "end",
      open: async (lastEventId, signal) => {
        const headers: Record<string, string> = { accept: "text/event-stream" };
        if (lastEventId !== "") headers["last-event-id"] = lastEventId;
        const response = await this.#fetch("GET", path, { query, headers }, signal);
        return response.body ?? new Blob([]).stream();
      },
    });
  }
}

/** Every item of a paged list, page by page. */
export async function* eachItem<T>(
  next: (query: PageQuery) => Promise<Page<T>>,
  limit = 500,
): AsyncGenerator<T> {
  let cursor: string | undefined;
  do {
    const page = await next(cursor === undefined ? { limit } : { limit, cursor });
    yield* page.items;
    cursor = page.next_cursor ?? undefined;
  } while (cursor !== undefined);
}

const datasetPath = ({ name, version }: DatasetName): string =>
  `/datasets/${part(name)}/${version}`;

const part = (text: string): string => encodeURIComponent(text);

function queryOf(query: object | undefined): string {
  const pairs = new URLSearchParams();
  for (const [name, value] of Object.entries(query ?? {}))
    if (value !== undefined) pairs.set(name, String(value));
  const text = pairs.toString();
  return text === "" ? "" : `?${text}`;
}

const describe = (text: string): string =>
  text === "" ? "an empty body" : `a body that is no JSON of this API ("${text.slice(0, 80)}")`;
