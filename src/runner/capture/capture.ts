/**
 * What is around a run, taken down beside its start: the machine, the interpreter that its command line starts, the
 * packages that this would import, the variables it got. Nobody asks for it and nothing waits for it; what takes long is
 * remembered, by the content of the code and the times of the folders that packages lie in.
 *
 * The interpreter itself is asked (`probe.py`), because only it knows its path of packages. Reading site-packages from
 * here was refused: venvs, user sites, .pth files and conda would each have to be imitated.
 */
import { userInfo } from "node:os";
import { RecentMap } from "../../base/recent-map.ts";
import { maskedValue } from "../../base/secrets.ts";
import {
  EMPTY_PART,
  RECORD_VALUE_CHARS_MAX,
  type RecordFields,
  type RecordGap,
  type RecordPart,
} from "../../protocol/record-part.ts";
import type { LaunchSpec } from "../../protocol/runner-wire.ts";
import { SharedAnswer } from "../shared-answer.ts";
import { serves } from "../tasks/task-socket.ts";
import { type Asked, ask } from "./ask.ts";
import { bounded, joined } from "./bounded-part.ts";
import { containerFacts } from "./container-facts.ts";
import { declaredIn } from "./declared-apart.ts";
import { type Program, readEntrypoint } from "./entrypoint.ts";
import { timesOf, unchanged } from "./file-times.ts";
import { gpuFacts } from "./gpu-facts.ts";
import { readInside } from "./image-files.ts";
import { machineFacts } from "./machine-facts.ts";
import { nodeFacts } from "./node-facts.ts";
import { askPython } from "./python-facts.ts";
import { keyOf, liesIn } from "./remembered.ts";

export interface CaptureRequest {
  readonly launch: LaunchSpec;
  /** The folder it starts in. */
  readonly folder: string;
  /** As its first process got them. */
  readonly environment: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
  /** Where it runs, if that is not the machine itself. */
  readonly inside?: Inside;
}

/** A container that a run is in, and what can be asked there. */
export interface Inside {
  readonly facts: RecordFields;
  /** Whom programs run as. */
  readonly user: string;
  /** The same as long as nothing inside can have changed; null = it may have at any time. */
  readonly key: string | null;
  /** @returns what the program printed @throws Error in words */
  ask(question: Omit<Asked, "setpriv">): Promise<string>;
  /** Whether what the machine has at a path is what is there inside. */
  sees(path: string): boolean;
}

export interface Captured {
  /** The same from run to run. */
  readonly environment: RecordPart;
  readonly own: RecordPart;
}

export interface CaptureOptions {
  /** Environment of the runner. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** From `findSetpriv`. */
  readonly setpriv: string | null;
  readonly nowMs: () => number;
}

const PROBE_LIMIT_MS = 20_000;
/** A driver can be replaced while a runner lives. */
const GPU_AGAIN_MS = 600_000;
const REMEMBERED_MAX = 64;
/** What numbers and threads depend on; told even where it is not set. */
const DETERMINISM = [
  ...["PYTHONHASHSEED", "CUBLAS_WORKSPACE_CONFIG", "OMP_NUM_THREADS", "MKL_NUM_THREADS"],
  ...["OPENBLAS_NUM_THREADS", "MKL_CBWR", "NVIDIA_TF32_OVERRIDE", "CUDA_LAUNCH_BLOCKING"],
  ...["TF_DETERMINISTIC_OPS", "TF_CUDNN_DETERMINISTIC", "XLA_FLAGS", "NCCL_ALGO", "TZ"],
];
const SYSTEM = "cat /etc/os-release; echo; getconf GNU_LIBC_VERSION || ldd --version";

function systemFacts(told: string): RecordFields {
  const os = /^PRETTY_NAME="?([^"\n]*)"?$/m.exec(told)?.[1];
  const libc = /^(?:glibc .*|musl libc.*)$/m.exec(told)?.[0];
  return { ...(os === undefined ? {} : { os }), ...(libc === undefined ? {} : { libc }) };
}

