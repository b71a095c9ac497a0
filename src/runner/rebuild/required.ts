/**
 * Whether what a run would find here is what another run had: for a replay, whose result would say nothing if the machine
 * or the packages were others. Compared is what results depend on: processor, GPUs and their driver, interpreter, and
 * each package that was there. What was not recorded is not asked for, and packages beside those do no harm. Pure.
 */
import type { RecordFields, RecordPart } from "../../protocol/record-part.ts";
import { differences, packagesHere } from "./plan.ts";

const NAMED_MAX = 8;

/** In words, one for each; none = it is the same in all that was recorded. */
export function environmentFaults(recorded: RecordPart, here: RecordPart): string[] {
  const faults = [
    ...containerFaults(recorded, here),
    ...machineFaults(recorded, here),
    ...gpuFaults(recorded, here),
    ...interpreterFaults(recorded, here),
  ];
  // Without the interpreter every package is missing, which says nothing more.
  if (here.captured.interpreter !== undefined || recorded.captured.interpreter === undefined)
    faults.push(...packageFaults(recorded, here));
  if (faults.length <= NAMED_MAX) return faults;
  return [...faults.slice(0, NAMED_MAX), `and ${faults.length - NAMED_MAX} more`];
}

const field = (fields: RecordFields | undefined, name: string): string | undefined =>
  fields?.[name] === undefined ? undefined : String(fields[name]);

function machineFaults({ captured: was }: RecordPart, { captured: is }: RecordPart): string[] {
  const compared = [
    ["the processor", field(was.cpu, "model"), field(is.cpu, "model")],
    ["the architecture", field(was.system, "architecture"), field(is.system, "architecture")],
  ] as const;
  return compared.flatMap(([what, before, now]) => otherwise(what, before, now));
}

const otherwise = (what: string, before: string | undefined, now: string | undefined): string[] =>
  before === undefined || before === now
    ? []
    : [`${what} was ${before}, and ${now === undefined ? "is not known here" : `here is ${now}`}`];

/** By what an image consists of, whatever it is called; of a container that somebody else made nobody knows that. */
function containerFaults({ captured: was }: RecordPart, { captured: is }: RecordPart): string[] {
  const [before, now] = [field(was.container, "image_id"), field(is.container, "image_id")];
  if (before === now) return [];
  const words = (id: string | undefined, image: string | undefined): string =>
    id === undefined ? "a process of the machine" : `a container of the image ${image} (${id})`;
  return [
    `it was ${words(before, field(was.container, "image"))}, and here is ${words(now, field(is.container, "image"))}`,
  ];
}

function gpuFaults(was: RecordPart, is: RecordPart): string[] {
  const [before, now] = [was.captured.gpu, is.captured.gpu];
  const had = before !== undefined;
  // Nobody knows whether there was one.
  if (!had && !was.not_applicable.some(({ what }) => what === "gpu")) return [];
  if (!had)
    return now === undefined ? [] : [`there was no GPU, and here is ${modelsOf(now).join(", ")}`];
  if (now === undefined)
    return [`there was a GPU (${modelsOf(before).join(", ")}), and here is none`];
  return [
    ...otherwise("the GPU", modelsOf(before).join(", "), modelsOf(now).join(", ")),
    ...otherwise("the GPU's driver", field(before, "driver"), field(now, "driver")),
    ...otherwise("CUDA", field(before, "cuda"), field(now, "cuda")),
  ];
}

/** Each kind once: which of several equal ones a run gets is the scheduler's business. */
function modelsOf(gpu: RecordFields): string[] {
  const models = Object.entries(gpu)
    .filter(([name]) => /^\d+\.model$/.test(name))
    .map(([, model]) => String(model));
  return [...new Set(models)].toSorted();
}

function interpreterFaults({ captured: was }: RecordPart, is: RecordPart): string[] {
  const before = was.interpreter;
  if (before === undefined) return [];
  const now = is.captured.interpreter;
  if (now === undefined) {
    const why = is.missing.find(({ what }) => what === "interpreter")?.why;
    return [
      `its interpreter (${[field(before, "language"), field(before, "version")].join(" ")}, ${field(before, "path")}) is not here${why === undefined ? "" : `: ${why}`}`,
    ];
  }
  return [
    ...otherwise("the language", field(before, "language"), field(now, "language")),
    ...otherwise("the interpreter's version", field(before, "version"), field(now, "version")),
  ];
}

/** What links the trial API in comes from here in any case. */
const OURS = "contrail";

function packageFaults(was: RecordPart, is: RecordPart): string[] {
  return (["pip:", "npm:"] as const).flatMap((kind) => {
    const wanted = new Map([...packagesHere(was, kind)].filter(([name]) => name !== OURS));
    const here = new Map([...packagesHere(is, kind)].filter(([name]) => wanted.has(name)));
    return differences(wanted, here);
  });
}
