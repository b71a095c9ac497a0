/** The first file that somebody opens in a bundle: what is what, and how to check it without us. */
import type { BundleExperiment, BundleManifest } from "../../protocol/bundle.ts";
import { count, plural } from "../figures.ts";
import { inert } from "../inert.ts";

type About = Omit<BundleManifest, "format" | "self" | "content" | "files">;

/** Foreign text stands in it as code, so that it is shown and does nothing. */
const code = (text: string): string => `\`${inert(text).replaceAll("`", "'")}\``;

export function bundleReadme(about: About, experiment: BundleExperiment): string {
  const { origin, counts } = about;
  const [only] = origin.trials;
  const subject =
    origin.trials.length === 1
      ? `Trial ${origin.experiment}.${only}`
      : `${plural(origin.trials.length, "trial")} of experiment ${origin.experiment}`;
  const number = (part: string): string => count(counts[part] ?? 0);
  const folders = [
    ...(about.code?.folder == null
      ? []
      : [["code/", `the code as it ran: snapshot ${code(about.code.hash)}`]]),
    ...about.data
      .filter(({ folder }) => folder !== null)
      .map(({ folder, name, dataset }) => [
        `${folder}/`,
        `data ${code(name)}${dataset === null ? "" : `: ${code(dataset)}`}`,
      ]),
    ...about.checkpoints
      .filter(({ folder }) => folder !== null)
      .map(({ folder, trial, step }) => [
        `${folder}/`,
        `checkpoint of trial ${origin.experiment}.${trial} at step ${step}`,
      ]),
    ...(about.imported?.folder == null
      ? []
      : [
          [
            `${about.imported.folder}/`,
            "where it was imported from: manifest, experiment and log of changes of that bundle, as they were",
          ],
        ]),
  ];
  const rows = [
    ["manifest.json", "what this is, what is not in it, the SHA-256 of every file"],
    ["SHA256SUMS", "the same hashes for `sha256sum -c SHA256SUMS`"],
    [
      "experiment.json",
      "the experiment: who, when, resolved configuration, seed, data, best result",
    ],
    ["config.yaml", "the configuration as it was submitted"],
    [
      "trials.jsonl",
      `${number("trial")} of its trials: hyperparameters, seed, how it ended and why`,
    ],
    [
      "runs.jsonl",
      `${number("run")} times that a trial was given slots, and how its processes ended`,
    ],
    [
      "decisions.jsonl",
      `${number("decision")} decisions of the search about these trials, with the ranks they rest on`,
    ],
    ["search.jsonl", `${number("search")} events: all that the whole search was told and answered`],
    ["metrics.csv", `${number("points")} reported values, none left out`],
    ["metrics.parquet", "the same as Parquet"],
    ["reports.jsonl", `${number("report")} reports that held no number`],
    ["log.jsonl", `${number("log")} lines of output`],
    ["checkpoints.jsonl", `${number("checkpoint")} saved states, also those whose files are gone`],
    ["records.jsonl", `${number("record")} records of what was around its runs`],
    [
      "environments.jsonl",
      `${number("environment")} machines with their packages, which these name`,
    ],
    [
      "verdicts.jsonl",
      `${number("verdict")} times that it was run again to see whether the same comes out`,
    ],
    ["audit.jsonl", `${number("audit")} entries of the log of changes, with hashes`],
    ["trees/", "lists of files, named by their SHA-256: of code, data and checkpoints"],
    ...folders,
  ];
  return `# ${subject}: ${code(experiment.name)}

Made by ${code(about.made_by)} at ${about.made_at} with Contrail ${about.contrail} from ${code(origin.server)}.
The experiment was submitted by ${code(experiment.owner)} at ${experiment.created_at}; it is ${experiment.state}.

| file | |
| --- | --- |
${rows.map(([file, what]) => `| \`${file}\` | ${what} |`).join("\n")}

${about.missing.length === 0 ? "Nothing is left out." : `Not in here:\n\n${about.missing.map((text) => `- ${inert(text)}`).join("\n")}`}

## Reading it

Every \`.jsonl\` file has one JSON object a line. Trials are named by number within the experiment; times are UTC. In
\`metrics.csv\`, \`superseded\` marks a value in whose place a later report counts; \`NaN\`, \`Infinity\` and \`-Infinity\` are
what was measured.

\`\`\`python
import csv, json
trials = [json.loads(line) for line in open("trials.jsonl", encoding="utf-8")]
points = list(csv.DictReader(open("metrics.csv", encoding="utf-8", newline="")))
\`\`\`

## Checking it

\`sha256sum -c SHA256SUMS\` checks the files. \`verify-bundle.py\` of the Contrail repository (standard library of Python,
under 200 lines: read it first) checks files, snapshots, counts and the hashes of the log of changes.

Each entry of \`audit.jsonl\` carries its hash and that of the entry before it. An entry's hash is the SHA-256 of the 32 bytes
of \`previous\` followed by the JSON array \`[seq, at, actor, experiment, subject, what, cause]\` without spaces. Where the
numbers of two entries follow each other, \`previous\` of the second is \`hash\` of the first. Where they do not, entries
about other things lie between them, which are not here: then only the server that kept them can say that nothing was
put in or taken out (\`contrail audit verify --expect-last SEQ:HASH\` with any pair from this file).

The hashes say that nothing in here was changed since it was made. They cannot say who made it: nothing here is signed.
`;
}
