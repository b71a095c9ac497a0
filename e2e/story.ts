/** What a search came to, in a form in which two searches can be compared. */
import type { Stand } from "./support.ts";

/** What was decided and measured, without times, slots and names of runs. */
export async function story(it: Stand, id: number): Promise<unknown> {
  const trials = await it.details(id);
  return {
    rungs: await it.client.rungs(id),
    trials: await Promise.all(
      trials.map(
        async ({ id: trial, hyperparameters, seed, step, state, end_reason, decisions }) => ({
          ...{ hyperparameters, seed, step, state, end_reason, series: await it.series(trial) },
          decisions: decisions.map(({ what, target, code, text, standing }) => ({
            ...{ what, target, code, text, standing },
          })),
        }),
      ),
    ),
  };
}

/** The story of experiment `from` as if it had been experiment `to`. */
export function renamedTo(to: number, from: number, told: unknown): unknown {
  const text = JSON.stringify(told)
    .replaceAll(`"${from}.`, `"${to}.`)
    // A sentence can end with the same number: "Goes on to step 4."
    .replaceAll(new RegExp(` ${from}\\.(?=\\d)`, "g"), ` ${to}.`);
  return JSON.parse(text);
}
