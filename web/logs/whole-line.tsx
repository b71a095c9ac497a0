/** One line as a whole: rows of it that came apart, and all states of a progress bar. */
import { Modal } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { count, moment } from "../../src/cli/figures.ts";
import { inert } from "../../src/cli/inert.ts";
import type { LogEntry } from "../../src/protocol/api.ts";
import { client } from "../live/client.ts";
import { CommandLine } from "../parts/command-line.tsx";
import { Failed, Loading } from "../parts/states.tsx";

const SHOWN_CHARS_MAX = 200_000;
const PART = 8_000;

export function WholeLine({
  entry,
  onClose,
}: {
  readonly entry: LogEntry | undefined;
  readonly onClose: () => void;
}) {
  return (
    <Modal
      opened={entry !== undefined}
      onClose={onClose}
      size="xl"
      title={entry ? `Line ${entry.run}.${entry.line}, ${moment(entry.at)}` : ""}
      closeButtonProps={{ "aria-label": "Close" }}
    >
      {entry ? <Content trial={entry.trial} entry={entry} /> : null}
    </Modal>
  );
}

function Content({ trial, entry }: { readonly trial: string; readonly entry: LogEntry }) {
  const from = `${entry.run}.${entry.line}`;
  const text = useQuery({
    queryKey: ["trial", trial, "line", from],
    queryFn: () => wholeText(trial, entry, from),
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: 0,
  });
  if (text.isPending) return <Loading what="Asking for the whole line" />;
  if (text.isError) return <Failed error={text.error} again={() => void text.refetch()} />;
  const shown = text.data.slice(0, SHOWN_CHARS_MAX);
  const left = text.data.length - shown.length;
  // A browser lays out many short pieces faster than one long one.
  const states = shown
    .split("\r")
    .flatMap((state) => inert(state).match(new RegExp(`[\\s\\S]{1,${PART}}`, "g")) ?? []);
  return (
    <div className="log-whole-line">
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard */}
      <div className="code log-wrapped" tabIndex={0}>
        {states.map((state, i) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: the parts of a line never move
          <bdi key={i}>{state}</bdi>
        ))}
      </div>
      <p className="dim">
        {count(text.data.length)} characters
        {left > 0
          ? `, of which the last ${count(left)} are not shown; the raw download has all`
          : ""}
        .
      </p>
      <CommandLine command={`contrail logs ${trial} --from ${from} --raw`} />
    </div>
  );
}

async function wholeText(trial: string, entry: LogEntry, from: string): Promise<string> {
  if (entry.complete) return entry.text;
  const { rank, stream, run } = entry;
  const { items } = await client.trialLogs(trial, { from, rank, stream, limit: 64 });
  let text = "";
  for (const item of items) {
    if (item.run !== run) break;
    text += item.text;
    if (item.complete) break;
  }
  return text;
}
