/**
 * The engine for Kubernetes: a pod for each node of a job, made once and never started again by Kubernetes itself. What a job
 * is made of stands in `job-objects.ts`, what its pods say in `pod-state.ts`; here it is decided how the pods of one job add up.
 *
 * One pod that fails ends the job: the others are told to go, and the job is said to have ended as that first one did. The verdict is
 * written into the job's record before anything follows from it, so that a restart of the server comes to no other.
 *
 * Only objects under names and labels of ours are touched, and a name that somebody else has taken is refused.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Clock } from "../../base/clock.ts";
import {
  faultsOfOverlay,
  faultText,
  type JsonMap,
  MAIN_CONTAINER,
} from "../../protocol/pod-spec.ts";
import type { KubernetesPool } from "../../protocol/pools/fields.ts";
import {
  EngineUnreachable,
  type JobCapacity,
  JobDeferred,
  type JobEnd,
  type JobEngine,
  type JobObservation,
  JobRefused,
  type JobRequest,
} from "../job-engine.ts";
import { ApiFault, KubernetesApi } from "./api.ts";
import { ClusterSlots } from "./cluster-slots.ts";
import {
  LABELS,
  type PodSettings,
  podManifest,
  podName,
  rankOf,
  readRecord,
  recordManifest,
  secretManifest,
  serviceManifest,
} from "./job-objects.ts";
import { readClusterAccess } from "./kubeconfig.ts";
import { LastWords } from "./last-words.ts";
import { Namespace } from "./namespace.ts";
import type { ConfigMap, KubernetesObject, Pod } from "./objects.ts";
import { endOfGonePod, endOfLostPod, viewPod } from "./pod-state.ts";
import { translated } from "./refusals.ts";
import { WatchedList } from "./watched-list.ts";

export interface KubernetesWorld {
  readonly clock: Clock;
  /** KUBECONFIG, HOME, and what programs that give out credentials need. */
  readonly environment: NodeJS.ProcessEnv;
}

/** Of `JobRequest.extra`. */
export const KUBERNETES_WORDS = ["image", "force_pull_image", "pod_spec"] as const;

/** Beyond its grace a pod of a lost node is not waited for. */
const LOST_AFTER_MS = 10_000;

export function kubernetesEngine(settings: KubernetesPool, world: KubernetesWorld): JobEngine {
  return new KubernetesEngine(settings, world);
}

class KubernetesEngine implements JobEngine {
  readonly name = "kubernetes";
  readonly clearsByLooks = true;
  readonly #settings: KubernetesPool;
  readonly #clock: Clock;
  readonly #api: KubernetesApi;
  readonly #namespace: Namespace;
  readonly #slots: ClusterSlots;
  readonly #jobs = new Map<string, OwnersJobs>();

  constructor(settings: KubernetesPool, { clock, environment }: KubernetesWorld) {
    this.#settings = settings;
    this.#clock = clock;
    const { kubeconfig, context } = settings;
    const access = () => readClusterAccess({ kubeconfig, context, environment });
    this.#api = new KubernetesApi({ clock, environment, access });
    this.#namespace = new Namespace(this.#api, settings.namespace);
    this.#slots = new ClusterSlots(this.#api, clock, settings);
  }

