/** What tells no trial from another, and only takes the room of what does. Pure. */
import type { Trial } from "../../src/protocol/api.ts";

/** Names of hyperparameters that all trials have with the same value; none where there is only one trial. */
export function constantNames(trials: Iterable<Pick<Trial, "hyperparameters">>): string[] {
  let constant: Map<string, string> | undefined;
  let count = 0;
  for (const { hyperparameters } of trials) {
    count += 1;
    constant ??= new Map(
      Object.entries(hyperparameters).map(([name, value]) => [name, JSON.stringify(value)]),
    );
    for (const [name, word] of constant)
      if (!Object.hasOwn(hyperparameters, name) || JSON.stringify(hyperparameters[name]) !== word)
        constant.delete(name);
  }
  return count < 2 ? [] : [...(constant?.keys() ?? [])].toSorted();
}

export const withoutNames = (
  hyperparameters: Trial["hyperparameters"],
  names: readonly string[],
): Trial["hyperparameters"] =>
  Object.fromEntries(Object.entries(hyperparameters).filter(([name]) => !names.includes(name)));
