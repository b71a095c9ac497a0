/** Joins a terminal and a shell until one of them goes. */
import type { Socket } from "node:net";
import { frameJson, ShellFrames, shellFrame } from "../../protocol/shell-wire.ts";
import type { Sink, Terminal } from "../cli.ts";
import { Escape } from "./escape.ts";

/** left: the person has; ended: the shell has; cut: the connection is gone, `heard` whether the shell ever answered. */
export type AttachEnd =
  | { readonly how: "left" }
  | { readonly how: "ended"; readonly signal: string | null }
  | { readonly how: "cut"; readonly heard: boolean };

/** @param gone fires when the terminal is closed, or the command is told to end */
export function attach(
  way: Socket,
  {
    terminal,
    screen,
    gone,
  }: { readonly terminal: Terminal; readonly screen: Sink; readonly gone: AbortSignal },
): Promise<AttachEnd> {
  const frames = new ShellFrames();
  const keys = new Escape();
  let heard = false;
  return new Promise((resolve, reject) => {
    let over = false;
    const end = (how: AttachEnd): void => {
      if (heard && !over) terminal.leave();
      over = true;
      way.destroy();
      resolve(how);
    };
    const tellSize = (): void => {
      way.write(shellFrame("r", JSON.stringify({ rows: screen.rows, cols: screen.columns })));
    };
    const enter = (): void => {
      heard = true;
      terminal.enter({
        typed: (bytes) => {
          const { pass, leave } = keys.take(bytes);
          if (pass.length > 0) way.write(shellFrame("d", pass));
          if (leave) end({ how: "left" });
        },
        resized: tellSize,
        closed: () => end({ how: "left" }),
      });
    };
    way.on("data", (chunk: Buffer) => {
      try {
        for (const frame of frames.take(chunk)) {
          if (!heard) enter();
          if (frame.kind === "d") screen.write(frame.content);
          if (frame.kind === "x") {
            const { signal } = frameJson(frame) as { signal: string | null };
            end({ how: "ended", signal });
          }
        }
      } catch (error) {
        reject(error as Error);
        end({ how: "cut", heard });
      }
    });
    way.on("error", () => way.destroy());
    way.once("close", () => end({ how: "cut", heard }));
    const leave = (): void => end({ how: "left" });
    gone.addEventListener("abort", leave, { once: true });
    way.once("close", () => gone.removeEventListener("abort", leave));
    if (gone.aborted) leave();
    tellSize();
  });
}
