/** Whether the search is worth having; the comparing itself is search-quality.ts. */
import { type Bench, figure, type Measure } from "./bench.ts";
import type { Figure } from "./figure.ts";
import { type SearchQuality, searchQuality } from "./search-quality.ts";

export const search: Measure = {
  name: "search",
  title: "search quality at equal training steps",
  async run(bench: Bench) {
    const quality = await searchQuality(bench.quick ? 10 : 20);
    return quality.againstRandom.map(toFigure);
  },
};

function toFigure(row: SearchQuality["againstRandom"][number]): Figure {
  const { method, family, loss, lossOfRandom, gain, verdict, fullTrainings } = row;
  const single = (value: number) => ({ low: value, median: value, high: value, count: 1 });
  return figure({
    measure: "search",
    what: `loss of ${method}, ${family} curves`,
    unit: "loss",
    value: single(loss),
    floor: single(lossOfRandom),
    floorWhat: "random search at equal steps",
    ratio: single(loss / lossOfRandom),
    aim: method === "default" ? "not worse than random" : "",
    met: method === "default" ? verdict !== "worse" : null,
    note: `gain ${gain.mean.toFixed(4)} [${gain.low.toFixed(4)}, ${gain.high.toFixed(4)}] (95 %), ${verdict}; ${fullTrainings.toFixed(1)} full trainings`,
  });
}
