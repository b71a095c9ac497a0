/**
 * What the runner of a pool of containers has to know, as a file beside its other files: written by the engine before the
 * runner starts, and read at each launch, so that a changed limit holds from the next trial on.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { writePrivate } from "../runner-record.ts";

export interface ContainerSettings {
  /** Of the engine. */
  readonly socket: string;
  /** The network of a trial. */
  readonly network: string;
  /** Whom programs run as. */
  readonly user: { readonly uid: number; readonly gid: number };
  /** Limits for each slot; null = none. */
  readonly cpusPerSlot: number | null;
  readonly memoryPerSlotBytes: number | null;
  /** The maker's id of each slot that is a GPU, by the slot's id. */
  readonly devices: Readonly<Record<string, string>>;
}

/** @param state the runner's folder */
export const settingsFile = (state: string): string => join(state, "containers.json");

export const writeSettings = (path: string, settings: ContainerSettings): void =>
  writePrivate(path, `${JSON.stringify(settings, null, 2)}\n`);

/** @throws the file system's error */
export const readSettings = (path: string): ContainerSettings =>
  JSON.parse(readFileSync(path, "utf8")) as ContainerSettings;
