/** Whether the search is worth having; the comparing itself is search-quality.ts. */
import { type Bench, figure, type Measure } from "./bench.ts";
import { type Figure, quartiles } from "./figure.ts";
import { type SearchQuality, searchQuality } from "./search-quality.ts";

export const search: Measure = {
  name: "search",
  title: "search quality at equal training steps",
  async run(bench: Bench) {
    const { againstRandom, seeds } = await searchQuality(bench.quick ? 3 : 20);
    const methods = Map.groupBy(againstRandom, ({ method }) => method);
    return [...methods].map(([method, rows]) => ofMethod(method, rows, seeds));
  },
};

type Row = SearchQuality["againstRandom"][number];

/** One line a method: the quartiles are over the families of learning curves. */
function ofMethod(method: string, rows: readonly Row[], seeds: number): Figure {
  const worse = rows.filter(({ verdict }) => verdict === "worse");
  const better = rows.filter(({ verdict }) => verdict === "better");
  const judged = method === "default";
  return figure({
    measure: "search",
    what: `final loss, ${method}`,
    unit: "",
    value: quartiles(rows.map(({ loss }) => loss)),
    floor: quartiles(rows.map(({ lossOfRandom }) => lossOfRandom)),
    floorWhat: "random search at equal training steps",
    ratio: quartiles(rows.map(({ loss, lossOfRandom }) => loss / lossOfRandom)),
    aim: judged ? "never worse than random" : "",
    met: judged ? worse.length === 0 : null,
    note: `better on ${namesOf(better)}, worse on ${namesOf(worse)}, of ${rows.length} families of curves; ${seeds} paired seeds, 95 % intervals`,
  });
}

const namesOf = (rows: readonly Row[]): string =>
  rows.map(({ family }) => family).join(", ") || "none";
