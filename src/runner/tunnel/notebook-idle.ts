/**
 * Since when nobody uses a notebook, as Jupyter's own server tells over the task's socket: not while a page of it is
 * connected to a kernel, nor while a kernel computes; else since whatever it was last asked to do.
 */
import { request as httpRequest } from "node:http";
import * as z from "zod";

const ANSWER_MS = 10_000;
const ANSWER_BYTES_MAX = 1024 * 1024;

const status = z.object({
  connections: z.number(),
  last_activity: z.iso.datetime({ offset: true }),
});
const kernels = z.array(z.object({ execution_state: z.string().optional() }));

/** @returns milliseconds since 1970; null = somebody uses it */
export const notebookIdle = (socket: string) => ({
  async idleSince(): Promise<number | null> {
    const { connections, last_activity: last } = status.parse(await ask(socket, "/api/status"));
    if (connections > 0) return null;
    // To look is no use of it.
    const running = kernels.parse(await ask(socket, "/api/kernels?no_track_activity=1"));
    const isBusy = running.some(({ execution_state: state }) => state === "busy");
    return isBusy ? null : Date.parse(last);
  },
});

/** @throws when there is no answer, or none of JSON */
function ask(socketPath: string, path: string): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const asked = httpRequest(
      {
        ...{ socketPath, path, signal: AbortSignal.timeout(ANSWER_MS) },
        headers: { Host: "localhost", Connection: "close" },
      },
      (answer) => {
        let text = "";
        answer.setEncoding("utf8").on("data", (piece: string) => {
          text += piece;
          if (text.length > ANSWER_BYTES_MAX) answer.destroy(new Error("the answer has no end"));
        });
        answer.on("error", reject);
        answer.once("end", () => {
          try {
            resolve(JSON.parse(text));
          } catch (error) {
            reject(error);
          }
        });
      },
    );
    asked.on("error", reject);
    asked.end();
  });
}
