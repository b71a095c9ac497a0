/** What one report() costs the training loop; the measuring itself is report-cost.ts. */
import { figure, type Measure } from "./bench.ts";
import { measureReportCost } from "./report-cost.ts";

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
        value: { low: p50Us, median: meanUs, high: p99Us, count: reports },
        aim: "mean < 50 µs",
        met: meanUs < 50,
        note: `mean [p50, p99] of ${reports} reports of ${metricsPerReport} metrics`,
      }),
    );
  },
};
