/** Who waits for an environment while it is built, and for whom. The interpreter is a script that does as the test says. */
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { EMPTY_PART } from "../../protocol/record-part.ts";
import type { LaunchSpec } from "../../protocol/runner-wire.ts";
import { Rebuilder } from "./rebuild.ts";

const root = mkdtempSync(join(tmpdir(), "contrail-rebuilder-"));
after(() => rmSync(root, { recursive: true, force: true }));

const LAUNCH: LaunchSpec = {
  ...{ experiment: 1, trial: "1.1", allocation: "1.1.1", slots: ["cpu:0"], ranks: 1 },
  ...{
    entrypoint: ["/gone/bin/python", "t.py"],
    code: null,
    data: {},
    environment: {},
    params: {},
  },
  ...{ seed: 7, unit: "steps", restore: null, token: "t", killGraceMs: 2_000, yieldGraceMs: 2_000 },
};

class Bench {
  readonly folder = mkdtempSync(join(root, "bench-"));
  /** How many have said that they wait for a build of somebody else's. */
  #joined = 0;
  readonly #python = join(this.folder, "python3.11");
  readonly #rebuilder = new Rebuilder({ folder: this.#at("environments"), setpriv: null });
  readonly #interpreter = {
    ...{ language: "python", version: "3.11.7", platform: "linux cpython" },
    ...{ base_path: this.#python, prefix: "/gone" },
  };

  constructor() {
    const interpreter = { ...this.#interpreter, path: "%s", prefix: "%s" };
    const answer = { interpreter, places: [], packages: ["%s"], faults: [] };
    // Whatever venvs are made from has a package that was not recorded.
    const more = JSON.stringify({ name: "more", version: "1" });
    // Two that make one folder at once are in each other's way, as pip is.
    const script = `#!/bin/sh
for last; do :; done
case "$*" in
*probe.py)
  echo asked >> ${this.#at("asked")}
  [ "$0" = ${this.#python} ] && more='${more}' || more=
  printf '\\n\\036contrail-probe ${JSON.stringify(answer).replace('"%s"]', "%s]")}\\n' "\${0%/bin/*}" "$0" "$more" ;;
*contrail-prefix*)
  [ -z "$MUTE" ] || exit 3
  ! rm ${this.#at("fails-once")} 2>/dev/null || exit 3
  printf '\\n\\036contrail-prefix {"prefix": "%s", "path": "%s"}\\n' "\${0%/bin/*}" "$0" ;;
*"-m venv "*)
  echo begun >> ${this.#at("log")}
  mkdir "$last" || exit 1
  while [ ! -e ${this.#at("gate")} ]; do sleep 0.02; done
  [ -z "$BROKEN" ] || exit 1
  mkdir "$last/bin" && cp "$0" "$last/bin/python" && echo made >> ${this.#at("log")} ;;
esac
`;
    writeFileSync(this.#python, script, { mode: 0o755 });
  }

  #at(name: string): string {
    return join(this.folder, name);
  }

  get log(): string[] {
    return this.#lines("log");
  }

  #lines(name: string): string[] {
    const path = this.#at(name);
    // A shell makes the file before it writes to it.
    return existsSync(path) ? (readFileSync(path, "utf8").match(/.+/g) ?? []) : [];
  }

