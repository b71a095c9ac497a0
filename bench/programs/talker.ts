/** Prints as many lines of 80 bytes as its argument says, as fast as whoever reads takes them. */
import { writeSync } from "node:fs";

const LINES_AT_A_TIME = 64;
const linesMax = Number(process.argv[2]);
const pad = ".".repeat(60);
const startMs = Date.now();

for (let line = 0; line < linesMax; line += LINES_AT_A_TIME) {
  let text = "";
  for (let at = line; at < Math.min(linesMax, line + LINES_AT_A_TIME); at++)
    text += `${String(at).padStart(10)} ${pad} line\n`.padStart(80);
  write(Buffer.from(text));
}
process.stderr.write(`took ${Date.now() - startMs} ms\n`);

function write(bytes: Buffer): void {
  for (let at = 0; at < bytes.length; ) {
    try {
      at += writeSync(1, bytes, at);
    } catch (error) {
      // The reader is slower than we are and the pipe does not wait by itself.
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN") throw error;
    }
  }
}
