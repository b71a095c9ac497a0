/**
 * Where a command writes what is to be whole before it has its name: a folder that tells who writes it. Each attempt has
 * one of its own: in one that several shared, a second took the first one's files away, and the first gave the rest
 * their name as if they were all. Under a name that anybody might give, it might be somebody's.
 *
 * One that fails or is interrupted takes it away; what a killed one leaves goes with the next attempt.
 */
import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { isAbandoned, thisWriter } from "../store/writer.ts";

/** Ends the name of what is not whole, before whoever writes it. */
export const PART = ".contrail-part";

let count = 0;

/**
 * @param prefix of the folder's name in `beside`; ends with `PART`
 * @param fill makes the folder, and gives it or what is in it another name
 */
export async function inPartFolder<T>(
  { beside, prefix }: { readonly beside: string; readonly prefix: string },
  fill: (part: string) => Promise<T>,
): Promise<T> {
  const { removeCheckout } = await import("../store/snapshot.ts");
  for (const name of namesIn(beside).filter((name) => isLeft(name, prefix)))
    await removeCheckout(join(beside, name));
  const part = join(beside, `${prefix}-${thisWriter}-${++count}`);
  const interrupted = (): void => removeAtExit(part);
  process.once("exit", interrupted);
  try {
    return await fill(part);
  } catch (error) {
    await removeCheckout(part);
    throw error;
  } finally {
    process.off("exit", interrupted);
  }
}

/** @returns whether nobody writes it any more; undefined where it is no name of what is not whole */
export const isLeft = (name: string, prefix: string): boolean | undefined =>
  name.startsWith(`${prefix}-`) ? isAbandoned(name.slice(prefix.length + 1)) : undefined;

/** None where it cannot be read: whether it can be written to shows when it is. */
function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/** With nothing left to do it but what blocks. What cannot be removed now goes with the next attempt. */
function removeAtExit(part: string): void {
  try {
    rmSync(part, { recursive: true, force: true, maxRetries: 3 });
  } catch {}
}
