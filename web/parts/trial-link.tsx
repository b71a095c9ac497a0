/** From anywhere to the page of a trial, and from several trials to their comparison. */
import { Button } from "@mantine/core";
import { Link, useNavigate } from "@tanstack/react-router";
import { useCallback } from "react";

export const COMPARED_MIN = 2;
export const COMPARED_MAX = 10;

export const trialAddress = (id: string): string => `/trials/${id}`;

/** @param tab of its page; absent = its overview */
export function TrialLink({ id, tab }: { readonly id: string; readonly tab?: string }) {
  return (
    <Link to={trialAddress(id) as string} search={{ tab } as never} className="row-link">
      {id}
    </Link>
  );
}

/** For charts, where a trial is picked on a canvas. */
export function useToTrial(): (id: string | undefined) => void {
  const navigate = useNavigate();
  return useCallback(
    (id) => {
      if (id !== undefined) void navigate({ to: trialAddress(id) as string });
    },
    [navigate],
  );
}

/**
 * Leads to /compare?trials=3.12,4.1, in the order of their columns; of any experiments. Disabled, with the reason on it,
 * while the selection is none that can be compared.
 */
export function CompareButton({ trials }: { readonly trials: readonly string[] }) {
  const can = trials.length >= COMPARED_MIN && trials.length <= COMPARED_MAX;
  const label = trials.length === 0 ? "Compare" : `Compare ${trials.length}`;
  const why = `Choose ${COMPARED_MIN} to ${COMPARED_MAX} trials`;
  if (!can)
    return (
      <Button size="xs" variant="default" disabled title={why}>
        {label}
      </Button>
    );
  return (
    <Button
      size="xs"
      renderRoot={(props) => (
        <Link to={"/compare" as string} search={{ trials: trials.join(",") } as never} {...props} />
      )}
    >
      {label}
    </Button>
  );
}
