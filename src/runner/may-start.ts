/** What is asked of the state of an allocation: whether ranks are still to be started, and whether its program waits. */
import type { AllocationState } from "./allocation.ts";

/**
 * Who is to be killed, or whose runner ends, saves nothing. A pause is another matter: those that are there may wait for
 * the others before they can save; for how long, `rank-set.ts` says.
 */
export const mayStart = (
  { orders, abandoned }: Pick<AllocationState, "orders" | "abandoned">,
  begun: boolean,
): boolean => !abandoned && !orders.kill && (begun || orders.yield === null);

/** Nobody has answered it, and it has not ended. */
export const stillWaits = (
  state: Pick<AllocationState, "phase" | "waiting"> | null,
  step: number,
): boolean => state?.waiting === step && (state.phase === "preparing" || state.phase === "running");
