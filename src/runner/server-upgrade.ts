/** A request that turns its connection into a byte stream. Not by fetch, which knows no upgrades. */
import { type ClientRequest, type IncomingMessage, request as plain } from "node:http";
import { request as secure } from "node:https";
import type { Socket } from "node:net";

export interface UpgradeRequest {
  readonly url: string;
  readonly token: string;
  readonly protocol: string;
  readonly signal: AbortSignal;
}

/** The server has answered, and not with the upgrade. */
export class UpgradeRefused extends Error {
  override name = "UpgradeRefused";
  readonly status: number;
  constructor(status: number, text: string) {
    super(`${status} ${text}`);
    this.status = status;
  }
}

const TEXT_MAX_CHARS = 500;

/** @returns the connection, on which nothing was said yet. @throws UpgradeRefused; or the connection's error */
export function requestUpgrade({ url, token, protocol, signal }: UpgradeRequest): Promise<Socket> {
  const how = url.startsWith("https:") ? secure : plain;
  return new Promise((resolve, reject) => {
    const asked: ClientRequest = how(url, {
      agent: false,
      signal,
      headers: { Authorization: `Bearer ${token}`, Connection: "Upgrade", Upgrade: protocol },
    });
    asked.on("error", reject);
    asked.once("response", (answer) => void readRefusal(answer).then(reject, reject));
    asked.once("upgrade", (_answer, socket, head) => {
      if (head.length > 0) socket.unshift(head);
      resolve(socket as Socket);
    });
    asked.end();
  });
}

async function readRefusal(answer: IncomingMessage): Promise<UpgradeRefused> {
  let text = "";
  for await (const chunk of answer.setEncoding("utf8")) {
    text += chunk;
    if (text.length > TEXT_MAX_CHARS) break;
  }
  return new UpgradeRefused(answer.statusCode ?? 0, text.slice(0, TEXT_MAX_CHARS));
}
