/**
 * The queue in its order. A row is moved by dragging it, by the arrows beside it, or by writing its priority; each of
 * these sets the priority, as the command below it does, and the scheduler goes by it from then on.
 */
import { ActionIcon, Alert, NumberInput } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { type DragEvent, useState } from "react";
import { inert } from "../../../src/cli/inert.ts";
import type { Job } from "../../../src/protocol/api.ts";
import { client } from "../../live/client.ts";
import { queries } from "../../live/queries.ts";
import { CommandLine } from "../../parts/command-line.tsx";
import { SilentFlag } from "../../parts/silent.tsx";
import { Ago, Inert } from "../../parts/text.tsx";
import { TrialLink } from "../../parts/trial-link.tsx";
import { priorityAfter, priorityBefore, priorityFor } from "./reorder.ts";

interface Told {
  readonly text: string;
  readonly command?: string;
  readonly failed?: boolean;
}

export function QueueTable({ jobs }: { readonly jobs: readonly Job[] }) {
  const [dragged, setDragged] = useState<number>();
  const [over, setOver] = useState<number>();
  const [told, setTold] = useState<Told>();
  const move = async (job: Job, priority: number | undefined, where: string): Promise<void> => {
    if (priority === undefined) {
      setTold({
        text: `Experiment ${job.experiment} cannot go ${where}: priorities end at 1 and 99, and within one priority the earlier submission goes first.`,
        failed: true,
      });
      return;
    }
    if (priority === job.priority) return;
    const command = `contrail experiment update ${job.experiment} --priority ${priority}`;
    try {
      await client.updateExperiment(job.experiment, { priority });
      setTold({ text: `Experiment ${job.experiment} has priority ${priority} now.`, command });
    } catch (error) {
      setTold({ text: error instanceof Error ? error.message : String(error), failed: true });
    }
    await queries.invalidateQueries({ queryKey: ["queue"] });
  };
  const drop = (to: number): void => {
    const from = jobs.findIndex(({ experiment }) => experiment === dragged);
    const [job, target] = [jobs[from], jobs[to]];
    setDragged(undefined);
    setOver(undefined);
    if (!job || !target || from === to) return;
    const where = `${from > to ? "before" : "after"} experiment ${target.experiment}`;
    void move(job, priorityFor(jobs, from, to), where);
  };
  const step = (at: number, by: -1 | 1): void => {
    const [job, other] = [jobs[at], jobs[at + by]];
    if (!job || !other) return;
    const priority = by < 0 ? priorityBefore(job, other) : priorityAfter(job, other);
    void move(job, priority, `${by < 0 ? "before" : "after"} experiment ${other.experiment}`);
  };
  return (
    <>
      <div role="status" className="queue-told">
        {told ? (
          <Alert
            color={told.failed ? "red" : "blue"}
            variant="light"
            p="xs"
            withCloseButton
            closeButtonLabel="Close"
            onClose={() => setTold(undefined)}
          >
            {inert(told.text)} {told.command ? <CommandLine command={told.command} /> : null}
          </Alert>
        ) : null}
      </div>
      <ol className="queue" aria-label="Queue">
        {jobs.map((job, at) => (
          <li
            key={job.experiment}
            className={rowClass(over === at, dragged === job.experiment)}
            draggable
            onDragStart={(event: DragEvent) => {
              event.dataTransfer.effectAllowed = "move";
              event.dataTransfer.setData("text/plain", String(job.experiment));
              setDragged(job.experiment);
            }}
            onDragOver={(event: DragEvent) => {
              if (dragged === undefined) return;
              event.preventDefault();
              setOver(at);
            }}
            onDrop={(event: DragEvent) => {
              event.preventDefault();
              drop(at);
            }}
            onDragEnd={() => {
              setDragged(undefined);
              setOver(undefined);
            }}
          >
            <QueueRow
              job={job}
              position={at + 1}
              isFirst={at === 0}
              isLast={at === jobs.length - 1}
              onStep={(by) => step(at, by)}
              onPriority={(priority) => void move(job, priority, "there")}
            />
          </li>
        ))}
      </ol>
      <p className="dim">
        A smaller priority goes first; within one priority the earlier submission does. What runs is
        not interrupted: a change counts when slots become free.
      </p>
    </>
  );
}

const rowClass = (isOver: boolean, isDragged: boolean): string =>
  `queue-row${isOver ? " queue-over" : ""}${isDragged ? " queue-dragged" : ""}`;

interface RowProps {
  readonly job: Job;
  readonly position: number;
  readonly isFirst: boolean;
  readonly isLast: boolean;
  readonly onStep: (by: -1 | 1) => void;
  readonly onPriority: (priority: number) => void;
}

function QueueRow({ job, position, isFirst, isLast, onStep, onPriority }: RowProps) {
  const id = job.experiment;
  return (
    <>
      <div className="queue-head">
        <span className="queue-grip" aria-hidden="true">
          ⠿
        </span>
        <b>{position}</b>
        <Link to="/experiments/$id" params={{ id: String(id) }} className="row-link queue-name">
          {id} <Inert>{job.name}</Inert>
        </Link>
        <span className="dim queue-owner">
          <Inert>{job.owner}</Inert>, <Ago time={job.submitted_at} />
        </span>
        <span className="queue-counts">
          {job.running} running
          {job.silent > 0 ? (
            <>
              {" "}
              (<SilentFlag>{`${job.silent} silent`}</SilentFlag>)
            </>
          ) : null}
          , {job.queued} waiting, {job.slots_held} {job.slots_held === 1 ? "slot" : "slots"}
        </span>
        <span className="queue-controls">
          <PriorityField key={job.priority} job={job} onPriority={onPriority} />
          <ActionIcon
            variant="default"
            size="sm"
            aria-label={`Move experiment ${id} up`}
            disabled={isFirst}
            onClick={() => onStep(-1)}
          >
            ▴
          </ActionIcon>
          <ActionIcon
            variant="default"
            size="sm"
            aria-label={`Move experiment ${id} down`}
            disabled={isLast}
            onClick={() => onStep(1)}
          >
            ▾
          </ActionIcon>
        </span>
      </div>
      {job.waiting.length === 0 ? null : (
        <details className="queue-waits" open={job.waiting.length <= 3}>
          <summary>
            {job.queued === 1 ? "1 trial waits" : `${job.queued} trials wait`}:{" "}
            {inert(job.waiting[0]?.reason ?? "")}
          </summary>
          <ul>
            {job.waiting.map(({ trial, reason }) => (
              <li key={trial}>
                <TrialLink id={trial} /> <Inert>{reason}</Inert>
              </li>
            ))}
          </ul>
        </details>
      )}
    </>
  );
}

function PriorityField({
  job,
  onPriority,
}: {
  readonly job: Job;
  readonly onPriority: (priority: number) => void;
}) {
  const [value, setValue] = useState<number | string>(job.priority);
  const take = (): void => {
    if (typeof value === "number" && value !== job.priority) onPriority(value);
    else setValue(job.priority);
  };
  return (
    <span className="queue-priority">
      <span className="dim">priority</span>
      <NumberInput
        size="xs"
        w={56}
        min={1}
        max={99}
        clampBehavior="strict"
        allowDecimal={false}
        hideControls
        aria-label={`Priority of experiment ${job.experiment}`}
        value={value}
        onChange={setValue}
        onBlur={take}
        onKeyDown={(event) => {
          if (event.key === "Enter") take();
          else if (event.key === "Escape") setValue(job.priority);
        }}
      />
    </span>
  );
}
