/**
 * The model as a whole: network, generator and vocabulary of languages, trained an epoch at a time, saved
 * and loaded.
 *
 * A checkpoint is `model.json` (choices, languages, epochs done, the generator's state) beside one raw file
 * of little-endian 32-bit floats a table: parameters and the optimizer's memory alike. Nothing that the next
 * epoch depends on is left out, so going on from one gives the very bytes that never pausing gives.
 */
import { readFile, writeFile } from "node:fs/promises";
import { endianness } from "node:os";
import { join } from "node:path";
import { type Example, readMeta, readSplit, type Split } from "./data.ts";
import { hashNames } from "./features.ts";
import { type Labelled, Network, type Score } from "./network.ts";
import type { Parameters } from "./parameters.ts";
import { type Generator, resume, seeded } from "./random.ts";

interface Header {
  readonly version: 1;
  readonly parameters: Parameters;
  readonly languages: readonly string[];
  readonly epochs: number;
  readonly generator: readonly number[];
}

export class Model {
  readonly parameters: Parameters;
  /** The place is the class. */
  readonly languages: readonly string[];
  readonly network: Network;
  #generator: Generator;
  #epochs = 0;

  /** A model that knows nothing yet. */
  constructor(parameters: Parameters, languages: readonly string[], seed: number) {
    this.parameters = parameters;
    this.languages = languages;
    this.#generator = seeded(seed);
    this.network = new Network({
      classes: languages.length,
      buckets: parameters.features.buckets,
      hidden: parameters.hidden,
      activation: parameters.activation,
      optimizer: { name: parameters.optimizer, momentum: parameters.momentum ?? 0 },
    });
    this.network.initialise(this.#generator);
  }

  /** Epochs trained so far. */
  get epochs(): number {
    return this.#epochs;
  }

  /** Strings as this model sees them. @throws Error for a language that it does not know */
  label(examples: readonly Example[]): Labelled {
    const { ngram_max, buckets } = this.parameters.features;
    const classes = new Map(this.languages.map((language, index) => [language, index]));
    return {
      features: hashNames(
        examples.map((example) => example.name),
        { ngramMax: ngram_max, buckets },
      ),
      labels: Uint16Array.from(examples, ({ language }) => {
        const index = classes.get(language);
        if (index === undefined)
          throw new Error(
            `language ${language} is in the data and not in the model, which knows ${this.languages.length} others; use the data set it was trained on`,
          );
        return index;
      }),
    };
  }

  /** One more pass; returns the mean loss on the way. */
  trainEpoch(train: Labelled): number {
    const { learning_rate, rate_decay, dropout } = this.parameters;
    const rate = learning_rate * rate_decay ** this.#epochs;
    const loss = this.network.trainEpoch(train, this.#generator, { rate, dropout });
    this.#epochs++;
    return loss;
  }

  score(data: Labelled): Score {
    return this.network.score(data);
  }

  async save(folder: string): Promise<void> {
    const header: Header = {
      version: 1,
      parameters: this.parameters,
      languages: this.languages,
      epochs: this.#epochs,
      generator: this.#generator.state(),
    };
    for (const [name, array] of this.#arrays())
      await writeFile(join(folder, name), new Uint8Array(array.buffer));
    await writeFile(join(folder, "model.json"), `${JSON.stringify(header)}\n`);
  }

  /** Takes over what `save` wrote. @throws Error when the files are of another shape */
  async restore(folder: string): Promise<void> {
    const header = await readHeader(folder);
    for (const [name, array] of this.#arrays()) {
      const bytes = await readFile(join(folder, name));
      if (bytes.byteLength !== array.byteLength)
        throw new Error(
          `${join(folder, name)}: ${bytes.byteLength} bytes where this model has ${array.byteLength}; it was saved with other hyperparameters`,
        );
      new Uint8Array(array.buffer).set(bytes);
    }
    this.#generator = resume(header.generator);
    this.#epochs = header.epochs;
  }

  /** File name and content of every array with something in it. */
  #arrays(): [string, Float32Array<ArrayBuffer>][] {
    if (endianness() !== "LE")
      throw new Error("checkpoints are little-endian floats and this machine is big-endian");
    const tables = { embedding: this.network.embedding, output: this.network.output };
    return Object.entries(tables).flatMap(([table, { arrays }]) =>
      Object.entries(arrays)
        .filter(([, array]) => array.length > 0)
        .map(([name, array]): [string, Float32Array<ArrayBuffer>] => [
          `${table}.${name}.f32`,
          array,
        ]),
    );
  }
}

/** The model in a checkpoint's folder. */
export async function loadModel(folder: string): Promise<Model> {
  const { parameters, languages } = await readHeader(folder);
  const model = new Model(parameters, languages, 0);
  await model.restore(folder);
  return model;
}

async function readHeader(folder: string): Promise<Header> {
  const path = join(folder, "model.json");
  const header: Header = JSON.parse(await readFile(path, "utf8"));
  if (header.version !== 1)
    throw new Error(`${path}: version ${header.version}, this code reads 1`);
  return header;
}

/** A new model for the set in `folder`, and those of its sides that are asked for. */
export async function prepare<S extends Split>(
  folder: string,
  parameters: Parameters,
  { seed, splits }: { readonly seed: number; readonly splits: readonly S[] },
): Promise<{ model: Model; data: { readonly [split in S]: Labelled } }> {
  const { languages } = await readMeta(folder);
  const model = new Model(parameters, languages, seed);
  const sides = splits.map(async (split) => [split, model.label(await readSplit(folder, split))]);
  return { model, data: Object.fromEntries(await Promise.all(sides)) };
}