  capacity(): Promise<JobCapacity> {
    return translated("its nodes cannot be listed", () => this.#slots.capacity());
  }

  async launch(request: JobRequest): Promise<{ readonly adopted: boolean }> {
    const launched = async () => {
      // What the pool or its nodes have become since says nothing about pods that are there.
      if (await this.#isUnderWay(request)) return { adopted: true };
      const pod = this.#podSettings(request);
      await this.#slots.refuseTooLarge(request);
      const manifest = recordManifest(request, pod);
      const { object: record, wasThere } = await this.#namespace.create<ConfigMap>(
        "configmaps",
        manifest,
      );
      const jobs = this.#jobsOf(request.owner);
      jobs.records.note(record);
      if (isBegun(record)) return { adopted: true };
      try {
        await this.#createAll(request, pod, record, jobs);
      } catch (error) {
        // What was made of it goes with its record. Nothing of it has been told to anybody.
        if (error instanceof ApiFault || error instanceof JobDeferred)
          await this.#deleteJob(record);
        throw error;
      }
      jobs.records.note(await this.#namespace.patchRecord(record, { started: "true" }));
      return { adopted: wasThere };
    };
    const { id, nodes } = request;
    return await translated(`job ${id} cannot be launched`, launched, { pods: nodes });
  }

  async #isUnderWay({ owner, id }: JobRequest): Promise<boolean> {
    const record = await this.#namespace.record(owner, id);
    if (record === undefined || !isBegun(record)) return false;
    this.#jobsOf(owner).records.note(record);
    return true;
  }

  async #createAll(
    request: JobRequest,
    settings: PodSettings,
    record: ConfigMap,
    jobs: OwnersJobs,
  ): Promise<void> {
    if (request.files.length > 0) {
      const read = async (name: string) =>
        [name, await readFile(join(request.folder, name))] as const;
      const files = new Map(await Promise.all(request.files.map(read)));
      await this.#namespace.create("secrets", secretManifest(request, record, files));
    }
    if (request.nodes > 1) {
      const service = serviceManifest(request, record);
      deferWhereLeft("service", [await this.#namespace.create("services", service)], record);
    }
    const ranks = Array.from({ length: request.nodes }, (_, rank) => rank);
    const made = await Promise.all(
      ranks.map((rank) =>
        this.#namespace.create<Pod>("pods", podManifest(request, rank, settings, record)),
      ),
    );
    deferWhereLeft("pod", made, record);
    for (const { object } of made) jobs.pods.note(object);
  }

  #podSettings(request: JobRequest): PodSettings {
    const { extra } = request;
    const known: readonly string[] = KUBERNETES_WORDS;
    const unknown = Object.keys(extra).filter((word) => !known.includes(word));
    const overlay = extra.pod_spec ?? {};
    const faults = [
      ...unknown.map(
        (word) => `Kubernetes knows nothing of "${word}"; it knows ${known.join(", ")}.`,
      ),
      ...faultsOfOverlay(this.#settings.pod_spec).map((fault) => faultText("pod_spec", fault)),
      ...faultsOfOverlay(overlay).map((fault) => faultText("environment.pod_spec", fault)),
    ];
    if (faults.length > 0) throw new JobRefused(faults.join("\n"));
    const settings = this.#settings;
    return {
      namespace: settings.namespace,
      slotType: settings.slot_type,
      gpuResource: settings.gpu_resource,
      cpusPerSlot: settings.cpus_per_slot,
      memoryPerSlot: settings.memory_per_slot,
      graceS: settings.grace,
      overlays: [settings.pod_spec as JsonMap, overlay as JsonMap],
      image: typeof extra.image === "string" ? extra.image : settings.image,
      pull: extra.force_pull_image === true ? "Always" : null,
    };
  }

  list(owner: string): Promise<ReadonlyMap<string, JobObservation>> {
    return translated("its pods cannot be listed", async () => {
      const jobs = this.#jobsOf(owner);
      const found = await this.#look(jobs);
      const observed = await Promise.all(
        [...found].map(async ([id, job]) => [id, await this.#observe(job, jobs)] as const),
      );
      return new Map(
        observed.filter(([, observation]) => observation !== undefined),
      ) as ReadonlyMap<string, JobObservation>;
    });
  }

  async #look(jobs: OwnersJobs): Promise<Map<string, SeenJob>> {
    await this.#namespace.answers();
    // Records first: one that says that its pods were made is then older than the list in which they are looked for.
    const records = await jobs.records.current();
    const pods = await jobs.pods.current();
    const found = new Map<string, SeenJob>();
    for (const record of records.values()) {
      const id = record.metadata.labels?.[LABELS.allocation];
      if (id !== undefined) found.set(id, { record, pods: new Map() });
    }
    for (const pod of pods.values()) {
      const job = found.get(pod.metadata.labels?.[LABELS.allocation] ?? "");
      // Of an earlier try to launch it, which ended with its own record: it says nothing of this one.
      if (job !== undefined && isOwnedBy(pod, job.record)) job.pods.set(rankOf(pod), pod);
    }
    // Of jobs whose record was deleted, pods and all.
    for (const [name, pod] of jobs.gone)
      if (!found.has(pod.metadata.labels?.[LABELS.allocation] ?? "")) jobs.gone.delete(name);
    return found;
  }

  /** @returns undefined for one that has been over for long, whose objects are taken away */
  async #observe(job: SeenJob, jobs: OwnersJobs): Promise<JobObservation | undefined> {
    const record = readRecord(job.record);
    if (record.end !== undefined)
      return await this.#afterwards(job, record.end, record.endedMs, jobs);
    const ranks = await Promise.all(
      Array.from({ length: record.nodes }, (_, rank) => this.#rank(job, rank, jobs)),
    );
    const ends = ranks.map(({ end }) => end);
    const failed = ends.find((end) => end !== undefined && !isGood(end));
    const over = ends.every((end) => end !== undefined);
    if (record.cancelled) {
      if (!over) return await this.#leaving(job, "Contrail told it to go", jobs);
      const told = ends.find((end) => end?.code !== null || end.signal !== null) ?? ends[0];
      const { code = null, signal = null, text = "" } = told ?? {};
      const how = code === null && signal === null ? "before its command ran" : text;
      return await this.#decide(job, { cause: "cancelled", code, signal, text: how }, jobs);
    }
    if (failed !== undefined) return await this.#decide(job, failed, jobs);
    if (over) return await this.#decide(job, ends[0] as JobEnd, jobs);
    if (!record.started && ranks.every(({ pod }) => pod === undefined))
      return { state: "queued", why: "its pods are being made" };
    return this.#alive(
      ranks.flatMap(({ pod }) => pod ?? []),
      record.nodes,
    );
  }

  /** The pod of a rank as it is, and how it ended. */
  async #rank(
    job: SeenJob,
    rank: number,
    jobs: OwnersJobs,
  ): Promise<{ readonly pod?: Pod; readonly end?: JobEnd }> {
    const name = podName(job.record.metadata.name, rank);
    const { started, cancelled } = readRecord(job.record);
    const last = jobs.gone.get(name);
    const known = job.pods.get(rank);
    if (known === undefined && last !== undefined && isOwnedBy(last, job.record))
      return { end: endOfGonePod(last) };
    if (known === undefined && !started && !cancelled) return {};
    // Another server may have made it a moment ago: it is gone when Kubernetes itself says so.
    const pod = known ?? (await this.#namespace.pod(name));
    if (pod === undefined) {
      const text = `the pod ${name} is gone from Kubernetes, and nobody saw how`;
      return { end: { cause: "node_lost", code: null, signal: null, text } };
    }
    const view = viewPod(pod);
    if (view.state === "ended") return { pod, end: view.end };
    const lost = endOfLostPod(pod, this.#clock.nowMs(), LOST_AFTER_MS);
    if (lost !== undefined) return { pod, end: lost };
    const end = this.#neverStarts(name, view.state === "waiting" ? view.trouble : undefined, jobs);
    return { pod, ...(end === undefined ? {} : { end }) };
  }

  /** What Kubernetes would try for ever, an image that is not there, is given up after a time. */
  #neverStarts(
    name: string,
    trouble: { readonly text: string; readonly isFinal: boolean } | undefined,
    jobs: OwnersJobs,
  ): JobEnd | undefined {
    if (trouble === undefined) {
      jobs.troubledMs.delete(name);
      return undefined;
    }
    const nowMs = this.#clock.monotonicMs();
    const sinceMs = jobs.troubledMs.get(name) ?? nowMs;
    jobs.troubledMs.set(name, sinceMs);
    const limitS = this.#settings.start_limit;
    if (!trouble.isFinal && nowMs - sinceMs < limitS * 1000) return undefined;
    const text = trouble.isFinal ? trouble.text : `${trouble.text} (for ${limitS} s)`;
    return { cause: "never_started", code: null, signal: null, text };
  }

  #alive(pods: readonly Pod[], nodes: number): JobObservation {
    const views = pods.map(viewPod);
    const leaving = views.find((view) => view.state === "leaving");
    const where = pods.flatMap(({ spec }) => spec.nodeName ?? []);
    if (leaving !== undefined) return { state: "ending", why: leaving.why, nodes: where };
    const waiting = views.filter((view) => view.state === "waiting");
    if (waiting.length === 0 && pods.length === nodes) return { state: "running", nodes: where };
    const whys = [...new Set(waiting.map(({ why }) => why))].join("; ");
    const of = nodes > 1 ? `${nodes - waiting.length} of ${nodes} pods run; ` : "";
    return { state: "queued", why: `${of}${whys || "its pods are being made"}` };
  }

  /** Writes down how it ended, and only then lets anything follow. */
  async #decide(job: SeenJob, end: JobEnd, jobs: OwnersJobs): Promise<JobObservation | undefined> {
    const endedMs = this.#clock.nowMs();
    const ended_at = new Date(endedMs).toISOString();
    const record = await this.#namespace.patchRecord(job.record, {
      end: JSON.stringify(end),
      ended_at,
    });
    jobs.records.note(record);
    return await this.#afterwards({ ...job, record }, end, endedMs, jobs);
  }

  /** Whatever of it is still there is told to go; ended it is when nothing of it runs. */
  async #afterwards(
    job: SeenJob,
    end: JobEnd,
    endedMs: number | undefined,
    jobs: OwnersJobs,
  ): Promise<JobObservation | undefined> {
    const nowMs = this.#clock.nowMs();
    const left = [...job.pods.values()].filter(
      (pod) => !isOver(pod) && endOfLostPod(pod, nowMs, LOST_AFTER_MS) === undefined,
    );
    if (left.length > 0) {
      await this.#deletePods(left, jobs);
      const running = left.filter((pod) => viewPod(pod).state !== "ended");
      const nodes = running.flatMap(({ spec }) => spec.nodeName ?? []);
      if (running.length > 0) return { state: "ending", why: end.text, nodes };
    }
    if (nowMs - (endedMs ?? nowMs) <= this.#settings.keep_ended * 1000)
      return { state: "ended", end };
    await this.#deleteJob(job.record);
    return undefined;
  }

  async #leaving(job: SeenJob, why: string, jobs: OwnersJobs): Promise<JobObservation> {
    const left = [...job.pods.values()].filter((pod) => !isOver(pod));
    await this.#deletePods(left, jobs);
    return { state: "ending", why, nodes: left.flatMap(({ spec }) => spec.nodeName ?? []) };
  }

  async signal(owner: string, id: string, signal: "SIGTERM" | "SIGUSR1"): Promise<void> {
    await translated(`job ${id} cannot be signalled`, async () => {
      const job = (await this.#look(this.#jobsOf(owner))).get(id);
      const running = [...(job?.pods.values() ?? [])].filter(
        (pod) => viewPod(pod).state === "running",
      );
      await Promise.all(running.map((pod) => this.#signalPod(pod.metadata.name, signal)));
    });
  }

  async #signalPod(name: string, signal: string): Promise<void> {
    // The command is the container's first process; a shell has `kill` in itself, and not every image the program.
    const command = ["sh", "-c", `kill -${signal.slice(3)} 1`];
    const path = `${this.#namespace.path("pods", name)}/exec`;
    let said: string;
    try {
      const { exitCode, text } = await this.#api.exec(path, MAIN_CONTAINER, command);
      // Whoever ends a container is ended with it, and may be before it can say that all went well.
      if (exitCode === 0 || (exitCode !== null && exitCode > 128)) return;
      said = text;
    } catch (error) {
      said = (error as Error).message;
    }
    const pod = await this.#namespace.pod(name);
    if (pod === undefined || viewPod(pod).state !== "running") return;
    throw new EngineUnreachable(`pod ${name} could not be sent ${signal}: ${said}`);
  }

  async cancel(owner: string, id: string): Promise<void> {
    await translated(`job ${id} cannot be cancelled`, async () => {
      const jobs = this.#jobsOf(owner);
      const job = (await this.#look(jobs)).get(id);
      if (job === undefined) return;
      // What has ended by itself is not ended by us.
      const observed = await this.#observe(job, jobs);
      if (observed === undefined || observed.state === "ended") return;
      const record = await this.#namespace.patchRecord(job.record, { cancelled: "true" });
      jobs.records.note(record);
      await this.#deletePods(
        [...job.pods.values()].filter((pod) => !isOver(pod)),
        jobs,
      );
    });
  }

  async output({ id, owner }: Pick<JobRequest, "id" | "owner">): Promise<string> {
    return await translated(`the log of job ${id} cannot be read`, async () => {
      const jobs = this.#jobsOf(owner);
      const job = (await this.#look(jobs)).get(id);
      if (job === undefined) return "";
      const { nodes } = readRecord(job.record);
      const texts = await Promise.all(
        Array.from({ length: nodes }, async (_, rank) => {
          const name = podName(job.record.metadata.name, rank);
          const text = (await this.#namespace.log(name)) ?? jobs.lastWords.of(name);
          return nodes > 1 && text !== "" ? `[node ${rank}]\n${text}` : text;
        }),
      );
      return texts.filter((text) => text !== "").join("\n");
    });
  }

  async close(): Promise<void> {
    for (const { pods, records, lastWords } of this.#jobs.values()) {
      pods.close();
      records.close();
      lastWords.close();
    }
    this.#api.close();
  }

  #jobsOf(owner: string): OwnersJobs {
    const known = this.#jobs.get(owner);
    if (known !== undefined) return known;
    const gone = new Map<string, Pod>();
    const common = {
      ...{ api: this.#api, clock: this.#clock },
      labelSelector: `${LABELS.owner}=${owner}`,
    };
    const lastWords = new LastWords(this.#api);
    const jobs: OwnersJobs = {
      gone,
      lastWords,
      troubledMs: new Map(),
      pods: new WatchedList<Pod>({
        ...common,
        path: this.#namespace.path("pods"),
        changed: (pod) => {
          if (pod.metadata.deletionTimestamp !== undefined) void this.#hearOut(pod, lastWords);
        },
        gone: (pod) => void gone.set(pod.metadata.name, pod),
      }),
      records: new WatchedList<ConfigMap>({
        ...common,
        path: this.#namespace.path("configmaps"),
        gone: ({ metadata, data }) => {
          for (let rank = 0; rank < Number(data?.nodes ?? 1); rank += 1) {
            gone.delete(podName(metadata.name, rank));
            lastWords.forget(podName(metadata.name, rank));
          }
        },
      }),
    };
    this.#jobs.set(owner, jobs);
    return jobs;
  }

  #hearOut(pod: Pod, lastWords: LastWords): Promise<void> {
    const { name } = pod.metadata;
    const isRunning = ["running", "leaving"].includes(viewPod(pod).state);
    return isRunning
      ? lastWords.follow(name, this.#namespace.path("pods", name))
      : Promise.resolve();
  }

  async #deletePods(pods: readonly Pod[], { lastWords }: OwnersJobs): Promise<void> {
    const asked = pods.filter(({ metadata }) => metadata.deletionTimestamp === undefined);
    await Promise.all(
      asked.map(async (pod) => {
        await this.#hearOut(pod, lastWords);
        const gracePeriodSeconds = Math.ceil(this.#settings.grace);
        await this.#namespace.delete("pods", pod, { gracePeriodSeconds });
      }),
    );
  }

  async #deleteJob(record: ConfigMap): Promise<void> {
    await this.#namespace.delete("configmaps", record, { propagationPolicy: "Background" });
  }
}

interface OwnersJobs {
  readonly pods: WatchedList<Pod>;
  readonly records: WatchedList<ConfigMap>;
  /** Pods that Kubernetes has no longer, as they were last seen, while their record is there. */
  readonly gone: Map<string, Pod>;
  readonly lastWords: LastWords;
  /** Since when a pod cannot start, monotonic. */
  readonly troubledMs: Map<string, number>;
}

interface SeenJob {
  readonly record: ConfigMap;
  /** By rank. */
  readonly pods: Map<number, Pod>;
}

const isGood = (end: JobEnd): boolean => end.cause === "exited" && end.code === 0;

/** Launching it again would change nothing. */
function isBegun(record: ConfigMap): boolean {
  const { started, cancelled, end } = readRecord(record);
  return started || cancelled || end !== undefined;
}

const isOwnedBy = ({ metadata }: KubernetesObject, record: ConfigMap): boolean =>
  metadata.ownerReferences?.some(({ uid }) => uid === record.metadata.uid) === true;

/** What a try made that a quota ended is going with that one's record. @throws JobDeferred */
function deferWhereLeft(
  kind: string,
  found: readonly { readonly object: KubernetesObject }[],
  record: ConfigMap,
): void {
  const left = found.find(({ object }) => !isOwnedBy(object, record))?.object.metadata.name;
  if (left !== undefined)
    throw new JobDeferred(`the ${kind} ${left} of an earlier try to launch it is not gone yet`);
}

/** The pod itself is over, its sidecars too. */
const isOver = (pod: Pod): boolean =>
  pod.status?.phase === "Succeeded" || pod.status?.phase === "Failed";