  /** Until then whatever is being built goes on. */
  letEnd(): void {
    writeFileSync(this.#at("gate"), "");
  }

  ready(
    variables: Record<string, string> = {},
    signal: AbortSignal = new AbortController().signal,
    tell: (text: string) => void = () => undefined,
    entrypoint: readonly string[] = LAUNCH.entrypoint,
  ): Promise<string> {
    const captured = { interpreter: this.#interpreter };
    return this.#rebuilder
      .ready({
        ...{
          launch: { ...LAUNCH, entrypoint: [...entrypoint] },
          folder: this.folder,
          signal,
          tell: (text: string) => {
            if (text.includes("waiting for it")) this.#joined += 1;
            tell(text);
          },
        },
        environment: { ...EMPTY_PART, captured },
        variables: { PATH: "/usr/bin:/bin", ...variables },
      })
      .then(
        ({ environment }) => (environment.VIRTUAL_ENV === undefined ? "not built" : "built"),
        (error: Error) => error.message,
      );
  }

  /** The next that is asked for its prefix alone fails. */
  failOnce(): void {
    writeFileSync(this.#at("fails-once"), "");
  }

  /** A script that names the interpreter in its first line. */
  script(): string {
    writeFileSync(this.#at("train.py"), `#!${this.#python}\npass\n`, { mode: 0o755 });
    return "./train.py";
  }

  /** Until so many wait for the build that has begun, with the one that began it. */
  async waiting(count: number): Promise<void> {
    while (this.log.length === 0 || this.#joined < count - 1)
      await new Promise((resolve) => setTimeout(resolve, 10));
  }

  left(): Promise<string[]> {
    return readdir(this.#at("environments"));
  }
}

test("an environment that three wait for is built once, though the one that began is told to stop", {
  timeout: 120_000,
}, async () => {
  const bench = new Bench();
  const stopped = new AbortController();
  const first = bench.ready({}, stopped.signal);
  await bench.waiting(1);
  const lines: string[] = [];
  const others = [bench.ready({}, undefined, (text) => lines.push(text)), bench.ready()];
  await bench.waiting(3);
  stopped.abort(new Error("killed"));
  assert.equal(await first, "killed");
  bench.letEnd();
  assert.deepEqual(await Promise.all(others), ["built", "built"]);
  assert.deepEqual(bench.log, ["begun", "made"]);
  assert.match(lines.at(-1) ?? "", /is built: every package as it was/);
});

test("where the variables of the one that began are to blame, the next begins again, and alone", {
  timeout: 120_000,
}, async () => {
  const bench = new Bench();
  const first = bench.ready({ BROKEN: "1" });
  await bench.waiting(1);
  const others = [bench.ready(), bench.ready()];
  await bench.waiting(3);
  bench.letEnd();
  assert.match(await first, /a virtual environment could not be made/);
  assert.deepEqual(await Promise.all(others), ["built", "built"]);
  assert.deepEqual(bench.log, ["begun", "begun", "made"]);
});

test("what nobody waits for any more is ended, and leaves nothing to who comes then", {
  timeout: 120_000,
}, async () => {
  const bench = new Bench();
  const stopped = new AbortController();
  const both = [bench.ready({}, stopped.signal), bench.ready({}, stopped.signal)];
  await bench.waiting(2);
  stopped.abort(new Error("killed"));
  const next = bench.ready();
  assert.deepEqual(await Promise.all(both), ["killed", "killed"]);
  bench.letEnd();
  assert.equal(await next, "built");
  assert.deepEqual(bench.log, ["begun", "begun", "made"]);
  assert.equal((await bench.left()).length, 1);
});

test("a command that starts another interpreter than the one that was built is refused", {
  timeout: 120_000,
}, async () => {
  const bench = new Bench();
  bench.letEnd();
  const ready = (...words: string[]) => bench.ready({}, undefined, undefined, words);
  const [script, python] = [bench.script(), join(bench.folder, "python3.11")];
  assert.equal(await ready("python", "t.py"), "built");
  assert.equal(await ready(python, "t.py"), "built");
  const other = new RegExp(`it is built, but the command starts ${python} in its place`);
  assert.match(await ready(script), other);
  assert.match(await ready("sh", "-c", `exec ${python} t.py`), other);
  assert.match(await ready("sh", "-c", `python prep.py && ${script}`), other);
  assert.equal(await ready("sh", "-c", "node gen.js && python t.py"), "built");
  const unseen = /does not show whether it starts it\. Let the command itself say python3/;
  assert.match(await ready("sh", "-c", "exec $WHICH t.py"), unseen);
  assert.match(await ready("make", "train"), unseen);
});

test("an interpreter that fails to say which it is is asked once more, and then the reason is told", {
  timeout: 120_000,
}, async () => {
  const bench = new Bench();
  bench.letEnd();
  bench.failOnce();
  const ready = (variables: Record<string, string>) =>
    bench.ready(variables, undefined, undefined, ["python", "t.py"]);
  assert.equal(await ready({}), "built");
  assert.match(await ready({ MUTE: "1" }), /could not be asked .*: python ended with exit code 3/);
});
