/** What is too large is found in a text as in what the text says, wherever it is cut. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { REPORT_METRICS_MAX } from "../../protocol/runner-wire.ts";
import { findHugeReport, HugeReportScan } from "./huge-reports.ts";

const named = (count: number, name = "m"): Record<string, number> =>
  Object.fromEntries(Array.from({ length: count }, (_, at) => [`${name}${at}`, at]));
const most = named(REPORT_METRICS_MAX);
const tooMany = named(REPORT_METRICS_MAX + 1);

const sync = (id: string, ...events: unknown[]): unknown => ({
  ...{ boot: "metrics", ordersAfter: 1, holds: ['"metrics":{"a":1'] },
  allocations: [
    { id: "1.1.1", fence: 1, events: [{ type: "report", metrics: most }] },
    { id, fence: 1, events },
  ],
});

const scan = (text: string, chunk: number): string | undefined => {
  const bytes = Buffer.from(text);
  const scanning = new HugeReportScan();
  for (let at = 0; at < bytes.length; at += chunk) {
    const found = scanning.push(bytes.subarray(at, at + chunk));
    if (found !== undefined) return found.allocation;
  }
  return undefined;
};

const check = (body: unknown, expected: string | undefined): void => {
  assert.equal(findHugeReport(body)?.allocation, expected);
  for (const text of [JSON.stringify(body), JSON.stringify(body, null, 2)])
    for (const chunk of [1, 7, 65_536]) assert.equal(scan(text, chunk), expected);
};

test("a report with one metric too many is found, with the allocation that it is of", () => {
  check(sync("2.3.4", { type: "report", seq: 1, metrics: tooMany }), "2.3.4");
  check(
    sync("2.3.4", { type: "report", metrics: most }, { type: "report", metrics: tooMany }),
    "2.3.4",
  );
});

test("as many as there may be are none too many, also twice and with quotes, colons and braces in their names", () => {
  check(
    sync("2.3.4", { type: "report", metrics: most }, { type: "report", metrics: most }),
    undefined,
  );
  const odd = named(REPORT_METRICS_MAX, '":{"metrics":[\\"');
  check(sync("2.3.4", { type: "report", metrics: odd }), undefined);
});

test("other things may be many", () => {
  const tree = Array.from({ length: 11_000 }, (_, at) => ({ path: `metrics${at}`, size: at }));
  check(sync("2.3.4", { type: "checkpoint", tree, metadata: tooMany }), undefined);
  check(sync("2.3.4", { type: "checkpoint", metadata: { metrics: tooMany } }), undefined);
});

test("a key written with an escape is another one", () => {
  const text = JSON.stringify(sync("2.3.4", { type: "report", "metri\ncs": tooMany }));
  for (const chunk of [1, 7, 65_536]) assert.equal(scan(text, chunk), undefined);
});

test("a text that is no JSON is nobody's report", () => {
  for (const text of ["", "]]]]]]{{{{", '{"allocations":["', "\u0000".repeat(100)])
    assert.equal(scan(text, 3), undefined);
});
