/** Runs one row, and says what became of it. */
import { CannotRun, type Faults, type Row } from "./row.ts";
import type { Outcome } from "./table.ts";

export async function tryRow(row: Row, faults: Faults): Promise<Outcome> {
  const beganMs = performance.now();
  const about = { row: row.name, fault: row.fault };
  const none = { findings: [], skipped: null, error: null };
  const seconds = (): number => Math.round((performance.now() - beganMs) / 100) / 10;
  try {
    const findings = await row.run(faults);
    return { ...about, ...none, findings, seconds: seconds() };
  } catch (error) {
    const { message, stack } = error as Error;
    if (error instanceof CannotRun)
      return { ...about, ...none, skipped: message, seconds: seconds() };
    faults.say(stack ?? message);
    return { ...about, ...none, error: message, seconds: seconds() };
  }
}