interface Remembered {
  readonly part: RecordPart;
  readonly times: ReadonlyMap<string, number>;
  /** The run's folder, where what was found lies in it: another run of the same code has its own. */
  readonly within: string | null;
}

interface Declaring {
  readonly answer: SharedAnswer<RecordPart>;
  /** Of who reads it for all. */
  readonly signal: AbortSignal;
}

export class Capture {
  readonly #options: CaptureOptions;
  readonly #programs = new RecentMap<string, SharedAnswer<Remembered>>(REMEMBERED_MAX);
  readonly #declared = new RecentMap<string, Declaring>(REMEMBERED_MAX);
  #machine: Promise<RecordPart> | null = null;
  #gpu: { readonly atMs: number; readonly part: Promise<RecordPart> } | null = null;

  constructor(options: CaptureOptions) {
    this.#options = options;
  }

  /** Never throws: what could not be taken down is listed in what it returns. */
  async take(request: CaptureRequest): Promise<Captured> {
    const { inside } = request;
    // Before anything is waited for: the program is at work already, and may change what it lies in.
    const declaring = this.#declaredPackages(request);
    const { programs, unclear, installs } = await reading(request);
    const [declared, machine, gpu, ...asked] = await Promise.all([
      declaring,
      inside === undefined ? this.#machineFacts() : this.#machineAround(inside, request),
      this.#gpuFacts(),
      ...mainOf(programs).map((program) => this.#programFacts(program, request)),
    ]);
    const container =
      inside === undefined
        ? containerFacts(this.#options.environment)
        : { ...EMPTY_PART, captured: { container: inside.facts } };
    const gaps: RecordGap[] = [
      ...unclear.map((why, i) => ({ what: `command.unclear.${i + 1}`, why })),
      ...installs.map((words, i) => ({
        what: `command.installs.${i + 1}`,
        why: `the command itself installs packages (\`${words}\`), which may not have been there yet when they were listed`,
      })),
      ...othersOf(programs).map((program, i) => ({
        what: `interpreter.other.${i + 1}`,
        why: `the command starts \`${program.command.join(" ")}\`, too; its packages are not recorded`,
      })),
    ];
    const part = joined([machine, gpu, container, declared, ...(asked as RecordPart[])]);
    return {
      environment: bounded({
        ...part,
        not_applicable: [...part.not_applicable, ...withoutProgram(programs, unclear)],
        missing: part.missing.concat(asked.length > 0 ? [] : unaskedGaps(unclear)),
      }),
      own: bounded(ownPart(request, gaps)),
    };
  }

  #machineFacts(): Promise<RecordPart> {
    this.#machine ??= machineFacts(strings(this.#options.environment));
    return this.#machine;
  }

  /** The machine is the same, and its system is the image's. */
  async #machineAround(inside: Inside, { signal, folder }: CaptureRequest): Promise<RecordPart> {
    const machine = await this.#machineFacts();
    const { os: _os, libc: _libc, ...kernel } = machine.captured.system ?? {};
    const missing = machine.missing.filter(({ what }) => !/^system\.(?:os|libc)$/.test(what));
    let system: RecordFields = {};
    try {
      const question = { command: ["/bin/sh", "-c", SYSTEM], env: {}, folder, signal };
      const told = await inside.ask({ ...question, limitMs: PROBE_LIMIT_MS });
      system = systemFacts(told);
    } catch (error) {
      const why = `the image could not be asked: ${(error as Error).message}`;
      for (const what of ["system.os", "system.libc"]) missing.push({ what, why });
      return { ...machine, captured: { ...machine.captured, system: kernel }, missing };
    }
    for (const name of ["os", "libc"])
      if (system[name] === undefined)
        missing.push({ what: `system.${name}`, why: "the image does not tell it" });
    return {
      ...machine,
      captured: { ...machine.captured, system: { ...kernel, ...system } },
      missing,
    };
  }

