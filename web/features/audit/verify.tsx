/** Walks the whole chain of changes on the server, a stretch at a time, and says whether every one of them fits. */
import { Alert, Button } from "@mantine/core";
import { useRef, useState } from "react";
import { inert } from "../../../src/cli/inert.ts";
import type { AuditVerdict } from "../../../src/protocol/api.ts";
import { client } from "../../live/client.ts";
import { CommandLine } from "../../parts/command-line.tsx";

const AT_A_TIME = 50_000;

type State =
  | { readonly kind: "idle" }
  | { readonly kind: "busy"; readonly checked: number }
  | { readonly kind: "done"; readonly checked: number; readonly verdict: AuditVerdict }
  | { readonly kind: "failed"; readonly message: string };

export function Verify() {
  const [state, setState] = useState<State>({ kind: "idle" });
  const run = useRef(0);
  const verify = async (): Promise<void> => {
    const mine = ++run.current;
    let checked = 0;
    setState({ kind: "busy", checked });
    try {
      let verdict = await client.auditVerify({ limit: AT_A_TIME });
      checked += verdict.checked;
      while (verdict.ok && !verdict.complete && mine === run.current) {
        setState({ kind: "busy", checked });
        const { seq, hash } = verdict.last;
        verdict = await client.auditVerify({ after_seq: seq, after_hash: hash, limit: AT_A_TIME });
        checked += verdict.checked;
      }
      setState({ kind: "done", checked, verdict });
    } catch (error) {
      setState({ kind: "failed", message: error instanceof Error ? error.message : String(error) });
    }
  };
  return (
    <div className="verify">
      <Button
        size="xs"
        variant="default"
        loading={state.kind === "busy"}
        onClick={() => void verify()}
      >
        Verify
      </Button>
      <div role="status">
        {state.kind === "busy" ? `${state.checked} changes fit so far …` : null}
        {state.kind === "failed" ? (
          <Alert color="red" variant="light" p="xs" title={inert(state.message)} />
        ) : null}
        {state.kind === "done" ? <Verdict checked={state.checked} verdict={state.verdict} /> : null}
      </div>
    </div>
  );
}

function Verdict({
  checked,
  verdict,
}: {
  readonly checked: number;
  readonly verdict: AuditVerdict;
}) {
  const { ok, misfit, last } = verdict;
  return (
    <Alert
      color={ok ? "green" : "red"}
      variant="light"
      p="xs"
      title={ok ? `✓ The log is whole: all ${checked} changes fit.` : "✗ The log was changed."}
    >
      {misfit ? (
        <p>
          At change {misfit.seq}: {inert(misfit.text)}
        </p>
      ) : (
        <p>
          It ends with {last.seq}, hash <span className="mono">{last.hash.slice(0, 16)}…</span>
        </p>
      )}
      <CommandLine command="contrail audit verify" />
    </Alert>
  );
}
