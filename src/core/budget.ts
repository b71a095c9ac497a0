/**
 * What may be spent. Whichever limit binds first ends the search: running trials are asked to stop at
 * the end of the step they are in, so that the overshoot is at most the step (never more than the rung)
 * that each of them had begun.
 */
export interface Budget {
  /** Those that the search makes in place of trials with impossible hyperparameters are not counted. */
  readonly trials?: number;
  /** Steps trained over all trials, repeats after a restart included. */
  readonly steps?: number;
  /** Wall time since the experiment first became active, its pauses included. */
  readonly timeMs?: number;
  readonly slotHours?: number;
  readonly money?: {
    readonly max: number;
    readonly perSlotHour: number;
    readonly currency: string;
  };
  readonly energy?: { readonly maxKwh: number; readonly wattsPerSlot: number };
}

export interface Spent {
  readonly steps: number;
  readonly timeMs: number;
  /** Slot-milliseconds granted so far, running grants counted up to now. */
  readonly slotMs: () => number;
}

export const slotHours = (slotMs: number): number => slotMs / 3_600_000;
export const moneySpent = (slotMs: number, perSlotHour: number): number =>
  slotHours(slotMs) * perSlotHour;
/** An estimate: declared power times granted time. */
export const energyKwh = (slotMs: number, wattsPerSlot: number): number =>
  (slotHours(slotMs) * wattsPerSlot) / 1000;

/**
 * The limit that is reached, in one sentence, or undefined while there is something left.
 * `trials` is not looked at: the search never makes more than the budget's number (see `trialsAllowed`), but for
 * replacements, which it makes whatever the budget says.
 */
export function budgetReached(budget: Budget, spent: Spent): string | undefined {
  if (budget.steps !== undefined && spent.steps >= budget.steps)
    return `budget reached: ${spent.steps} of ${budget.steps} steps are trained`;
  if (budget.timeMs !== undefined && spent.timeMs >= budget.timeMs)
    return `budget reached: ${seconds(spent.timeMs)} of ${seconds(budget.timeMs)} wall time have passed`;
  const { slotHours: hoursMax, money, energy } = budget;
  if (hoursMax === undefined && money === undefined && energy === undefined) return undefined;
  const slotMs = spent.slotMs();
  const hours = slotHours(slotMs);
  if (budget.slotHours !== undefined && hours >= budget.slotHours)
    return `budget reached: ${hours.toFixed(3)} of ${budget.slotHours} slot-hours are used`;
  if (budget.money !== undefined) {
    const amount = moneySpent(slotMs, budget.money.perSlotHour);
    if (amount >= budget.money.max)
      return `budget reached: ${amount.toFixed(2)} of ${budget.money.max} ${budget.money.currency} are spent`;
  }
  if (budget.energy !== undefined) {
    const kwh = energyKwh(slotMs, budget.energy.wattsPerSlot);
    if (kwh >= budget.energy.maxKwh)
      return `budget reached: ${kwh.toFixed(3)} of ${budget.energy.maxKwh} kWh (estimated) are used`;
  }
  return undefined;
}

/** How many trials the search may make when both it and the budget have a say. */
export const trialsAllowed = (budget: Budget, searchTrialsMax: number): number =>
  Math.min(budget.trials ?? Number.POSITIVE_INFINITY, searchTrialsMax);

const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;
