/**
 * Stops the server on this machine: `contrail down`, the demo and whatever runs a server for a while share it.
 *
 * It is asked first and signalled after that, because what becomes of training is said in the request: a signal leaves
 * it to the runner, whatever the person wanted. A signal that ends training too was refused: a machine that shuts down
 * sends the same one.
 */
import type { Clock } from "../base/clock.ts";
import { Client } from "../sdk/client.ts";
import { pause } from "../sdk/sse.ts";
import { shellWord } from "./cli.ts";
import { CliError, EXIT, failureOf } from "./exit-code.ts";
import {
  isServerProcess,
  kill,
  type Note,
  readNote,
  serverLogPath,
  type World,
} from "./server-process.ts";

export interface StopOptions {
  readonly dataDir: string;
  readonly trials: "stop" | "keep";
  readonly token: string | undefined;
  /** Stop it also when it does not take on that training shall end, and kill the process if nothing else ends it. */
  readonly force?: boolean;
  readonly onStep?: (text: string) => void;
}

const POLL_MS = 40;
/** What a server may take to end that has stopped answering for it. */
const ENDING_MS_MAX = 10_000;

/**
 * Stops the server of `dataDir` and waits until its process is gone.
 * @returns what it does with training; undefined when none ran, or somebody else was ending it already
 * @throws CliError when it was not told to end training and runs on, or when it does not end
 */
export async function stopServer(
  options: StopOptions,
  world: World,
): Promise<StopOptions["trials"] | undefined> {
  const { dataDir, trials, force = false } = options;
  const note = readNote(dataDir);
  if (note === undefined || !isServerProcess(note.pid)) return undefined;
  const refused = await ask(note, options, world);
  if (refused !== undefined && trials === "stop" && !force) {
    if (await endsByItself(note, refused, options, world)) return undefined;
    throw runsOn(dataDir, note, refused);
  }
  const waits: readonly (readonly [NodeJS.Signals | null, number])[] = [
    ...(refused === undefined ? ([[null, 60_000]] as const) : []),
    ["SIGTERM", 30_000],
    ...(force ? ([["SIGKILL", 5_000]] as const) : []),
  ];
  for (const [signal, limitMs] of waits) {
    if (signal !== null) {
      options.onStep?.(`sending ${signal}`);
      kill(note.pid, signal);
    }
    if (await gone(note.pid, limitMs, world.clock)) return refused === undefined ? trials : "keep";
  }
  throw new CliError("server_not_stopped", `The server (process ${note.pid}) did not end.`, {
    hint: `Look at ${serverLogPath(dataDir)}; the last resort is: kill -9 ${note.pid}`,
  });
}

interface Refused {
  readonly code: string;
  readonly why: string;
  readonly exitCode: number;
}

/** @returns why the server did not take it on; undefined when it did */
async function ask(
  { url }: Note,
  { token, trials }: StopOptions,
  { clock, newKey }: World,
): Promise<Refused | undefined> {
  if (url === undefined)
    return { code: "unavailable", why: "It is still starting.", exitCode: EXIT.unreachable };
  if (token === undefined)
    return {
      code: "not_authenticated",
      why: `No token for ${url} is known.`,
      exitCode: EXIT.notAllowed,
    };
  try {
    await new Client({ url, token, clock, newKey }).shutdown(trials);
    return undefined;
  } catch (error) {
    const { problem, exitCode } = failureOf(error);
    return { code: problem.code, why: problem.detail, exitCode };
  }
}

/** A server stops answering before it ends: of one that was told to by somebody else nothing is left to ask. */
async function endsByItself(
  { pid, url }: Note,
  { exitCode }: Refused,
  { onStep }: StopOptions,
  { clock }: World,
): Promise<boolean> {
  // Without an address it is still starting.
  if (exitCode !== EXIT.unreachable || url === undefined) return false;
  onStep?.("it does not answer: waiting for it to end");
  return await gone(pid, ENDING_MS_MAX, clock);
}

function runsOn(dataDir: string, { pid, url }: Note, { code, why, exitCode }: Refused): CliError {
  const first =
    exitCode === EXIT.notAllowed
      ? `Sign in (\`contrail login ${url} --user NAME\`, or a token in CONTRAIL_TOKEN)`
      : `Look at ${serverLogPath(dataDir)}`;
  return new CliError(
    code,
    `The server of ${dataDir} (process ${pid}) runs on: it could not be told to end training. ${why}`,
    {
      hint: `${first} and try again, or let training go on under the next server: \`contrail down --data-dir ${shellWord(dataDir)} --keep-trials\`.`,
      exitCode,
    },
  );
}

async function gone(pid: number, limitMs: number, clock: Clock): Promise<boolean> {
  for (const beganMs = clock.monotonicMs(); clock.monotonicMs() - beganMs < limitMs; ) {
    if (!isServerProcess(pid)) return true;
    await pause(clock, POLL_MS);
  }
  return !isServerProcess(pid);
}
