/**
 * What pods print while they leave. Kubernetes takes a pod's log away with the pod, and one that is evicted or cancelled has its
 * most telling lines at the very end. So the log of a pod that was told to go is followed until it is gone, and its end is
 * kept; all others can be asked for theirs, and following every pod from its start would cost a connection each.
 */

import { MAIN_CONTAINER } from "../../protocol/pod-spec.ts";
import { ApiFault, type KubernetesApi } from "./api.ts";

export const OUTPUT_LINES = 200;
export const OUTPUT_MAX_BYTES = 64 * 1024;

export class LastWords {
  readonly #api: KubernetesApi;
  readonly #texts = new Map<string, string>();
  readonly #opened = new Map<string, Promise<void>>();
  readonly #letGo = new AbortController();

  constructor(api: KubernetesApi) {
    this.#api = api;
  }

  /**
   * Follows the log of a running pod from its last lines on. Trouble means that they are lost, and nothing else.
   * @param path of the pod
   * @returns when the log is open, or will not be
   */
  follow(name: string, path: string): Promise<void> {
    const known = this.#opened.get(name);
    if (known !== undefined) return known;
    const opened = new Promise<void>((resolve) => {
      const query = { container: MAIN_CONTAINER, follow: true, tailLines: OUTPUT_LINES };
      this.#api
        .follow(`${path}/log`, query, this.#letGo.signal, (text) => {
          const whole = (this.#texts.get(name) ?? "") + text;
          this.#texts.set(name, whole.slice(-OUTPUT_MAX_BYTES));
          resolve();
        })
        .catch((error: unknown) => {
          // It has not started, or the connection broke: whoever asks again may try again.
          if (!(error instanceof ApiFault)) this.#opened.delete(name);
        })
        .finally(resolve);
    });
    this.#opened.set(name, opened);
    return opened;
  }

  of(name: string): string {
    return this.#texts.get(name) ?? "";
  }

  forget(name: string): void {
    this.#texts.delete(name);
    this.#opened.delete(name);
  }

  close(): void {
    this.#letGo.abort();
  }
}
