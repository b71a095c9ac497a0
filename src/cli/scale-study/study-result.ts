/** What a scale study says: for every number of slots, measured or asked for, time, speed-up, efficiency and cost. */
import {
  fitScaling,
  LAW_WORDS,
  type LawName,
  type Measured,
  type Scaling,
} from "../../analysis/scaling.ts";

export interface StudyRow {
  readonly slots: number;
  /** null = it was not run. */
  readonly measured: {
    readonly experiments: readonly number[];
    readonly seconds_per_step: number;
    readonly standard_error: number;
    readonly steps: number;
  } | null;
  /** By the law. */
  readonly predicted: {
    readonly seconds_per_step: number;
    readonly low: number | null;
    readonly high: number | null;
  };
  /** By what was measured where it was, else by the law. */
  readonly speed_up: number;
  readonly efficiency: number;
  readonly slot_seconds_per_step: number;
  /** Of a trial as long as the configuration says; null where it says nothing. */
  readonly whole: {
    readonly seconds: number;
    readonly slot_seconds: number;
    readonly money: number | null;
  } | null;
}

export interface StudyResult {
  readonly study: string;
  readonly unit: string;
  readonly length: number | null;
  readonly currency: string | null;
  readonly law: {
    readonly name: LawName;
    readonly words: string;
    readonly serial_seconds: number;
    readonly parallel_seconds: number;
    readonly crosstalk_seconds: number;
    readonly serial_share: number;
    readonly best_slots: number | null;
    readonly degrees_of_freedom: number;
    readonly misfit: number | null;
    readonly confidence: number;
  };
  readonly rows: readonly StudyRow[];
}

export interface StudyFacts {
  readonly study: string;
  readonly unit: string;
  readonly length: number | null;
  readonly price: { readonly perSlotHour: number; readonly currency: string } | null;
  readonly runs: readonly (Measured & { readonly experiment: number })[];
  readonly predict: readonly number[];
}

/** @throws RangeError where there is too little to fit */
export function studyResult(facts: StudyFacts): StudyResult {
  const { study, unit, length, price, runs, predict } = facts;
  const groups = Map.groupBy(runs, ({ slots }) => slots);
  const fit = fitScaling(runs);
  const one = timeOf(fit, 1);
  const counts = new Set([...groups.keys(), ...predict]);
  const rows = [...counts]
    .toSorted((a, b) => a - b)
    .map((slots): StudyRow => {
      const seconds = timeOf(fit, slots);
      const points = fit.points.filter((one) => one.slots === slots);
      const { seconds: byLaw, interval } = fit.predict(slots);
      const whole = length === null ? null : { seconds: seconds * length };
      return {
        slots,
        measured:
          points.length === 0
            ? null
            : {
                experiments: groups.get(slots)?.map(({ experiment }) => experiment) ?? [],
                seconds_per_step: seconds,
                standard_error: Math.hypot(...points.map(({ error }) => error)) / points.length,
                steps: points.reduce((sum, point) => sum + point.steps, 0),
              },
        predicted: {
          seconds_per_step: byLaw,
          low: interval?.low ?? null,
          high: interval?.high ?? null,
        },
        speed_up: one / seconds,
        efficiency: one / seconds / slots,
        slot_seconds_per_step: seconds * slots,
        whole: whole && {
          seconds: whole.seconds,
          slot_seconds: whole.seconds * slots,
          money: price && (whole.seconds * slots * price.perSlotHour) / 3600,
        },
      };
    });
  return { study, unit, length, currency: price?.currency ?? null, law: lawOf(fit), rows };
}

/** The mean over the runs with that many slots; by the law where there are none. */
function timeOf(fit: Scaling, slots: number): number {
  const points = fit.points.filter((point) => point.slots === slots);
  if (points.length === 0) return fit.predict(slots).seconds;
  return points.reduce((sum, { seconds }) => sum + seconds, 0) / points.length;
}

const lawOf = ({ law }: Scaling): StudyResult["law"] => ({
  name: law.name,
  words: LAW_WORDS[law.name],
  serial_seconds: law.serial,
  parallel_seconds: law.parallel,
  crosstalk_seconds: law.crosstalk,
  serial_share: law.serialShare,
  best_slots: law.bestSlots,
  degrees_of_freedom: law.degreesOfFreedom,
  misfit: law.misfit,
  confidence: law.confidence,
});
