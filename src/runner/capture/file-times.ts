/** Whether files and folders are as they were, by when they were changed last. */
import { stat } from "node:fs/promises";

/** -1 where there is none. */
export async function timesOf(places: readonly string[]): Promise<Map<string, number>> {
  const times = places.map(async (place) => [place, await timeOf(place)] as const);
  return new Map(await Promise.all(times));
}

const timeOf = (place: string): Promise<number> =>
  stat(place).then(
    (found) => found.mtimeMs,
    () => -1,
  );

export async function unchanged(times: ReadonlyMap<string, number>): Promise<boolean> {
  const now = await timesOf([...times.keys()]);
  return [...times].every(([place, time]) => now.get(place) === time);
}
