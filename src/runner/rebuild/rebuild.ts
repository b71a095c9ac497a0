/**
 * Makes sure that a run finds the environment that was recorded: as it is, where it is still there; else built anew from
 * what the record says, once for each content; else refused, with the reason, before anything is started.
 *
 * Changing what is installed was refused: an environment of somebody's is never touched. What is built lies in the
 * runner's own folder.
 */
import { existsSync } from "node:fs";
import { lstat, mkdir, readdir, realpath, stat, utimes } from "node:fs/promises";
import { delimiter, join } from "node:path";
import type { RecordPart } from "../../protocol/record-part.ts";
import type { LaunchSpec } from "../../protocol/runner-wire.ts";
import { removeCheckout } from "../../store/snapshot.ts";
import { ask } from "../capture/ask.ts";
import { type Program, readEntrypoint } from "../capture/entrypoint.ts";
import { nodeFacts } from "../capture/node-facts.ts";
import { askPrefix, askPython } from "../capture/python-facts.ts";
import { LaunchError } from "../rank-process.ts";
import { SharedAnswer } from "../shared-answer.ts";
import { UNUSED_KEPT_MS } from "../state-folder.ts";
import { inVenv } from "./in-venv.ts";
import { buildNode } from "./node-build.ts";
import {
  differences,
  type NodePlan,
  type Plan,
  type PythonPlan,
  packagesHere,
  planOf,
} from "./plan.ts";
import { buildPython, findBase, type Run, type Shared } from "./python-build.ts";

export interface RebuildRequest {
  readonly launch: LaunchSpec;
  /** The code as laid out. */
  readonly folder: string;
  readonly environment: RecordPart;
  /** The variables that the program would get. */
  readonly variables: Readonly<Record<string, string>>;
  /** A line for the person who follows the output. */
  readonly tell: (text: string) => void;
  readonly signal: AbortSignal;
}

type Build = (folder: string, shared: Shared) => Promise<void>;

interface Building {
  readonly answer: SharedAnswer<void>;
  readonly told: Set<RebuildRequest["tell"]>;
}

/** What one program of the command would find; or why it could not be asked. */
type Here =
  | { readonly part: RecordPart; readonly fault: null }
  | { readonly part: null; readonly fault: string };

const ASK_LIMIT_MS = 30_000;

export class Rebuilder {
  readonly #folder: string;
  readonly #setpriv: string | null;
  /** By key, until the last of it is over: its folder is nobody else's before that. */
  readonly #building = new Map<string, Building>();

  /** @param options.folder where environments are built */
  constructor(options: { folder: string; setpriv: string | null }) {
    this.#folder = options.folder;
    this.#setpriv = options.setpriv;
  }

  /** @returns how to launch it @throws LaunchError: it cannot be had; or the signal's reason */
  async ready(asked: RebuildRequest): Promise<LaunchSpec> {
    // What is started meanwhile is not the trial: it gets neither its token nor its socket.
    const own = Object.entries(asked.variables).filter(([name]) => !name.startsWith("CONTRAIL_"));
    const request = { ...asked, variables: Object.fromEntries(own) };
    const planned = planOf(request.environment);
    if ("refused" in planned) throw refusal(planned.refused);
    const { plan } = planned;
    if (plan.language === "none") return request.launch;
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
    return plan.language === "python"
      ? await this.#python(plan, request)
      : await this.#node(plan, request);
  }

  /** Removes what was not used for long. */
  async tidy(nowMs: number): Promise<void> {
    for (const name of await readdir(this.#folder).catch(() => [])) {
      const path = join(this.#folder, name);
      const { mtimeMs } = await stat(path);
      // One may have been asked for meanwhile, and one that was given up may still be ending.
      if (this.#building.has(name)) continue;
      if (nowMs - mtimeMs > UNUSED_KEPT_MS) await removeCheckout(path);
    }
  }

  async #python(plan: PythonPlan, request: RebuildRequest): Promise<LaunchSpec> {
    const { launch, variables, tell } = request;
    const here = await this.#programsHere("python", request);
    const same = ({ part }: Here): boolean =>
      part !== null &&
      part.captured.interpreter?.version === plan.version &&
      part.captured.interpreter.platform === plan.platform &&
      differences(plan.packages, packagesHere(part, "pip:")).length === 0;
    if (here.length > 0 && here.every(same)) {
      tell("the recorded environment is here as it was");
      return launch;
    }
    const base = await findBase(plan, variables, this.#asking(request));
    if ("refused" in base) throw refusal(base.refused);
    const venv = await this.#once(base.key, request, (folder, shared) =>
      buildPython({ plan, base: base.path, folder, ...shared }),
    );
    const led = {
      VIRTUAL_ENV: venv,
      PATH: `${join(venv, "bin")}${delimiter}${variables.PATH ?? ""}`,
    };
    const ready = {
      ...launch,
      entrypoint: inVenv(launch.entrypoint, { prefix: plan.prefix, venv, has: existsSync }),
      environment: { ...launch.environment, ...led },
    };
    const started = { ...request, launch: ready, variables: { ...variables, ...led } };
    await this.#refuseOther(venv, started);
    return ready;
  }

  /** First lines of files, and scripts that choose an environment themselves, lead past everything that was built. */
  async #refuseOther(venv: string, request: RebuildRequest): Promise<void> {
    const programs = programsOf("python", request);
    if (programs.length === 0)
      throw refusal(
        "it is built, but the command does not show whether it starts it. Let the command itself say python3, in place of a variable or of a program like make that starts it unseen",
      );
    const own = await realpath(venv);
    for (const program of programs) {
      const { path, prefix } = await this.#prefixOf(program, request);
      if ((await realpath(prefix).catch(() => "")) === own) continue;
      throw refusal(
        `it is built, but the command starts ${path} in its place. Let the command, and the first lines of its files, say python3 without a folder`,
      );
    }
  }

  /** Where it would import from, and nothing more: to list its packages once again takes long on a slow disk. */
  async #prefixOf(program: Program, request: RebuildRequest): ReturnType<typeof askPrefix> {
    const run = this.#runOf(program, request.signal);
    const asked = () => {
      request.signal.throwIfAborted();
      return askPrefix(program.command, run);
    };
    // One failure is no sign of what the program would start.
    const found = asked().catch(asked);
    return await found.catch((error: Error) => {
      request.signal.throwIfAborted();
      throw refusal(
        `it is built, but ${program.command.join(" ")}, which the command starts, could not be asked whether it is its interpreter: ${error.message}`,
      );
    });
  }

