/** What the sections of a record are called wherever they are shown, and which of its fields say in what a trial ran. */
import type { TrialRecord } from "../protocol/api.ts";
import type { RecordSection } from "../protocol/record-part.ts";

const TITLES: Readonly<Partial<Record<RecordSection, string>>> = {
  packages_requested: "packages, as the code asks for them",
  packages_resolved: "packages, as its lock files say",
  packages_observed: "packages, as they were there",
  package_hashes: "hashes of packages",
  package_origins: "packages from other places than an index",
  outside: "what the program reached for and nobody recorded",
};

export const sectionTitle = (section: string): string =>
  TITLES[section as RecordSection] ?? section;

/** "complete to 97 %: 33 of 34 items that apply" */
export function completeText({ completeness, items }: TrialRecord): string {
  const { captured, applicable } = items;
  const noun = applicable === 1 ? "item" : "items";
  return `complete to ${percentText(completeness)}: ${captured} of ${applicable} ${noun} that apply`;
}

/** Rounded down, so that only what lacks nothing is called 100 %. */
export const percentText = (completeness: number): string =>
  `${Math.floor(100 * completeness + 1e-9)} %`;

/** These are compared by other means, or are others in every run. */
const NOT_ENVIRONMENT: ReadonlySet<string> = new Set([
  "code",
  "configuration",
  "hyperparameters",
  "seeds",
  "data",
  "command",
  "who",
] satisfies RecordSection[]);

/** Of a run itself: they name it. */
const OF_THE_RUN = /^CONTRAIL_/;

/** How the generators stand: another seed, another place. */
const OF_ITS_SEED = /_(?:state|seed)$/;

/** Whether the field says in what a trial ran, so that two trials are held against each other by it. */
export const isOfEnvironment = (section: string, field: string): boolean =>
  !NOT_ENVIRONMENT.has(section) &&
  !(section === "variables" && OF_THE_RUN.test(field)) &&
  !(section === "determinism" && OF_ITS_SEED.test(field));
