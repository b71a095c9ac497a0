/**
 * Makes sure that a run finds the environment that was recorded: as it is, where it is still there; else built anew from
 * what the record says, once for each content; else refused, with the reason, before anything is started.
 *
 * Changing what is installed was refused: an environment of somebody's is never touched. What is built lies in the
 * runner's own folder.
 */
import { lstat, mkdir, readdir, stat, utimes } from "node:fs/promises";
import { delimiter, isAbsolute, join } from "node:path";
import type { RecordPart } from "../../protocol/record-part.ts";
import type { LaunchSpec } from "../../protocol/runner-wire.ts";
import { removeCheckout } from "../../store/snapshot.ts";
import { ask } from "../capture/ask.ts";
import { readEntrypoint } from "../capture/entrypoint.ts";
import { nodeFacts } from "../capture/node-facts.ts";
import { askPython } from "../capture/python-facts.ts";
import { LaunchError } from "../rank-process.ts";
import { buildNode } from "./node-build.ts";
import { differences, type NodePlan, type PythonPlan, packagesHere, planOf } from "./plan.ts";
import { buildPython, findBase } from "./python-build.ts";

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

const ASK_LIMIT_MS = 30_000;
/** Environments that nobody has used for so long go. */
const KEPT_MS = 30 * 86_400_000;

export class Rebuilder {
  readonly #folder: string;
  readonly #setpriv: string | null;
  readonly #building = new Map<string, Promise<unknown>>();

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

  /** Removes what was not used for long. Called while nothing runs. */
  async tidy(nowMs: number): Promise<void> {
    for (const name of await readdir(this.#folder).catch(() => [])) {
      const path = join(this.#folder, name);
      const { mtimeMs } = await stat(path);
      if (nowMs - mtimeMs > KEPT_MS) await removeCheckout(path);
    }
  }

  async #python(plan: PythonPlan, request: RebuildRequest): Promise<LaunchSpec> {
    const { launch, variables, tell, signal } = request;
    const run = this.#asking(request);
    const here = await this.#programHere(request);
    if (here !== null) {
      const { interpreter = {} } = here.captured;
      const same =
        interpreter.version === plan.version &&
        interpreter.platform === plan.platform &&
        differences(plan.packages, packagesHere(here, "pip:")).length === 0;
      if (same) {
        tell("the recorded environment is here as it was");
        return launch;
      }
    }
    const base = await findBase(plan, variables, run);
    if ("refused" in base) throw refusal(base.refused);
    const venv = await this.#once(base.key, (folder) =>
      buildPython({ plan, base: base.path, folder, variables, tell, signal, run }),
    );
    return {
      ...launch,
      entrypoint: launch.entrypoint.map((word, i) => inVenv(word, i, plan.prefix, venv)),
      environment: {
        ...launch.environment,
        VIRTUAL_ENV: venv,
        PATH: `${join(venv, "bin")}${delimiter}${variables.PATH ?? ""}`,
      },
    };
  }

  async #node(plan: NodePlan, request: RebuildRequest): Promise<LaunchSpec> {
    const { launch, folder, variables, tell, signal } = request;
    const here = await this.#programHere(request);
    const version = here?.captured.interpreter?.version;
    if (here === null || version !== plan.version)
      throw refusal(
        `Node ${plan.version} is needed; ${version === undefined ? "none is here" : `here is ${version}`}. Install it, and start the server with it first on the PATH`,
      );
    // Ours is linked in, whatever is recorded of it.
    const own = (packages: NodePlan["packages"]) =>
      new Map([...packages].filter(([name]) => name !== "contrail"));
    if (differences(own(plan.packages), own(packagesHere(here, "npm:"))).length === 0) {
      tell("the recorded environment is here as it was");
      return launch;
    }
    const run = this.#asking(request);
    await buildNode({
      ...{ plan, folder, variables, tell, signal, run },
      once: (key, build) => this.#once(key, build),
    });
    return launch;
  }

  /** What the program would find as things are; null where it would not even find its interpreter. */
  async #programHere({
    launch,
    folder,
    variables,
    signal,
  }: RebuildRequest): Promise<RecordPart | null> {
    const { programs } = readEntrypoint(launch.entrypoint, variables, folder);
    const program = programs.find(({ kind }) => kind !== "binary");
    if (program === undefined) return null;
    const asked = { env: program.env, folder: program.folder, limitMs: ASK_LIMIT_MS, signal };
    const run = (command: readonly string[]) => ask({ ...asked, command, setpriv: this.#setpriv });
    try {
      const found = await (program.kind === "node"
        ? nodeFacts(program, run)
        : askPython(program.command, run));
      return found.part;
    } catch {
      signal.throwIfAborted();
      return null;
    }
  }

  #asking({ variables, signal }: RebuildRequest) {
    const setpriv = this.#setpriv;
    return (command: readonly string[], limitMs = ASK_LIMIT_MS, folder = "/") =>
      ask({ command, env: variables, folder, limitMs, signal, setpriv });
  }

  /** One build for all that want the same. @returns the folder */
  async #once(key: string, build: (folder: string) => Promise<void>): Promise<string> {
    const folder = join(this.#folder, key);
    const current = this.#building.get(key);
    // Whoever began may have been told to stop; then the next one begins again.
    if (current !== undefined) await current.catch(() => undefined);
    const done = `${folder}/.complete`;
    if (await lstat(done).catch(() => undefined)) {
      const now = new Date();
      await utimes(folder, now, now).catch(() => undefined);
      return folder;
    }
    const building = removeCheckout(folder)
      .then(() => build(folder))
      .then(() => mkdir(done));
    this.#building.set(key, building);
    try {
      await building;
    } catch (error) {
      await removeCheckout(folder).catch(() => undefined);
      throw error;
    } finally {
      if (this.#building.get(key) === building) this.#building.delete(key);
    }
    return folder;
  }
}

const refusal = (why: string): LaunchError =>
  new LaunchError(`the recorded environment cannot be had here: ${why}`);

/** Names of programs in the environment that was, as the same in the one that is. */
function inVenv(word: string, at: number, prefix: string, venv: string): string {
  const moved = prefix === "" ? word : word.replaceAll(`${prefix}/bin/`, `${venv}/bin/`);
  // An interpreter outside of any environment, by its path.
  if (at === 0 && moved === word && isAbsolute(word) && /\/(?:python|pypy)[0-9.]*$/.test(word))
    return join(venv, "bin", "python");
  return moved;
}
