/**
 * Asks something inside of an image: a program runs in a container of its own beside the trial's, with its code to be
 * read and nothing else of it, and what it prints is the answer. Asking in the trial's own container was refused: many
 * trials are over before anybody could ask.
 */
import { randomUUID } from "node:crypto";
import type { Clock } from "../../base/clock.ts";
import type { DockerApi } from "../../engines/docker/docker-api.ts";
import { OutputFrames } from "../../engines/docker/output-frames.ts";
import { removed } from "./container-rank.ts";
import type { Mount } from "./container-spec.ts";

export interface AskInside {
  readonly api: DockerApi;
  readonly clock: Clock;
  /** Id of the image. */
  readonly image: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly user: string;
  readonly mounts: readonly Mount[];
}

export interface Question {
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly folder: string;
  readonly limitMs: number;
  readonly signal?: AbortSignal;
}

const ANSWER_BYTES_MAX = 16 * 1024 * 1024;
const COMPLAINT_CHARS_MAX = 300;

/** @returns what it wrote to stdout @throws Error in words */
export async function askInside(where: AskInside, question: Question): Promise<string> {
  const { api } = where;
  const { command, limitMs, signal } = question;
  const limit = AbortSignal.timeout(limitMs);
  const stop = signal === undefined ? limit : AbortSignal.any([signal, limit]);
  // Not to be cut short: the engine would make it all the same, and nobody would know its id.
  const { Id: id } = await api.json<{ Id: string }>({
    ...{ method: "POST", path: "/containers/create", body: spec(where, question) },
    query: { name: `contrail-question-${randomUUID()}` },
  });
  try {
    stop.throwIfAborted();
    const answer = collected(await api.attach(id));
    await api.json({ method: "POST", path: `/containers/${id}/start`, signal: stop });
    const path = `/containers/${id}/wait`;
    const query = { condition: "not-running" };
    const { StatusCode } = await api.json<{ StatusCode: number }>({
      ...{ method: "POST", path, query, signal: stop, timeoutMs: null },
    });
    const { stdout, stderr, isCut } = await answer;
    // What is missing of it would count as what is not there.
    if (isCut)
      throw new Error(`${command[0]} wrote more than ${ANSWER_BYTES_MAX} bytes in the image`);
    if (StatusCode === 0) return stdout;
    const said = stderr.trim().slice(-COMPLAINT_CHARS_MAX);
    throw new Error(
      `${command[0]} ended with exit code ${StatusCode} in the image${said === "" ? "" : `: ${said}`}`,
    );
  } catch (error) {
    if (limit.aborted)
      throw new Error(`${command[0]} did not answer within ${limitMs / 1000} s in the image`);
    throw error;
  } finally {
    // Beside everything else, because an engine that is away has it removed when it is back.
    void removed(where, id);
  }
}

const spec = ({ image, labels, user, mounts }: AskInside, question: Question) => ({
  Image: image,
  Entrypoint: question.command,
  Cmd: [],
  WorkingDir: question.folder,
  User: user,
  Env: Object.entries(question.env).map(([name, value]) => `${name}=${value}`),
  Labels: labels,
  HostConfig: {
    Init: true,
    LogConfig: { Type: "none" },
    NetworkMode: "none",
    SecurityOpt: ["no-new-privileges"],
    CapDrop: ["ALL"],
    Mounts: mounts.map((mount) => ({ ...mount, ReadOnly: true })),
  },
});

function collected({ socket, head }: Awaited<ReturnType<DockerApi["attach"]>>): Promise<{
  stdout: string;
  stderr: string;
  isCut: boolean;
}> {
  const chunks = { stdout: [] as Buffer[], stderr: [] as Buffer[] };
  let bytes = 0;
  const frames = new OutputFrames((stream, chunk) => {
    bytes += chunk.length;
    if (bytes <= ANSWER_BYTES_MAX) chunks[stream].push(chunk);
  });
  frames.push(head);
  socket.on("data", (chunk: Buffer) => frames.push(chunk));
  socket.on("error", () => {}); // `close` follows.
  return new Promise((resolve) => {
    socket.on("close", () =>
      resolve({
        stdout: Buffer.concat(chunks.stdout).toString("utf8"),
        stderr: Buffer.concat(chunks.stderr).toString("utf8"),
        isCut: bytes > ANSWER_BYTES_MAX,
      }),
    );
  });
}
