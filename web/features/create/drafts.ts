/**
 * What a new experiment is begun with, and how it is checked and made: written from nothing, copied by hand from another
 * one, or forked from an experiment or a trial, where the server copies what it holds and says what differs.
 */
import type { Json } from "../../../src/base/json.ts";
import type { CreateExperimentReply, Experiment, Override } from "../../../src/protocol/api.ts";
import type { ProblemIssue } from "../../../src/protocol/errors.ts";
import type { Tree } from "../../../src/protocol/runner-wire.ts";
import { RemoteError } from "../../../src/sdk/remote-error.ts";
import { client } from "../../live/client.ts";
import { quoted } from "../../parts/command-line.tsx";
import { withItsData } from "./its-data.ts";

export interface Verdict {
  readonly accepted: CreateExperimentReply | null;
  readonly refused: {
    readonly message: string;
    readonly hint: string;
    readonly issues: readonly ProblemIssue[];
  } | null;
  /** Of a fork: all that differs from an unchanged one. */
  readonly overrides?: readonly Override[];
}

export interface Made {
  readonly text: string;
  readonly tree: Tree | null;
  readonly activate: boolean;
}

export interface Draft {
  readonly title: string;
  readonly text: string;
  /** Where its code and data come from, in a sentence. */
  readonly about: string | undefined;
  /** The code of another experiment, which may be taken or left; undefined = there is none to take. */
  readonly reusable:
    | { readonly from: number; readonly hash: string; readonly tree: Tree }
    | undefined;
  /** The code goes with it and is not chosen. */
  readonly isFork: boolean;
  readonly check: (text: string) => Promise<Verdict>;
  /** @param key of the intent: under one key one is made, however often it is asked for */
  readonly make: (made: Made, key: string) => Promise<Experiment | null>;
  readonly command: (made: Pick<Made, "tree" | "activate">, verdict: Verdict | undefined) => string;
}

const provenance = { made_in: "web page" };

export async function draftOf(view: {
  readonly from: number | undefined;
  readonly fork: string | undefined;
}): Promise<Draft> {
  if (view.fork !== undefined) return await forkDraft(view.fork);
  if (view.from !== undefined) return await copyDraft(view.from);
  return { ...written(undefined), title: "New experiment", text: EMPTY_TEXT };
}

/** Checked and made from its text and a folder, whatever the text was begun with. */
const written = (from: number | undefined): Draft => ({
  ...{ title: "", text: "", about: undefined, reusable: undefined, isFork: false },
  check: (text) => client.checkExperiment(text),
  make: async ({ text, tree, activate }, key) => {
    const code = tree === null ? null : [...tree];
    const parent =
      from === undefined ? {} : { parent: { kind: "copy" as const, experiment: from } };
    const request = { config: text, code, activate, provenance, ...parent };
    return (await client.createExperiment(request, key)).experiment;
  },
  command: ({ tree, activate }) =>
    `contrail experiment create config.yaml${tree === null ? "" : " ."}${activate ? "" : " --paused"}`,
});

async function copyDraft(id: number): Promise<Draft> {
  const experiment = await client.experiment(id);
  const { code, name } = experiment;
  const common = {
    ...written(id),
    title: `New experiment from ${id}`,
    text: withItsData(experiment),
    about: `Begun with experiment ${id}, ${name}: code and data as they were.`,
  };
  if (code === null) return common;
  const tree = (await new Response(await client.getBlob(code)).json()) as Tree;
  return { ...common, reusable: { from: id, hash: code, tree } };
}

async function forkDraft(of: string): Promise<Draft> {
  const { config } = await client.fork({ of, dry_run: true });
  const what = of.includes(".")
    ? `trial ${of} alone: its hyperparameters, its seed`
    : `experiment ${of}: its search`;
  return {
    title: `Fork of ${of}`,
    text: config,
    about: `A runnable copy of ${what}, its code and data as they ran. Only what is changed here differs.`,
    reusable: undefined,
    isFork: true,
    check: (text) => checkFork(of, text),
    make: async ({ text, activate }, key) =>
      (await client.fork({ of, config: text, activate, provenance }, key)).experiment,
    command: ({ activate }, verdict) => forkCommand(of, activate, verdict?.overrides),
  };
}

/** Faults of a text that is being written are an answer; only one without them is worth asking what it would differ in. */
async function checkFork(of: string, text: string): Promise<Verdict> {
  const checked = await client.checkExperiment(text);
  if (checked.refused !== null) return checked;
  try {
    const accepted = await client.fork({ of, config: text, dry_run: true });
    return { accepted, refused: null, overrides: accepted.overrides };
  } catch (error) {
    if (!(error instanceof RemoteError) || error.status < 400 || error.status >= 500) throw error;
    const { message, hint, issues } = error;
    return { accepted: null, refused: { message, hint, issues } };
  }
}

/** As YAML reads it back: a text that looks like something else stands in quotes. */
const yamlWord = (value: Json | undefined): string =>
  typeof value === "string" &&
  /^[A-Za-z][\w./-]*$/.test(value) &&
  !/^(?:true|false|null|yes|no|on|off)$/i.test(value)
    ? value
    : JSON.stringify(value);

/** The same changes as words of a command; what was taken out can only be edited out. */
export function forkCommand(
  of: string,
  activate: boolean,
  overrides: readonly Override[] = [],
): string {
  const paused = activate ? "" : " --paused";
  if (overrides.some(({ to }) => to === undefined)) return `contrail fork ${of} --edit${paused}`;
  const set = overrides.map(({ path, to }) => ` --set ${quoted(`${path}=${yamlWord(to)}`)}`);
  return `contrail fork ${of}${set.join("")}${paused}`;
}

export const EMPTY_TEXT = `name: my search
entrypoint: python3 train.py
hyperparameters:
  rate:
    type: double
    minval: 0.001
    maxval: 0.1
searcher:
  name: asha
  metric: loss
  max_trials: 16
  max_length:
    epochs: 9
`;
