/** Where the time went: how good the best was by when, and what each slot did meanwhile. */
import type { PanelProps } from "../../app/page.ts";
import { BestSoFar } from "./best-so-far.tsx";
import { SlotTimeline } from "./slot-timeline.tsx";

export default function TimelinePanel({ live }: PanelProps) {
  return (
    <>
      <BestSoFar live={live} />
      <SlotTimeline live={live} />
    </>
  );
}
