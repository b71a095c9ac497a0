/**
 * Knows a model file by its first bytes, whatever its name, and reads what is in it. A file that only looks like one is
 * not an error: it is compared by its bytes, with the reason.
 */
import { type ByteSource, readRange } from "./byte-source.ts";
import type { ModelFile } from "./model-items.ts";
import { isNpz, looksLikeNpy, readNpy, readNpz } from "./numpy-file.ts";
import { looksLikeSafetensors, readSafetensors } from "./safetensors.ts";
import { readTorchFile, torchFolder } from "./torch-file.ts";
import { Unreadable } from "./unreadable.ts";
import { looksLikeZip, readZip } from "./zip.ts";

export type Reading =
  | { readonly model: ModelFile }
  /** Why a file that looks like a model was not read as one; null: it does not look like one. */
  | { readonly model: null; readonly note: string | null };

const HEAD_BYTES = 16;
const MODEL_NAME = /\.(?:safetensors|pt|pth|ckpt|npy|npz)$/i;

export async function readModelFile(source: ByteSource, path: string): Promise<Reading> {
  try {
    const model = await readByContent(source);
    if (model !== undefined) return { model };
    const note = MODEL_NAME.test(path) ? `${path} is not in the format that its name says` : null;
    return { model: null, note };
  } catch (error) {
    if (!(error instanceof Unreadable)) throw error;
    return { model: null, note: `${path} was not read as a model: ${error.message}` };
  }
}

async function readByContent(source: ByteSource): Promise<ModelFile | undefined> {
  const end = Math.min(HEAD_BYTES, source.size);
  const head = await readRange(source, { start: 0, end, bytesMax: HEAD_BYTES });
  if (looksLikeNpy(head)) return readNpy(source);
  if (looksLikeSafetensors(head, source.size)) return readSafetensors(source);
  if (!looksLikeZip(head)) return undefined;
  const entries = await readZip(source);
  const folder = torchFolder(entries);
  if (folder !== undefined) return readTorchFile(source, entries, folder);
  return isNpz(entries) ? readNpz(source, entries) : undefined;
}
