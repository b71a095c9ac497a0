/** Where a file comes from, asked by its content. */
import { z } from "zod";
import { count, hash, time } from "./common.ts";

/** The experiment that made something, as far as where it comes from is the question. */
const maker = z.object({
  id: z.int(),
  name: z.string(),
  owner: z.string(),
  /** Who submitted it: of one that was imported, where it was trained. */
  author: z.string(),
  state: z.string(),
  /** Its code snapshot. */
  code: hash.nullable(),
  /** Name in `data` → the dataset version that was resolved at submission; `foreign` where an import left it as none here. */
  data: z.record(z.string(), z.json()),
  /** What the client could tell of where it comes from: folder, command line, host, git facts. */
  provenance: z.record(z.string(), z.json()),
});

export const whence = z.object({
  hash,
  /** Of the file; null where the hash is that of a whole snapshot. */
  size: count.nullable(),
  /** Whether its bytes are still here. */
  stored: z.boolean(),
  /** Runs that saved it, the first of them first. */
  checkpoints: z.array(
    z.object({
      id: hash,
      trial: z.string(),
      run: count,
      step: count,
      /** What the file is called in it; null = the checkpoint itself, or its list of files is gone with its bytes. */
      path: z.string().nullable(),
      created_at: time,
      deleted: z.object({ at: time, why: z.string() }).nullable(),
      experiment: maker,
    }),
  ),
  /** Experiments in whose code it is. */
  code: z.array(z.object({ path: z.string().nullable(), created_at: time, experiment: maker })),
  datasets: z.array(
    z.object({
      name: z.string(),
      version: count,
      snapshot: hash,
      path: z.string().nullable(),
      created_by: z.string(),
      created_at: time,
      /** Experiments that were given this version, the newest first, a hundred at most. */
      used_by: z.array(z.int()),
    }),
  ),
});
export type Whence = z.infer<typeof whence>;
