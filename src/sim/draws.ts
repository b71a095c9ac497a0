import type { Random } from "../base/random.ts";

export const chance = (random: Random, probability: number): boolean => random.unit() < probability;

export function pick<T>(random: Random, list: readonly T[]): T | undefined {
  return list[random.below(list.length)];
}
