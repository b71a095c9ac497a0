/** Whether ranks are still to be started after what was ordered while others were. */
import type { AllocationState } from "./allocation.ts";

/**
 * Who is to be killed, or whose runner ends, saves nothing. A pause is another matter: those that are there may wait for
 * the others before they can save.
 */
export const mayStart = (
  { orders, abandoned }: Pick<AllocationState, "orders" | "abandoned">,
  begun: boolean,
): boolean => !abandoned && !orders.kill && (begun || orders.yield === null);
