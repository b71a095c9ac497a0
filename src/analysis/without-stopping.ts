/**
 * What the same trials would have cost had each been trained to its end. The number of steps follows from the plan;
 * time and slot time are estimates at the pace that was measured, and only said once something was.
 */
export interface Costs {
  readonly steps: number;
  readonly seconds: number;
  readonly slotSeconds: number;
}

/**
 * @param stepsInAll of the plan; null where no length is set
 * @returns undefined where there is nothing to save, or nothing measured yet
 */
export function withoutStopping(
  spent: { readonly steps: number; readonly seconds: number; readonly slot_seconds: number },
  stepsInAll: number | null,
): (Costs & { readonly factor: number }) | undefined {
  if (stepsInAll === null || spent.steps <= 0 || stepsInAll <= spent.steps) return undefined;
  const factor = stepsInAll / spent.steps;
  return {
    factor,
    steps: stepsInAll,
    seconds: spent.seconds * factor,
    slotSeconds: spent.slot_seconds * factor,
  };
}
