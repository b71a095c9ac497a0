/** A new experiment: written here, read from a file, begun with another one's text, code and data, or forked and changed. */
import { Alert, Button, Checkbox, FileButton, Group } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { inert } from "../../../src/cli/inert.ts";
import type { ProblemIssue } from "../../../src/protocol/errors.ts";
import type { Tree } from "../../../src/protocol/runner-wire.ts";
import { client } from "../../live/client.ts";
import { queries } from "../../live/queries.ts";
import { CommandLine } from "../../parts/command-line.tsx";
import { useIntent } from "../../parts/intent.ts";
import { Failed, Loading } from "../../parts/states.tsx";
import { Inert } from "../../parts/text.tsx";
import { failureText } from "../../parts/told.tsx";
import { type RawView, useViewState } from "../../parts/view-state.ts";
import { Changed } from "./changed.tsx";
import { CodeChoice, type CodeChosen } from "./code-choice.tsx";
import { type Draft, draftOf } from "./drafts.ts";
import { Editor } from "./editor.tsx";
import { PlanShown } from "./plan-shown.tsx";
import "./create.css";

const CHECK_AFTER_MS = 400;
const FILE_BYTES_MAX = 1_048_576;

const NO_ISSUES: readonly ProblemIssue[] = [];

const readView = (raw: RawView) => ({
  from: /^[1-9]\d{0,8}$/.test(raw.from ?? "") ? Number(raw.from) : undefined,
  fork: /^[1-9]\d{0,8}(?:\.[1-9]\d{0,8})?$/.test(raw.fork ?? "") ? raw.fork : undefined,
});

export default function CreatePage() {
  const [view] = useViewState(readView);
  const { from, fork } = view;
  const key = fork ?? from ?? 0;
  const draft = useQuery({
    queryKey: ["create", "draft", String(fork), from ?? 0],
    queryFn: () => draftOf(view),
    staleTime: Number.POSITIVE_INFINITY,
  });
  return (
    <>
      <header className="page-head">
        <h1>{draft.data?.title ?? "New experiment"}</h1>
      </header>
      {draft.isPending ? (
        <Loading what="Asking for the experiment" />
      ) : draft.data === undefined ? (
        <Failed error={draft.error} again={() => void draft.refetch()} />
      ) : (
        <Writing key={key} draft={draft.data} of={String(key)} />
      )}
    </>
  );
}

function Writing({ draft, of }: { readonly draft: Draft; readonly of: string }) {
  const navigate = useNavigate();
  const intent = useIntent();
  const [text, setText] = useState(draft.text);
  const [settled] = useDebouncedValue(text, CHECK_AFTER_MS);
  const [code, setCode] = useState<CodeChosen>(
    draft.reusable ? { kind: "reused", tree: draft.reusable.tree } : { kind: "none" },
  );
  const [paused, setPaused] = useState(false);
  const [busy, setBusy] = useState(false);
  const [failure, setFailure] = useState<string>();
  const schema = useQuery({
    queryKey: ["create", "schema"],
    queryFn: () => client.configSchema(),
    staleTime: Number.POSITIVE_INFINITY,
  });
  const checked = useQuery({
    queryKey: ["create", "check", of, draft.isFork, settled],
    queryFn: () => draft.check(settled),
    gcTime: 30_000,
    placeholderData: (before) => before,
  });
  const verdict = checked.data;
  const isCurrent = settled === text && !checked.isPlaceholderData && verdict !== undefined;
  const tree: Tree | null = code.kind === "none" ? null : code.tree;
  const submit = async (): Promise<void> => {
    setBusy(true);
    setFailure(undefined);
    try {
      const made = { text, tree, activate: !paused };
      const experiment = await intent.once(made, (key) => draft.make(made, key));
      await queries.invalidateQueries({ queryKey: ["experiments"] });
      if (experiment)
        await navigate({
          to: "/experiments/$id" as string,
          params: { id: String(experiment.id) } as never,
        });
    } catch (error) {
      setFailure(failureText(error));
    } finally {
      setBusy(false);
    }
  };
  const readFile = async (file: File | null): Promise<void> => {
    if (!file) return;
    if (file.size > FILE_BYTES_MAX)
      setFailure(`${file.name} holds more than 1 MiB; a configuration does not.`);
    else setText(await file.text());
  };
  return (
    <div className="create">
      <section aria-label="Configuration" className="create-text">
        <Group gap="xs" justify="space-between">
          <h2>Configuration</h2>
          <FileButton onChange={(file) => void readFile(file)} accept=".yaml,.yml,.json,text/yaml">
            {(props) => (
              <Button {...props} size="compact-xs" variant="default">
                Read a file
              </Button>
            )}
          </FileButton>
        </Group>
        <Editor
          text={text}
          onChange={setText}
          schema={schema.data}
          issues={verdict?.refused?.issues ?? NO_ISSUES}
        />
        <p className="dim">
          Proposals come as one writes, or with Ctrl-Space; Escape puts them away.
        </p>
      </section>
      <div className="create-side">
        <section aria-label="Code">
          <h2>Code</h2>
          {draft.about === undefined ? null : (
            <p className="dim">
              <Inert>{draft.about}</Inert>
            </p>
          )}
          {draft.isFork ? null : (
            <CodeChoice
              chosen={code}
              reusable={draft.reusable ?? null}
              from={draft.reusable?.from}
              onChange={setCode}
            />
          )}
        </section>
        {draft.isFork ? <Changed overrides={isCurrent ? verdict.overrides : undefined} /> : null}
        <section aria-label="Plan">
          <h2>Plan</h2>
          {checked.isError ? (
            <Failed error={checked.error} again={() => void checked.refetch()} />
          ) : verdict === undefined ? (
            <Loading what="Checking the configuration" />
          ) : verdict.accepted ? (
            <PlanShown reply={verdict.accepted} />
          ) : (
            <Alert
              color="red"
              variant="light"
              p="xs"
              role="alert"
              title="This cannot be submitted yet"
            >
              {inert(`${verdict.refused?.message} ${verdict.refused?.hint}`)}
            </Alert>
          )}
        </section>
        <section aria-label="Submit">
          <Checkbox
            size="xs"
            label="Make it, but start nothing yet"
            checked={paused}
            onChange={(event) => setPaused(event.currentTarget.checked)}
          />
          <Button
            loading={busy}
            disabled={!isCurrent || verdict.accepted === null}
            onClick={() => void submit()}
          >
            {draft.isFork ? "Make the fork" : "Create the experiment"}
          </Button>
          {failure === undefined ? null : (
            <Alert color="red" variant="light" p="xs" role="alert">
              {inert(failure)}
            </Alert>
          )}
          <CommandLine command={draft.command({ tree, activate: !paused }, verdict)} />
        </section>
      </div>
    </div>
  );
}