  #gpuFacts(): Promise<RecordPart> {
    const { nowMs, environment } = this.#options;
    if (this.#gpu === null || nowMs() - this.#gpu.atMs > GPU_AGAIN_MS)
      this.#gpu = { atMs: nowMs(), part: gpuFacts(strings(environment)) };
    return this.#gpu.part;
  }

  async #declaredPackages(request: CaptureRequest): Promise<RecordPart> {
    const { code } = request.launch;
    if (code === null)
      return {
        ...EMPTY_PART,
        not_applicable: ["packages_requested", "packages_resolved"].map((what) => ({
          what,
          why: "it was submitted without a folder of code",
        })),
      };
    try {
      return await this.#declaredIn(request, code);
    } catch (error) {
      const why = `the folder of code could not be read: ${(error as Error).message}`;
      return { ...EMPTY_PART, missing: [{ what: "packages_requested", why }] };
    }
  }

  async #declaredIn({ launch, folder, signal }: CaptureRequest, code: string): Promise<RecordPart> {
    const { setpriv } = this.#options;
    // Only as long as the folder is certainly there, whoever else waits: of one that goes away half may be read.
    const read = () => declaredIn(folder, { signal, setpriv });
    // A task that goes on has its folder as it was left, which is no longer the code.
    if (launch.restore !== null && serves(launch)) return await read();
    for (;;) {
      const known = this.#declared.get(code);
      const declaring = known ?? { answer: new SharedAnswer(read), signal };
      if (known === undefined) this.#declared.set(code, declaring);
      try {
        return await declaring.answer.wait(signal);
      } catch (error) {
        // Others may still wait for it.
        if (signal.aborted && declaring.signal !== signal) throw error;
        if (this.#declared.get(code) === declaring) this.#declared.delete(code);
        // Who read for others may have left.
        if (signal.aborted || !declaring.signal.aborted) throw error;
      }
    }
  }

  /**
   * Asks the interpreter, or remembers what it said while the folders that it named are as they were. A hundred trials that
   * begin at once ask once.
   */
  async #programFacts(program: Program, request: CaptureRequest): Promise<RecordPart> {
    try {
      return (await this.#answer(program, request)).part;
    } catch (error) {
      return { ...EMPTY_PART, missing: askedInVain((error as Error).message) };
    }
  }

  async #answer(program: Program, request: CaptureRequest): Promise<Remembered> {
    const { inside, signal, launch, folder } = request;
    if (inside?.key === null) return await this.#askProgram(program, request, signal);
    const key = keyOf(program, folder, `${inside?.key ?? ""} ${launch.code}`);
    const answer = await this.#remembered(key, program, request);
    if (answer.within === null || answer.within === folder) return answer;
    return await this.#remembered(`${key} ${folder}`, program, request);
  }

  async #remembered(key: string, program: Program, request: CaptureRequest): Promise<Remembered> {
    const { inside, signal } = request;
    for (;;) {
      const known = this.#programs.get(key);
      const asking =
        known ?? new SharedAnswer((nobody) => this.#askProgram(program, request, nobody));
      if (known === undefined) this.#programs.set(key, asking);
      try {
        const answer = await asking.wait(signal);
        if (known === undefined || (await unchanged(answer.times))) return answer;
        this.#forget(key, asking);
      } catch (error) {
        // Others may still wait for it.
        if (signal.aborted) throw error;
        this.#forget(key, asking);
        // Who asked for others may have left, and the container in which it asked with it.
        const mayAskAgain = known !== undefined && (inside !== undefined || asking.givenUp);
        if (!mayAskAgain) throw error;
      }
    }
  }

  /** Unless somebody has asked anew already. */
  #forget(key: string, asking: SharedAnswer<Remembered>): void {
    if (this.#programs.get(key) === asking) this.#programs.delete(key);
  }

  async #askProgram(
    program: Program,
    { inside, folder }: CaptureRequest,
    signal: AbortSignal,
  ): Promise<Remembered> {
    const { setpriv } = this.#options;
    // Without our own names: by them the processes of a trial are recognized, and ended with it.
    const env = Object.fromEntries(
      Object.entries(program.env).filter(([name]) => !name.startsWith("CONTRAIL_")),
    );
    const asked = { env, folder: program.folder, limitMs: PROBE_LIMIT_MS, signal, setpriv };
    const run = (command: readonly string[]) =>
      inside === undefined ? ask({ ...asked, command }) : inside.ask({ ...asked, command });
    const found = await (program.kind === "node"
      ? nodeFacts(program, run, { signal, sees: (path) => inside?.sees(path) ?? true })
      : askPython(program.command, run));
    // What the image holds does not change, and its paths are none of this machine.
    const times = await timesOf(inside === undefined ? found.places : []);
    return { part: found.part, times, within: liesIn(folder, found) ? folder : null };
  }
}

