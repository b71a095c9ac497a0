/** Something done to many experiments, a few at a time; each that refuses is named with its reason. */

const AT_ONCE = 4;

export interface Failure {
  readonly id: number;
  readonly reason: string;
}

/** @param onDone how many are through, whether done or refused */
export async function applyToEach(
  ids: readonly number[],
  act: (id: number) => Promise<unknown>,
  onDone: (count: number) => void,
): Promise<Failure[]> {
  const failures: Failure[] = [];
  let next = 0;
  let done = 0;
  const worker = async (): Promise<void> => {
    for (let id = ids[next++]; id !== undefined; id = ids[next++]) {
      await act(id).catch((error: unknown) => {
        failures.push({ id, reason: error instanceof Error ? error.message : String(error) });
      });
      onDone(++done);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return failures.toSorted((a, b) => a.id - b.id);
}
