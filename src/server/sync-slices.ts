/**
 * A runner's request cut into slices, each of which one turn of the decision loop stores.
 *
 * A runner that was away sends thousands of reports at once, and one report may have ten thousand metrics. In one turn
 * everybody else's reports would wait for all of it; cut up, they wait for one slice, which is small while others
 * wait and grows while nobody does: then nothing is gained by more turns, and each costs an fsync. Events stay whole
 * and in order, so each slice is a prefix like any that a runner might have sent. Only the metrics of a report that is
 * larger than a slice go ahead of it, a part at a time, beside the turns and without being acknowledged: nothing is
 * decided by them, and if the server dies in between, the runner sends the report again, and the same keys change nothing.
 */
import type { RunnerEvent, SyncRequest } from "../protocol/runner-wire.ts";

/** Rows of metrics at 6 to 8 µs each, the database's part included: 2 ms, which a turn does not become much longer by. */
export const VALUES_A_SLICE_MIN = 250;
/** 20 ms, of which the fsync is no longer much. */
const VALUES_A_SLICE_MAX = 2_500;
/** Stored beside the turns, these hold up others only while they are put into words: 1 ms. */
const VALUES_AHEAD = 1_000;

/** @param othersWait whether others' commands came in while a slice of `values` was stored @returns that of the next */
export const nextSliceValues = (values: number, othersWait: boolean): number =>
  othersWait ? VALUES_A_SLICE_MIN : Math.min(values * 2, VALUES_A_SLICE_MAX);

export type Report = Extract<RunnerEvent, { type: "report" }>;
type Sent = SyncRequest["allocations"][number];
type Metric = readonly [name: string, value: Report["metrics"][string]];

/** Some of the metrics of one report. */
export interface MetricsAhead {
  readonly id: string;
  readonly fence: number;
  readonly event: Report;
  readonly metrics: readonly Metric[];
}

export type Slice = {
  /** How much there is to store, in rows of metrics. */
  readonly values: number;
  readonly isLast: boolean;
} & ({ readonly ahead: MetricsAhead } | { readonly allocations: readonly Sent[] });

export interface Sliced {
  /** At least one; the last has events, if only none. */
  readonly slices: Iterable<Slice>;
  /** Reports whose metrics were in slices before theirs; filled while the slices are taken. */
  readonly ahead: ReadonlySet<RunnerEvent>;
}

export interface SliceSizes {
  /** Of the slice that is cut next. */
  readonly valuesMax: () => number;
  /** Of one that goes ahead. */
  readonly aheadMax?: number | undefined;
}

export function slicesOf(allocations: readonly Sent[], sizes: SliceSizes): Sliced {
  const ahead = new Set<RunnerEvent>();
  return { slices: cut(allocations, sizes, ahead), ahead };
}

function* cut(
  allocations: readonly Sent[],
  { valuesMax, aheadMax = VALUES_AHEAD }: SliceSizes,
  ahead: Set<RunnerEvent>,
): Generator<Slice, void> {
  let open: Sent[] = [];
  let values = 0;
  let max = valuesMax();
  for (const { id, fence, events } of allocations) {
    let taken: RunnerEvent[] = [];
    open.push({ id, fence, events: taken });
    for (const event of events) {
      // Once: of ten thousand names the list alone costs a millisecond or two.
      const names = event.type === "report" ? Object.keys(event.metrics) : [];
      const size = Math.max(1, names.length);
      if (values > 0 && values + size > max) {
        yield { allocations: open, values, isLast: false };
        taken = [];
        open = [{ id, fence, events: taken }];
        values = 0;
        max = valuesMax();
      }
      if (event.type === "report" && size > max) {
        for (let at = 0; at < size; at += aheadMax) {
          const some = names.slice(at, at + aheadMax);
          const metrics = some.map((name) => [name, event.metrics[name]] as Metric);
          yield { ahead: { id, fence, event, metrics }, values: metrics.length, isLast: false };
        }
        ahead.add(event);
        max = valuesMax();
        values += 1;
      } else values += size;
      taken.push(event);
    }
  }
  yield { allocations: open, values, isLast: true };
}
