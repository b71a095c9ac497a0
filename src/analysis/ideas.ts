/** The tree of ideas as terminal and page draw it: rows with the lines before them, how each came about, what lies aside. */
import type { Idea, Ideas } from "../protocol/api.ts";

export interface IdeaRow {
  readonly idea: Idea;
  /** What is drawn before it: `│  ├─ `. */
  readonly lines: string;
}

/** Each below what it came from, in the order of their numbers. */
export function ideaTree(items: readonly Idea[]): IdeaRow[] {
  const rows: IdeaRow[] = [];
  const children = Map.groupBy(items, ({ parent }) => parent);
  const visit = (idea: Idea, stem: string, branch: string): void => {
    rows.push({ idea, lines: `${stem}${branch}` });
    const below = children.get(idea.experiment) ?? [];
    const inner = branch === "" ? stem : `${stem}${branch.startsWith("└") ? "   " : "│  "}`;
    for (const [index, child] of below.entries())
      visit(child, inner, index === below.length - 1 ? "└─ " : "├─ ");
  };
  for (const root of children.get(null) ?? []) visit(root, "", "");
  return rows;
}

const SETTINGS_SHOWN = 3;

/** How it came out of its parent, "fork, other hyperparameters.width"; undefined where it is an idea of its own. */
export function originText({ by, likeness, changed }: Idea): string | undefined {
  if (by === null) return undefined;
  // Rounded down: 99.6 % alike is not the same.
  const how = by === "likeness" ? `${Math.floor((likeness ?? 0) * 100 + 1e-9)} % alike` : by;
  if (changed === null) return how;
  const some = changed.settings.slice(0, SETTINGS_SHOWN);
  const rest = changed.settings_total - some.length;
  const other = [
    ...(changed.code ? ["code"] : []),
    ...some,
    ...(rest > 0 ? [`${rest} more settings`] : []),
  ];
  return `${how}, ${other.length === 0 ? "unchanged" : `other ${other.join(", ")}`}`;
}

const ENDED: ReadonlySet<string> = new Set(["completed", "canceled", "error"]);

/** The experiments that have ended and lie on no thread. */
export const asideOf = ({ items }: Pick<Ideas, "items">): number[] =>
  items
    .filter(({ threads, archived, state }) => threads.length === 0 && !archived && ENDED.has(state))
    .map(({ experiment }) => experiment);
