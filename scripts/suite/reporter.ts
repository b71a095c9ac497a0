/**
 * A reporter for node:test that writes one JSON object a line, for `node-tests.ts` to count.
 * Loaded by `node --test --test-reporter`. The results go to a file of their own, so nothing that a
 * test prints can be taken for one, and they are written at once: what Node's own reporters have not
 * flushed yet is lost when a test ends the process.
 */
import { appendFileSync } from "node:fs";
import { inspect } from "node:util";

/** Environment: the file to write to. */
export const RESULTS = "CONTRAIL_TEST_RESULTS";

interface TestEvent {
  readonly type: string;
  readonly data: {
    readonly name?: string;
    readonly file?: string;
    readonly line?: number;
    readonly nesting?: number;
    readonly skip?: string | boolean;
    readonly todo?: string | boolean;
    readonly details?: { readonly type?: string; readonly error?: Error };
  };
}

/** One finished test. A suite is reported only when it failed by itself (in a hook). */
export type ReportedTest =
  | { readonly kind: "pass" | "skip"; readonly title: string; readonly where: string }
  | {
      readonly kind: "fail";
      readonly title: string;
      readonly where: string;
      readonly detail: string;
    };

export type Reported =
  | ReportedTest
  /** A test is about to run; what was begun last is where a process that broke was. */
  | { readonly kind: "begin"; readonly title: string; readonly where: string }
  /** The last line; a file of results without it is one of a process that did not get that far. */
  | { readonly kind: "end" };

export default async function* report(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  const file = process.env[RESULTS] as string;
  const write = (result: Reported) => appendFileSync(file, `${JSON.stringify(result)}\n`);
  /** Names of the tests that enclose the next event, outermost first. */
  const names: string[] = [];
  for await (const { type, data } of events) {
    const nesting = data.nesting ?? 0;
    const name = data.name ?? "";
    const where = data.file === undefined ? "" : `${data.file}:${data.line ?? 1}`;
    if (type === "test:dequeue") {
      write({ kind: "begin", title: name, where });
    } else if (type === "test:start") {
      names.length = nesting;
      names.push(name);
    } else if (type === "test:pass" || type === "test:fail") {
      const title = [...names.slice(0, nesting), name].join(" › ");
      const result = resultOf(type, data, title, where);
      if (result !== undefined) write(result);
    }
  }
  write({ kind: "end" });
}

function resultOf(
  type: string,
  data: TestEvent["data"],
  title: string,
  where: string,
): ReportedTest | undefined {
  const { error, type: kind } = data.details ?? {};
  if (type === "test:fail" && data.todo === undefined) {
    // A suite or a parent that failed only because something inside it did is not a second failure.
    if (kind === "suite" && isOnlyAboutChildren(error)) return undefined;
    return { kind: "fail", title, where, detail: describeError(error) };
  }
  if (kind === "suite") return undefined;
  const isUncounted = data.skip !== undefined || data.todo !== undefined;
  return { kind: isUncounted ? "skip" : "pass", title, where };
}

const isOnlyAboutChildren = (error: unknown): boolean =>
  (error as { failureType?: string } | undefined)?.failureType === "subtestsFailed";

/** node:test wraps what was thrown; only the inside tells anything. */
function describeError(error: (Error & { code?: string }) | undefined): string {
  const inner =
    error?.code === "ERR_TEST_FAILURE" && error.cause !== undefined ? error.cause : error;
  return typeof inner === "string" ? inner : inspect(inner, { depth: 6, maxStringLength: 20_000 });
}
