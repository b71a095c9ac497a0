/** A flag beside a state and no state: a runner is not heard, and nobody knows that anything changed. */
import { silentText } from "../../src/cli/figures.ts";
import { inert } from "../../src/cli/inert.ts";
import type { Trial } from "../../src/protocol/api.ts";
import { StateBadge } from "./state-badge.tsx";

export function SilentFlag({
  children = "silent",
  title,
}: {
  readonly children?: string;
  readonly title?: string;
}) {
  return (
    <span className="badge badge-wait" title={title}>
      <span aria-hidden="true">⋯</span> {children}
    </span>
  );
}

/** How a trial stands, with the flag where its runner is silent. */
export function TrialState({ trial: { state, silent } }: { readonly trial: Trial }) {
  return (
    <>
      <StateBadge state={state} />
      {silent === undefined ? null : (
        <>
          {" "}
          <SilentFlag title={inert(silentText(silent))} />
        </>
      )}
    </>
  );
}
