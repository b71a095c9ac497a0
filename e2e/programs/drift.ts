/**
 * A training program with a planted fault: from a step on it draws a number that no seed decides. Saves its weights as
 * an array file, so that a comparison can name the array.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as contrail from "contrail";

const trial = await contrail.init<{ drifts_from: number }>({ params: { drifts_from: 0 } });
const from = trial.params.drifts_from;
const weights = new Float32Array(8);

const HEADER_BYTES = 128;

/** NumPy's format, version 1. */
const save = (folder: string): void => {
  const description = `{'descr': '<f4', 'fortran_order': False, 'shape': (${weights.length},), }`;
  const head = Buffer.alloc(HEADER_BYTES, " ");
  head.write("\x93NUMPY\x01\x00", "latin1");
  head.writeUInt16LE(HEADER_BYTES - 10, 8);
  head.write(description, 10);
  head.write("\n", HEADER_BYTES - 1);
  writeFileSync(join(folder, "weights.npy"), Buffer.concat([head, Buffer.from(weights.buffer)]));
};
const restore = (folder: string): void => {
  const bytes = readFileSync(join(folder, "weights.npy")).subarray(HEADER_BYTES);
  for (let i = 0; i < weights.length; i++) weights[i] = bytes.readFloatLE(4 * i);
};

for await (const step of trial.steps({ restore, save })) {
  for (let i = 0; i < weights.length; i++) weights[i] = ((trial.seed % 97) + step * i) / 8;
  if (from > 0 && step >= from) weights[5] = Math.random();
  trial.report(step, { loss: 1 / step });
  await trial.checkpoint(step, save, { always: true });
}
