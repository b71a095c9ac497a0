/**
 * Asks nvidia-smi for the GPUs of this machine, and tells a machine that has none from one that does not say: an answer that is
 * late or a driver that is ill must not make a pool of cores out of a machine with GPUs.
 */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import type { Clock } from "../../base/clock.ts";

export type GpuAnswer =
  /** Lines for `parseNvidiaSmi`. */
  | { readonly list: string }
  | { readonly none: string }
  /** There may be some. */
  | { readonly unknown: string };

const ARGS = ["--query-gpu=index,uuid,name,memory.total", "--format=csv,noheader"];
/** Without its persistence daemon the driver is loaded for each question, which takes some seconds a GPU. */
const LIMIT_MS = 60_000;
/** What every program opens that uses a GPU. A container without GPUs has none, though /proc there tells of its host's driver. */
const DEVICE = "/dev/nvidiactl";

/** @param failure why it could not be asked, or what it said @returns why there is no GPU; undefined where that is not known */
export function whyNoGpu(failure: string, hasDevice = existsSync(DEVICE)): string | undefined {
  if (!hasDevice && /could not be started|ENOENT/.test(failure))
    return "there is neither nvidia-smi nor an NVIDIA device on this machine";
  return /No devices were found/i.test(failure) ? "nvidia-smi finds none" : undefined;
}

export function askNvidiaSmi(clock: Clock, env: NodeJS.ProcessEnv): Promise<GpuAnswer> {
  return new Promise((resolve) => {
    const child = execFile("nvidia-smi", ARGS, { env }, (error, stdout, stderr) => {
      cancel();
      if (error === null) return resolve({ list: stdout });
      const said = `${stderr}${stdout}`.trim().replaceAll(/\s+/g, " ");
      const why = said === "" ? error.message : said;
      const none = whyNoGpu(why);
      resolve(none === undefined ? { unknown: `nvidia-smi says: ${why}` } : { none });
    });
    // One that waits for a driver that hangs does not end when it is killed: it is not waited for.
    const cancel = clock.after(LIMIT_MS, () => {
      child.kill("SIGKILL");
      child.unref();
      resolve({ unknown: `nvidia-smi did not answer within ${LIMIT_MS / 1000} s` });
    });
  });
}
