/** A byte stream to the shell of a task, through the server: one request that becomes a connection of its own. */
import { request as httpRequest, type IncomingMessage } from "node:http";
import { request as httpsRequest } from "node:https";
import type { Socket } from "node:net";
import type { Problem } from "../../protocol/errors.ts";
import { shellPath } from "../../protocol/shell-wire.ts";
import { TUNNEL_PROTOCOL } from "../../protocol/task-tunnel.ts";
import { notContrail, RemoteError, unreachable } from "../../sdk/remote-error.ts";
import type { Target } from "../credentials.ts";

const PROBLEM_BYTES_MAX = 1024 * 1024;
const KEEP_ALIVE_MS = 20_000;

/** @param signal gives up asking for it @throws RemoteError */
export function wayToShell(
  target: Pick<Target, "url" | "token">,
  experiment: number,
  signal?: AbortSignal,
): Promise<Socket> {
  const url = new URL(shellPath(experiment), target.url);
  const ask = url.protocol === "https:" ? httpsRequest : httpRequest;
  return new Promise((resolve, reject) => {
    const asked = ask(url, {
      ...(signal && { signal }),
      headers: {
        Connection: "Upgrade",
        Upgrade: TUNNEL_PROTOCOL,
        ...(target.token === undefined ? {} : { Authorization: `Bearer ${target.token}` }),
      },
    });
    asked.once("upgrade", (_answer, socket, head) => {
      const way = socket as Socket;
      way.setKeepAlive(true, KEEP_ALIVE_MS);
      if (head.length > 0) way.unshift(head);
      resolve(way);
    });
    asked.once("response", (answer) => void refusal(url.pathname, answer).then(reject));
    asked.once("error", (error) => reject(unreachable(target.url, error)));
    asked.end();
  });
}

async function refusal(path: string, answer: IncomingMessage): Promise<RemoteError> {
  const what = `GET ${path}`;
  const status = answer.statusCode ?? 0;
  let text = "";
  try {
    for await (const chunk of answer.setEncoding("utf8")) {
      text += chunk;
      if (text.length > PROBLEM_BYTES_MAX) break;
    }
    const problem = JSON.parse(text) as Problem;
    if (typeof problem.code === "string") return new RemoteError(problem);
  } catch {
    // Said below.
  }
  return notContrail(what, status, "no problem details");
}
