/** Whether a task's program answers, found out by asking it. */
import { request as httpRequest } from "node:http";
import type { Tunnels } from "./tunnels.ts";

const ANSWER_MS = 2_000;

/** @returns false also where no way to it lies ready */
export async function programAnswers(tunnels: Tunnels, allocation: string): Promise<boolean> {
  if (tunnels.spare(allocation) === 0) return false;
  const socket = await tunnels.take(allocation);
  return await new Promise<boolean>((resolve) => {
    const asked = httpRequest({
      createConnection: () => socket,
      // Of Jupyter it is the version. Whatever else a program says to it, it says something.
      path: "/api",
      headers: { Host: "localhost", Connection: "close" },
      signal: AbortSignal.timeout(ANSWER_MS),
    });
    const end = (answers: boolean): void => {
      socket.destroy();
      resolve(answers);
    };
    asked.once("response", ({ statusCode = 500 }) => end(statusCode < 500));
    asked.on("error", () => end(false));
    asked.end();
  });
}
