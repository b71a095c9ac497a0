/** Writes a verdict down: its row and its entry in the log of changes, in one turn of the decision loop. */
import { VERDICT_WORDS } from "../../analysis/verdict-words.ts";
import type { VerdictDetail, VerdictState } from "../../protocol/api.ts";
import { storable, storableJson } from "../../store/storable.ts";
import type { DecisionLoop } from "../loops/decision-loop.ts";
import { judgeAgain } from "../retention/commands.ts";
import type { Turn } from "../world.ts";
import type { VerdictBook } from "./verdict-book.ts";

export interface NewVerdict {
  readonly experiment: number;
  readonly trial: number;
  readonly replay: number | null;
  readonly state: VerdictState;
  readonly text: string;
  readonly detail: VerdictDetail;
  /** Who asked for the replay. */
  readonly askedBy: string;
}

interface How {
  /** Checkpoints of the trial may have been kept for this verdict alone. */
  readonly releases: boolean;
}

export const NOTHING_COMPARED: VerdictDetail = {
  by: null,
  compared: { checkpoints: 0, tensors: 0, points: 0 },
  ...{ first: null, metric: null },
  ...{ left_out: [], reasons: [], notes: [] },
};

const CAUSE_CHARS_MAX = 500;

export async function writeVerdict(
  loop: DecisionLoop,
  book: VerdictBook,
  verdict: NewVerdict,
  { releases }: How,
): Promise<void> {
  const { experiment, trial, replay, state, askedBy } = verdict;
  const row = await loop.submit({
    name: "verdict",
    run: (_world, turn) => {
      const at = new Date(book.timeFor(experiment, trial, turn.nowMs));
      const row = {
        ...{ experiment_id: experiment, trial_number: trial, at, replay_id: replay, state },
        text: storable(verdict.text),
        asked_by: storable(askedBy),
      };
      const detail = storableJson(verdict.detail);
      turn.batch.put("verdicts", { ...row, at: at.toISOString(), detail });
      const by = replay === null ? "found before it was run" : `by replay ${replay}`;
      turn.batch.change({
        ...{ at, actor: replay === null ? row.asked_by : "contrail", experimentId: experiment },
        subject: `trial ${experiment}.${trial}`,
        what: `verdict: ${VERDICT_WORDS[state]}`,
        cause: `${row.text.slice(0, CAUSE_CHARS_MAX)} (${by}, asked by ${row.asked_by})`,
      });
      if (releases) {
        judgeAgain(turn, experiment);
      }
      // Lists show it: whoever watches them is told.
      show(turn, experiment, trial);
      if (replay !== null) show(turn, replay, 1);
      return row;
    },
  });
  book.note(row);
}

/** Beside what the turn shows of it already. */
const show = (turn: Turn, experiment: number, trial: number): void =>
  void turn.shown.set(experiment, (turn.shown.get(experiment) ?? new Set()).add(trial));
