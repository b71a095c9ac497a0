/** The figures as a table for a terminal. */
import type { Figure, Quartiles } from "./figure.ts";

const HEAD = ["", "figure", "value [quartiles]", "floor", "ratio [quartiles]", "aim", "met"];

/** @returns the table, one note a line below it, and how many aims were met */
export function figureTable(figures: readonly Figure[]): string {
  const rows = figures.map((figure) => [
    figure.measure,
    figure.what,
    `${range(figure.value)} ${figure.unit}`,
    figure.floor === null ? "–" : number(figure.floor.median),
    figure.ratio === null ? "–" : range(figure.ratio),
    figure.aim || "–",
    verdict(figure),
  ]);
  const widths = HEAD.map((head, column) =>
    Math.max(...[HEAD, ...rows].map((row) => (row[column] ?? head).length)),
  );
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, column) => cell.padEnd(widths[column] as number))
      .join("  ")
      .trimEnd();
  return [line(HEAD), ...rows.map(line), "", ...notes(figures), summary(figures)].join("\n");
}

function notes(figures: readonly Figure[]): string[] {
  const lines = figures.flatMap(({ measure, what, floorWhat, cpu, note }) => {
    const parts = [floorWhat && `floor: ${floorWhat}`, cpu && `CPU: ${cpu}`, note].filter(Boolean);
    return parts.length === 0 ? [] : [`${measure} ${what}: ${parts.join("; ")}`];
  });
  return lines.length === 0 ? [] : [...lines, ""];
}

function summary(figures: readonly Figure[]): string {
  const judged = figures.filter(({ met }) => met !== null);
  const met = judged.filter((figure) => figure.met).length;
  const unjudged = figures.filter((figure) => figure.aim !== "" && figure.met === null).length;
  const noisy = unjudged === 0 ? "" : `; ${unjudged} too noisy to tell`;
  return `${met} of ${judged.length} aims met${noisy}`;
}

const verdict = (figure: Figure): string => {
  if (figure.met !== null) return figure.met ? "yes" : "NO";
  return figure.aim === "" ? "–" : "too noisy";
};

const range = ({ low, median, high, count }: Quartiles): string =>
  count === 1 ? number(median) : `${number(median)} [${number(low)}, ${number(high)}]`;

/** Three digits that count, without exponents. */
export function number(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  const size = Math.abs(value);
  if (size >= 100) return Math.round(value).toLocaleString("en-US");
  if (size >= 10) return value.toFixed(1);
  return size >= 1 || size === 0 ? value.toFixed(2) : value.toFixed(3);
}