  async #node(plan: NodePlan, request: RebuildRequest): Promise<LaunchSpec> {
    const { launch, folder, tell } = request;
    const all = await this.#programsHere("node", request);
    const versionOf = ({ part }: Here) => part?.captured.interpreter?.version;
    const { part: here, fault } = all.find((one) => versionOf(one) !== plan.version) ??
      all[0] ?? { part: null, fault: "the command shows none that it starts" };
    const version = here?.captured.interpreter?.version;
    if (here === null || version !== plan.version)
      throw refusal(
        `Node ${plan.version} is needed; ${version === undefined ? `none is to be had here: ${fault}` : `here is ${version}`}. Install it, and start the server with it first on the PATH`,
      );
    // Ours is linked in, whatever is recorded of it.
    const own = (packages: NodePlan["packages"]) =>
      new Map([...packages].filter(([name]) => name !== "contrail"));
    if (differences(own(plan.packages), own(packagesHere(here, "npm:"))).length === 0) {
      tell("the recorded environment is here as it was");
      return launch;
    }
    const once = (key: string, build: Build) => this.#once(key, request, build);
    await buildNode({ plan, folder, tell, once });
    return launch;
  }

  /** What the programs of a language would find as things are. */
  async #programsHere(kind: Plan["language"], request: RebuildRequest): Promise<Here[]> {
    const { signal } = request;
    const found: Here[] = [];
    for (const program of programsOf(kind, request)) {
      const run = this.#runOf(program, signal);
      try {
        const { part } = await (kind === "node"
          ? nodeFacts(program, run, { signal, sees: () => true })
          : askPython(program.command, run));
        found.push({ part, fault: null });
      } catch (error) {
        signal.throwIfAborted();
        found.push({ part: null, fault: (error as Error).message });
      }
    }
    return found;
  }

  #runOf({ env, folder }: Program, signal: AbortSignal) {
    const asked = { env, folder, limitMs: ASK_LIMIT_MS, signal, setpriv: this.#setpriv };
    return (command: readonly string[]) => ask({ ...asked, command });
  }

  #asking({ variables, signal }: Pick<RebuildRequest, "variables" | "signal">): Run {
    const setpriv = this.#setpriv;
    return (command, limitMs = ASK_LIMIT_MS, folder = "/") =>
      ask({ command, env: variables, folder, limitMs, signal, setpriv });
  }

  /** One build for all that want the same at one time, however many of them leave. @returns the folder */
  async #once(key: string, request: RebuildRequest, build: Build): Promise<string> {
    const { signal, tell } = request;
    for (;;) {
      const others = this.#building.get(key);
      const building = others ?? this.#begin(key, request, build);
      building.told.add(tell);
      if (others !== undefined)
        tell("another run is building the recorded environment: waiting for it");
      try {
        await building.answer.wait(signal);
        return join(this.#folder, key);
      } catch (error) {
        signal.throwIfAborted();
        // What was made for others failed with their variables, or was given up.
        if (others === undefined) throw error;
      } finally {
        building.told.delete(tell);
      }
    }
  }

  #begin(key: string, { variables }: RebuildRequest, build: Build): Building {
    const told: Building["told"] = new Set();
    const make = async (signal: AbortSignal): Promise<void> => {
      const shared = {
        ...{ signal, run: this.#asking({ variables, signal }) },
        tell: (text: string) => {
          for (const tell of told) tell(text);
        },
      };
      try {
        await complete(join(this.#folder, key), (folder) => build(folder, shared));
      } finally {
        this.#building.delete(key);
      }
    };
    const building = { answer: new SharedAnswer(make), told };
    this.#building.set(key, building);
    return building;
  }
}

/** Leaves the folder whole or not at all. */
async function complete(folder: string, build: (folder: string) => Promise<void>): Promise<void> {
  const done = `${folder}/.complete`;
  if (await lstat(done).catch(() => undefined)) {
    const now = new Date();
    await utimes(folder, now, now).catch(() => undefined);
    return;
  }
  try {
    await removeCheckout(folder);
    await build(folder);
    await mkdir(done);
  } catch (error) {
    await removeCheckout(folder).catch(() => undefined);
    throw error;
  }
}

/** Those of another language find their packages elsewhere. */
const programsOf = (kind: Plan["language"], request: RebuildRequest): Program[] =>
  readEntrypoint(request.launch.entrypoint, request.variables, request.folder).programs.filter(
    (program) => program.kind === kind,
  );

const refusal = (why: string): LaunchError =>
  new LaunchError(`the recorded environment cannot be had here: ${why}`);
