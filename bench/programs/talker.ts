/** Prints as many lines of 80 bytes as its argument says, each as it comes, as a training loop does. */
import { writeSync } from "node:fs";

const linesMax = Number(process.argv[2]);
const pad = ".".repeat(68);
const startMs = Date.now();

for (let line = 0; line < linesMax; line++)
  write(Buffer.from(`${String(line).padStart(10)} ${pad}\n`));
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