function reading({ launch, environment, folder, inside, signal }: CaptureRequest) {
  const { entrypoint } = launch;
  if (inside === undefined) return readEntrypoint(entrypoint, environment, folder);
  const asked = { env: {}, folder, limitMs: PROBE_LIMIT_MS, signal };
  return readInside(entrypoint, environment, folder, {
    ask: (command) => inside.ask({ ...asked, command }),
    sees: (path) => inside.sees(path),
  });
}

/** Of several the first of each kind of interpreter; where there is no interpreter, none. */
function mainOf(programs: readonly Program[]): Program[] {
  const first = programs.find(({ kind }) => kind !== "binary");
  return first === undefined ? [] : [first];
}

const othersOf = (programs: readonly Program[]): Program[] => {
  const [main] = mainOf(programs);
  return programs.filter((program) => program !== main && program.kind !== "binary");
};

const ASKED = ["interpreter", "packages_observed", "package_hashes", "frameworks"] as const;

const askedInVain = (why: string): RecordGap[] =>
  ASKED.map((what) => ({ what, why: `the interpreter could not be asked: ${why}` }));

const unaskedGaps = (unclear: readonly string[]): RecordGap[] =>
  unclear.length === 0
    ? []
    : ASKED.map((what) => ({ what, why: `no interpreter is to be seen: ${unclear.join("; ")}` }));

/** The command was read whole, and there is none in it. */
const withoutProgram = (programs: readonly Program[], unclear: readonly string[]): RecordGap[] =>
  mainOf(programs).length > 0 || unclear.length > 0
    ? []
    : ASKED.map((what) => ({
        what,
        why:
          programs.length > 0
            ? `${programs[0]?.command[0]} is a program by itself and needs no interpreter`
            : "the command starts no Python and no Node program",
      }));

function ownPart(
  { launch, folder, environment, inside }: CaptureRequest,
  missing: RecordGap[],
): RecordPart {
  const variables = Object.entries(environment).map(
    ([name, value]) => [name, maskedValue(name, value).slice(0, RECORD_VALUE_CHARS_MAX)] as const,
  );
  const shell = launch.entrypoint[0] === "/bin/sh" && launch.entrypoint[1] === "-c";
  return {
    captured: {
      command: {
        line: shell ? (launch.entrypoint[2] ?? "") : launch.entrypoint.map(quoted).join(" "),
        folder,
        ranks: launch.ranks,
        slots: launch.slots.join(" "),
        ...(launch.restore === null ? {} : { restored_step: launch.restore.step }),
        ...(launch.restore === null ? {} : { restored_tree: launch.restore.tree }),
        run_as: inside?.user ?? runAs(),
      },
      determinism: Object.fromEntries(
        DETERMINISM.map((name) => [name, environment[name] ?? "(not set)"]),
      ),
      variables: Object.fromEntries(variables),
    },
    not_applicable: [],
    missing,
  };
}

function runAs(): string {
  try {
    return userInfo().username;
  } catch {
    return `uid ${process.getuid?.() ?? "unknown"}`;
  }
}

const quoted = (word: string): string =>
  /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;

const strings = (env: Readonly<Record<string, string | undefined>>): Record<string, string> =>
  Object.fromEntries(
    Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
