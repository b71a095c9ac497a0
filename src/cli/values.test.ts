import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { CliError } from "./exit-code.ts";
import { timeOf } from "./values.ts";

const clock = {
  nowMs: () => Date.UTC(2026, 0, 31, 12),
  monotonicMs: () => 0,
  after: () => () => undefined,
};
const zone = process.env.TZ;
before(() => {
  process.env.TZ = "America/New_York";
});
after(() => {
  if (zone === undefined) delete process.env.TZ;
  else process.env.TZ = zone;
});

test("a time without a zone is UTC, like all that are shown, wherever it is typed", () => {
  assert.notEqual(new Date(2026, 0, 31).getTimezoneOffset(), 0);
  const cases: [string, string][] = [
    ["2026-01-31", "2026-01-31T00:00:00.000Z"],
    ["2026-01-31T08:00", "2026-01-31T08:00:00.000Z"],
    ["2026-01-31 08:00:01", "2026-01-31T08:00:01.000Z"],
    ["2026-01-31T08:00:01.25Z", "2026-01-31T08:00:01.250Z"],
    ["2026-01-31t08:00:01z", "2026-01-31T08:00:01.000Z"],
    ["2026-01-31T08:00:00+02:00", "2026-01-31T06:00:00.000Z"],
    ["2h", "2026-01-31T10:00:00.000Z"],
  ];
  for (const [text, at] of cases) assert.equal(timeOf("--since", text, clock), at, text);
});

test("what is no time is refused", () => {
  const none = [
    "2026-1-31",
    "2026-02-30",
    "2026-01-31T25:00",
    "2026-01-31T08:00 EST",
    "2026-01-31x",
  ];
  for (const text of [...none, "2026", "31.1.2026", "yesterday", "", "999999999d"])
    assert.throws(
      () => timeOf("--since", text, clock),
      (error) => error instanceof CliError && error.message.includes(`"${text}"`),
      text,
    );
});
