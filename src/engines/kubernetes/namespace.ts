/** The objects of one namespace, as far as a job needs them: made once, found again, told to go. */

import { MAIN_CONTAINER } from "../../protocol/pod-spec.ts";
import { JobRefused } from "../job-engine.ts";
import { ApiFault, type KubernetesApi } from "./api.ts";
import { jobName, LABELS } from "./job-objects.ts";
import { OUTPUT_LINES, OUTPUT_MAX_BYTES } from "./last-words.ts";
import type { ConfigMap, KubernetesObject, Pod } from "./objects.ts";

export class Namespace {
  readonly #api: KubernetesApi;
  readonly #name: string;

  constructor(api: KubernetesApi, name: string) {
    this.#api = api;
    this.#name = name;
  }

  path(kind: string, name?: string): string {
    return `/api/v1/namespaces/${this.#name}/${kind}${name === undefined ? "" : `/${name}`}`;
  }

  /** The copy that a watch keeps would never say that the API is gone. @throws EngineUnreachable */
  async answers(): Promise<void> {
    await this.#api.text({ method: "GET", path: "/readyz" }).catch((error: unknown) => {
      // Not everybody may ask, and to be told so is an answer.
      if (!(error instanceof ApiFault)) throw error;
    });
  }

  /** Makes it, or finds that it is there: then it has to be this job's. @throws JobRefused, ApiFault, EngineUnreachable */
  async create<T extends KubernetesObject>(
    kind: string,
    manifest: T,
  ): Promise<{ readonly object: T; readonly wasThere: boolean }> {
    const { name, labels } = manifest.metadata;
    try {
      const path = this.path(kind);
      const object = await this.#api.json<T>({ method: "POST", path, body: manifest });
      return { object, wasThere: false };
    } catch (error) {
      if (!(error instanceof ApiFault && error.reason === "AlreadyExists")) throw error;
      // Nobody needs the right to read secrets, and their name has the record's own id.
      if (kind === "secrets") return { object: manifest, wasThere: true };
      const object = await this.#api.json<T>({ method: "GET", path: this.path(kind, name) });
      for (const label of [LABELS.owner, LABELS.allocation])
        if (object.metadata.labels?.[label] !== labels?.[label])
          throw new JobRefused(
            `${kind}/${name} is there already in namespace ${this.#name} and does not carry ${label}=${labels?.[label]}: it is somebody else's, and nothing was done to it`,
          );
      return { object, wasThere: true };
    }
  }

  async patchRecord(record: ConfigMap, data: Readonly<Record<string, string>>): Promise<ConfigMap> {
    const path = this.path("configmaps", record.metadata.name);
    return await this.#api.json<ConfigMap>({ method: "PATCH", path, body: { data } });
  }

  /** @returns undefined where there is none, or one of somebody else's */
  async record(owner: string, id: string): Promise<ConfigMap | undefined> {
    const found = await this.#find<ConfigMap>("configmaps", jobName(owner, id));
    const labels = found?.metadata.labels;
    const isOurs = labels?.[LABELS.owner] === owner && labels[LABELS.allocation] === id;
    return isOurs ? found : undefined;
  }

  pod(name: string): Promise<Pod | undefined> {
    return this.#find<Pod>("pods", name);
  }

  async #find<T>(kind: string, name: string): Promise<T | undefined> {
    const path = this.path(kind, name);
    return await this.#api.json<T>({ method: "GET", path }).catch((error: unknown) => {
      // A proxy that has lost its way says 404 of everything, and that would be proof of a job's end.
      if (error instanceof ApiFault && error.reason === "NotFound") return undefined;
      throw error;
    });
  }

  /** @returns undefined where there is none: no container yet, no pod any more, a node that does not answer */
  async log(pod: string): Promise<string | undefined> {
    const query = {
      container: MAIN_CONTAINER,
      tailLines: OUTPUT_LINES,
      limitBytes: OUTPUT_MAX_BYTES,
    };
    const path = `${this.path("pods", pod)}/log`;
    const sent = { method: "GET", path, query, once: true } as const;
    return await this.#api.text(sent).catch((error: unknown) => {
      if (error instanceof ApiFault) return undefined;
      throw error;
    });
  }

  /** One that is gone is as it was wanted; so is another of the same name, which is not ours to delete. */
  async delete(kind: string, { metadata }: KubernetesObject, options: object): Promise<void> {
    const body = {
      ...{ apiVersion: "v1", kind: "DeleteOptions", ...options },
      preconditions: { uid: metadata.uid },
    };
    const path = this.path(kind, metadata.name);
    await this.#api.text({ method: "DELETE", path, body }).catch((error: unknown) => {
      if (!(error instanceof ApiFault && [404, 409].includes(error.code))) throw error;
    });
  }
}
