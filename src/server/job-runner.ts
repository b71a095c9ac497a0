/** The runner of a job is there for one allocation, and is called after it and its pool. */

export const jobRunner = (pool: string, allocation: string): string => `${pool}.${allocation}`;

const NAME = /^(.+)\.(\d+\.\d+\.\d+)$/;

/** @returns undefined where it is the name of a runner that stands ready */
export function jobOfRunner(
  runner: string,
): { readonly pool: string; readonly allocation: string } | undefined {
  const [, pool, allocation] = NAME.exec(runner) ?? [];
  return pool === undefined || allocation === undefined ? undefined : { pool, allocation };
}
