/** Names of experiments whose author gave none: never asked for, always there, two words and four digits by the seed. */
import { keyed } from "../base/random.ts";

const FIRST = [
  "amber",
  "brisk",
  "calm",
  "deft",
  "early",
  "fair",
  "glad",
  "high",
  "ivory",
  "jolly",
  "keen",
  "lucid",
  "merry",
  "noble",
  "olive",
  "plain",
  "quick",
  "russet",
  "steady",
  "tidy",
  "upward",
  "vivid",
  "wide",
  "young",
];
const SECOND = [
  "anvil",
  "breeze",
  "cirrus",
  "dune",
  "ember",
  "fjord",
  "grove",
  "harbor",
  "island",
  "jetty",
  "kite",
  "lagoon",
  "meadow",
  "north",
  "orchard",
  "peak",
  "quarry",
  "ridge",
  "summit",
  "thicket",
  "updraft",
  "valley",
  "willow",
  "zenith",
];

export function madeUpName(seed: number): string {
  const random = keyed(seed, "name");
  const word = (list: readonly string[]): string => list[random.below(list.length)] ?? "";
  return `${word(FIRST)}-${word(SECOND)}-${String(random.below(10_000)).padStart(4, "0")}`;
}
