/** What one report() costs the training loop; the measuring itself is report-cost.ts. */
import { figure, type Measure } from "./bench.ts";
import { measureReportCost } from "./report-cost.ts";
import { number } from "./table.ts";

export const report: Measure = {
  name: "report",
  title: "cost of report() in the training loop",
  async run() {
    const costs = await measureReportCost();
    return costs.map(({ language, pace, p50Us, p99Us, meanUs, reports, metricsPerReport }) =>
      figure({
        measure: "report",
        what: `report() in ${language === "python" ? "Python" : "TypeScript"}, ${pace === "paced" ? "200 µs of work between" : "back to back"}`,
        unit: "µs",
        value: { low: p50Us, median: p50Us, high: p99Us, count: reports },
        aim: "p50 < 50 µs",
        met: p50Us < 50,
        // Whoever takes the core away for a moment stands in the mean and not in the median.
        note: `p50 [p50, p99] of ${reports} reports of ${metricsPerReport} metrics; mean ${number(meanUs)} µs`,
      }),
    );
  },
};
