/**
 * Who held which slot when: an experiment's allocations turned into one lane a slot. What is between the spans is idle
 * as far as this experiment goes; another one may have had the slot.
 */
export interface SlotGrant {
  readonly id: string;
  readonly trial: string;
  readonly slots: readonly string[];
  readonly created_at: string;
  readonly ended_at: string | null;
}

export interface Span<G extends SlotGrant> {
  readonly grant: G;
  readonly fromMs: number;
  readonly toMs: number;
  readonly isOpen: boolean;
}

export interface Lane<G extends SlotGrant> {
  readonly slot: string;
  /** In order of time; they do not overlap. */
  readonly spans: readonly Span<G>[];
  readonly busyMs: number;
}

export interface SlotUse<G extends SlotGrant> {
  readonly fromMs: number;
  readonly toMs: number;
  readonly lanes: readonly Lane<G>[];
  readonly spans: number;
  /** Of the slots that it ever held, from its first grant on: which share of the time they were its own. */
  readonly busyShare: number;
  /** The longest time in which one of them stood idle between two of its spans or after its last. */
  readonly longestIdle:
    | { readonly slot: string; readonly fromMs: number; readonly toMs: number }
    | undefined;
}

/** @param nowMs the end of what is still open */
export function slotUse<G extends SlotGrant>(
  grants: readonly G[],
  nowMs: number,
): SlotUse<G> | undefined {
  const lanes = new Map<string, Span<G>[]>();
  let [fromMs, toMs, isAnyOpen] = [Number.POSITIVE_INFINITY, 0, false];
  let spans = 0;
  for (const grant of grants) {
    const isOpen = grant.ended_at === null;
    const span = {
      grant,
      fromMs: Date.parse(grant.created_at),
      toMs: Math.max(Date.parse(grant.created_at), isOpen ? nowMs : Date.parse(grant.ended_at)),
      isOpen,
    };
    fromMs = Math.min(fromMs, span.fromMs);
    toMs = Math.max(toMs, span.toMs);
    isAnyOpen ||= isOpen;
    spans++;
    for (const slot of grant.slots) {
      const lane = lanes.get(slot) ?? [];
      lane.push(span);
      lanes.set(slot, lane);
    }
  }
  if (spans === 0 || lanes.size === 0) return undefined;
  if (isAnyOpen) toMs = Math.max(toMs, nowMs);
  const sorted = [...lanes]
    .toSorted(([a], [b]) => bySlot(a, b))
    .map(([slot, own]): Lane<G> => {
      const inOrder = own.toSorted((a, b) => a.fromMs - b.fromMs);
      return {
        slot,
        spans: inOrder,
        busyMs: inOrder.reduce((sum, s) => sum + s.toMs - s.fromMs, 0),
      };
    });
  const wholeMs = (toMs - fromMs) * sorted.length;
  const busyMs = sorted.reduce((sum, lane) => sum + lane.busyMs, 0);
  return {
    ...{ fromMs, toMs, lanes: sorted, spans },
    busyShare: wholeMs > 0 ? Math.min(1, busyMs / wholeMs) : 1,
    longestIdle: longestIdle(sorted, toMs),
  };
}

/** cpu:2 before cpu:10. */
function bySlot(a: string, b: string): number {
  return a.localeCompare(b, "en", { numeric: true });
}

function longestIdle<G extends SlotGrant>(
  lanes: readonly Lane<G>[],
  endMs: number,
): SlotUse<G>["longestIdle"] {
  let longest: SlotUse<G>["longestIdle"];
  for (const { slot, spans } of lanes)
    for (const [i, { toMs }] of spans.entries()) {
      const next = spans[i + 1]?.fromMs ?? endMs;
      if (next > toMs && (!longest || next - toMs > longest.toMs - longest.fromMs))
        longest = { slot, fromMs: toMs, toMs: next };
    }
  return longest;
}
