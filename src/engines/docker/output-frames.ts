/**
 * What a container prints, as Docker sends it: frames of eight bytes (stream, three zeros, length in four bytes, big end
 * first) and as many bytes of output. They come cut anywhere.
 */
const HEADER_BYTES = 8;
const STDERR = 2;

export class OutputFrames {
  readonly #take: (stream: "stdout" | "stderr", chunk: Buffer) => void;
  #header: Buffer = Buffer.alloc(0);
  #stream: "stdout" | "stderr" = "stdout";
  /** Of the frame that is being read. */
  #left = 0;

  /** @param take gets the bytes of a frame as they come; they are its own to keep */
  constructor(take: (stream: "stdout" | "stderr", chunk: Buffer) => void) {
    this.#take = take;
  }

  push(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#left === 0) {
        const wanted = HEADER_BYTES - this.#header.length;
        this.#header = Buffer.concat([this.#header, chunk.subarray(at, at + wanted)]);
        at += wanted;
        if (this.#header.length < HEADER_BYTES) return;
        this.#stream = this.#header[0] === STDERR ? "stderr" : "stdout";
        this.#left = this.#header.readUInt32BE(4);
        this.#header = Buffer.alloc(0);
        continue;
      }
      const bytes = chunk.subarray(at, at + this.#left);
      at += bytes.length;
      this.#left -= bytes.length;
      this.#take(this.#stream, bytes);
    }
  }
}
