/** `pods/exec` over a WebSocket, as kubectl speaks it since 1.31: output on channels 1 and 2, how it ended on 3. */
import { createHash } from "node:crypto";
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { enterContainer } from "./containers.ts";

const PROTOCOL = "v5.channel.k8s.io";
const MAGIC = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

export function serveExec(
  request: IncomingMessage,
  socket: Duplex,
  first: number,
  command: readonly string[],
): void {
  const key = request.headers["sec-websocket-key"] ?? "";
  const accept = createHash("sha1").update(`${key}${MAGIC}`).digest("base64");
  socket.write(
    [
      "HTTP/1.1 101 Switching Protocols",
      ...["Upgrade: websocket", "Connection: Upgrade", `Sec-WebSocket-Accept: ${accept}`],
      ...[`Sec-WebSocket-Protocol: ${PROTOCOL}`, "", ""],
    ].join("\r\n"),
  );
  socket.on("error", () => {});
  const send = (channel: number, bytes: Buffer) =>
    socket.write(frame(2, Buffer.concat([Buffer.from([channel]), bytes])));
  const child = enterContainer(first, command);
  child.stdout?.on("data", (bytes: Buffer) => send(1, bytes));
  child.stderr?.on("data", (bytes: Buffer) => send(2, bytes));
  child.once("error", ({ message }) => finish({ status: "Failure", message }));
  child.once("close", (ended) => {
    // Ended with its container, as a rule.
    const code = ended ?? 137;
    finish(
      code === 0
        ? { status: "Success" }
        : {
            ...{ status: "Failure", reason: "NonZeroExitCode" },
            message: `command terminated with non-zero exit code: ${code}`,
            details: { causes: [{ reason: "ExitCode", message: String(code) }] },
          },
    );
  });
  const finish = (status: object) => {
    if (socket.destroyed) return;
    const body = { kind: "Status", apiVersion: "v1", metadata: {}, ...status };
    send(3, Buffer.from(JSON.stringify(body)));
    socket.write(frame(8, Buffer.from([0x03, 0xe8])));
    socket.end();
  };
}

function frame(opcode: number, payload: Buffer): Buffer {
  const { length } = payload;
  const head = length < 126 ? Buffer.alloc(2) : Buffer.alloc(length < 65536 ? 4 : 10);
  head[0] = 0x80 | opcode;
  head[1] = length < 126 ? length : length < 65536 ? 126 : 127;
  if (head.length === 4) head.writeUInt16BE(length, 2);
  if (head.length === 10) head.writeBigUInt64BE(BigInt(length), 2);
  return Buffer.concat([head, payload]);
}
