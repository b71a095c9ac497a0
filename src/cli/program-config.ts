/**
 * The configuration of what is started from a command line: a run, a command, a shell, a notebook. A file gives what has no
 * option (an image, a budget, …); what the command line says counts before it.
 */
import { readFileSync } from "node:fs";
import type { Json, JsonObject } from "../base/json.ts";
import { maskedText } from "../base/secrets.ts";
import type { TaskKind } from "../protocol/config/task-kinds.ts";
import { type Cli, shellWord } from "./cli.ts";
import { CliError, usageError } from "./exit-code.ts";
import { passedEnvironment } from "./passed-environment.ts";
import { requireFile } from "./user-file.ts";
import { wholeOf } from "./values.ts";

export interface ProgramOptions {
  readonly name?: string;
  readonly slots?: string;
  readonly pool?: string;
  readonly data?: readonly string[];
  readonly label?: readonly string[];
  readonly restarts?: string;
  readonly env?: readonly string[];
  /** A configuration that holds where the command line says nothing. */
  readonly config?: string;
  readonly idleTimeout?: string;
}

/** What is submitted; the server knows better what is wrong with it. */
export async function programConfig(
  cli: Cli,
  program: { readonly entrypoint: readonly string[]; readonly kind?: TaskKind },
  options: ProgramOptions,
): Promise<string> {
  const base = options.config === undefined ? {} : await baseOf(cli, options.config);
  const { entrypoint, kind } = program;
  const { name, slots, pool, label, restarts, idleTimeout } = options;
  const data = Object.fromEntries((options.data ?? []).map(dataOption));
  const environment = passedEnvironment(cli.host.env, options.env ?? []);
  const config: JsonObject = {
    ...base,
    name: name ?? base.name ?? nameOf(kind, entrypoint),
    entrypoint: [...entrypoint],
    searcher: { name: "single" },
    max_restarts: wholeOf("--restarts", restarts ?? "0", 0, 10_000),
    resources: {
      ...mapOf(base.resources),
      ...(slots === undefined ? {} : { slots_per_trial: wholeOf("--slots", slots, 1, 1024) }),
      ...(pool === undefined ? {} : { resource_pool: pool }),
    },
    data: { ...mapOf(base.data), ...data },
    environment: withVariables(mapOf(base.environment), environment),
    ...(label === undefined ? {} : { labels: [...label] }),
    ...(kind === undefined
      ? {}
      : {
          task: {
            ...mapOf(base.task),
            kind,
            ...(idleTimeout === undefined
              ? {}
              : { idle_timeout: idleTimeout === "0" ? 0 : idleTimeout }),
          },
        }),
  };
  return JSON.stringify(config, null, 2);
}

function nameOf(kind: TaskKind | undefined, entrypoint: readonly string[]): string {
  if (kind === "shell" || kind === "notebook") return kind;
  const words = maskedText(entrypoint.map(shellWord).join(" ")).replace(/\s+/g, " ");
  return words.length > 80 ? `${words.slice(0, 79)}…` : words;
}

const mapOf = (value: Json | undefined): JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? (value as JsonObject) : {};

/** Beside those of the file, which may be a list of NAME=VALUE; of a name given twice the last counts. */
function withVariables(
  block: JsonObject,
  variables: { readonly [name: string]: string },
): JsonObject {
  if (Object.keys(variables).length === 0) return block;
  const { environment_variables: given } = block;
  return {
    ...block,
    environment_variables: Array.isArray(given)
      ? [...given, ...Object.entries(variables).map(([name, value]) => `${name}=${value}`)]
      : { ...mapOf(given), ...variables },
  };
}

/** @throws with every fault of the file */
async function baseOf(cli: Cli, file: string): Promise<JsonObject> {
  const { readConfig } = await import("../protocol/config/config.ts");
  const { readYaml } = await import("../protocol/config/yaml-tree.ts");
  const { plain } = await import("../protocol/config/tree.ts");
  const text = readFileSync(requireFile(cli.host.cwd, file), "utf8");
  const reading = readConfig(text, { requireComplete: false });
  if (reading.ok) return mapOf(plain(readYaml(text).tree!));
  const [first] = reading.issues;
  throw new CliError("invalid_config", `${file} is no configuration: ${first?.message}`, {
    hint: `See all of it: \`${cli.self} config lint ${shellWord(file)}\``,
  });
}

/** `NAME=DATASET@VERSION`, or `DATASET` alone: its latest version under its own name. */
function dataOption(text: string): [string, string] {
  const equals = text.indexOf("=");
  const name = equals === -1 ? (text.split("@")[0] ?? text) : text.slice(0, equals);
  const version = equals === -1 ? text : text.slice(equals + 1);
  if (name === "" || version === "")
    throw usageError(
      `--data is "${text}".`,
      "Write NAME=DATASET@VERSION, or DATASET for its latest.",
    );
  return [name, version.includes("@") ? version : `${version}@latest`];
}
