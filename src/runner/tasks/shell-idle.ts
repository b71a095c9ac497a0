/** A shell counts for itself how long nothing was typed or printed on its terminal, attached or not. */
import { connect } from "node:net";
import { frameJson, ShellFrames, shellFrame } from "../../protocol/shell-wire.ts";
import type { NewIdleSource } from "./idle-source.ts";

const ANSWER_MS = 5_000;

export const shellIdle: NewIdleSource = (socket, nowMs) => ({
  idleSince: async () => nowMs() - (await askIdle(socket)),
});

/** @throws when it does not answer in time, or not as a shell does */
function askIdle(path: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const frames = new ShellFrames();
    const socket = connect({ path, timeout: ANSWER_MS });
    const fail = (error: Error): void => {
      socket.destroy();
      reject(error);
    };
    socket.once("error", fail);
    socket.once("timeout", () => fail(new Error(`it said nothing for ${ANSWER_MS / 1000} s`)));
    socket.once("close", () => fail(new Error("it hung up")));
    socket.once("connect", () => socket.write(shellFrame("s")));
    socket.on("data", (chunk: Buffer) => {
      try {
        const answer = frames.take(chunk).find(({ kind }) => kind === "s");
        if (answer === undefined) return;
        const { idle_ms: idleMs } = frameJson(answer) as { idle_ms: unknown };
        if (typeof idleMs !== "number") throw new Error("it did not say for how long");
        resolve(idleMs);
        socket.destroy();
      } catch (error) {
        fail(error as Error);
      }
    });
  });
}
