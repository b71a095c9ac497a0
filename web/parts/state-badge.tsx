/** States of experiments and trials, told apart by sign and word as well as by colour. */
const SIGNS: Readonly<Record<string, readonly [sign: string, tone: string]>> = {
  active: ["▶", "go"],
  running: ["▶", "go"],
  starting: ["▷", "go"],
  queued: ["◌", "wait"],
  waiting: ["◔", "wait"],
  pausing: ["‖", "wait"],
  paused: ["‖", "wait"],
  stopping: ["◼", "wait"],
  completed: ["✓", "done"],
  canceled: ["⊘", "off"],
  error: ["✕", "bad"],
  promoted: ["↑", "go"],
  finished: ["✓", "done"],
  stopped: ["↓", "off"],
  failed: ["✕", "bad"],
  // Of runners.
  heard: ["●", "go"],
  lost: ["✕", "bad"],
  returning: ["◔", "wait"],
};

export function StateBadge({ state }: { readonly state: string }) {
  const [sign, tone] = SIGNS[state] ?? ["•", "off"];
  return (
    <span className={`badge badge-${tone}`}>
      <span aria-hidden="true">{sign}</span> {state}
    </span>
  );
}
