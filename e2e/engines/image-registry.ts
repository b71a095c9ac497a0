/**
 * A registry of images for tests, as far as an engine asks it: one image of one layer, to who logs in. Engines speak plain
 * HTTP to registries of this machine.
 */
import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";

const sha256 = (bytes: Buffer | string): string =>
  `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
const MANIFEST = "application/vnd.docker.distribution.manifest.v2+json";

/** A tar archive with one small file. */
function oneFile(path: string, text: string): Buffer {
  const header = Buffer.alloc(512);
  header.write(path, 0);
  header.write("0000644\0", 100);
  header.write("0000000\0", 108);
  header.write("0000000\0", 116);
  header.write(`${text.length.toString(8).padStart(11, "0")}\0`, 124);
  header.write("00000000000\0", 136);
  header.write("        ", 148);
  header.write("0", 156);
  header.write("ustar\x0000", 257);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  const content = Buffer.alloc(512);
  content.write(text);
  return Buffer.concat([header, content, Buffer.alloc(1024)]);
}

export class ImageRegistry {
  readonly #server: Server;
  readonly #manifest: Buffer;
  readonly #blobs = new Map<string, Buffer>();
  readonly #login: string;
  /** Method and path of each request, with what it was answered. */
  readonly asked: string[] = [];

  /** @param login `user:password` */
  static async start(login: string): Promise<ImageRegistry> {
    const registry = new ImageRegistry(login);
    registry.#server.listen(0, "127.0.0.1");
    await once(registry.#server, "listening");
    return registry;
  }

  constructor(login: string) {
    this.#login = `Basic ${Buffer.from(login).toString("base64")}`;
    const layer = oneFile("hello", "from a registry\n");
    const config = Buffer.from(
      JSON.stringify({
        ...{ architecture: "amd64", os: "linux", config: { Env: ["FROM_REGISTRY=yes"] } },
        rootfs: { type: "layers", diff_ids: [sha256(layer)] },
        history: [{ created_by: "a test" }],
      }),
    );
    for (const blob of [layer, config]) this.#blobs.set(sha256(blob), blob);
    this.#manifest = Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: MANIFEST,
        config: {
          mediaType: "application/vnd.docker.container.image.v1+json",
          ...{ size: config.length, digest: sha256(config) },
        },
        layers: [
          {
            mediaType: "application/vnd.docker.image.rootfs.diff.tar",
            ...{ size: layer.length, digest: sha256(layer) },
          },
        ],
      }),
    );
    this.#server = createServer((request, response) => {
      const path = request.url ?? "";
      const answer = (
        status: number,
        type = "application/json",
        body: Buffer = Buffer.from("{}"),
      ) => {
        this.asked.push(`${request.method} ${path} ${status}`);
        response.writeHead(status, {
          "content-type": type,
          "content-length": body.length,
          "docker-content-digest": sha256(body),
          ...(status === 401 ? { "www-authenticate": 'Basic realm="test"' } : {}),
        });
        response.end(request.method === "HEAD" ? undefined : body);
      };
      if (request.headers.authorization !== this.#login) return answer(401);
      const blob = this.#blobs.get(/\/blobs\/(.*)$/.exec(path)?.[1] ?? "");
      if (path === "/v2/") return answer(200);
      if (/^\/v2\/team\/hello\/manifests\//.test(path))
        return answer(200, MANIFEST, this.#manifest);
      if (blob !== undefined) return answer(200, "application/octet-stream", blob);
      return answer(404);
    });
  }

  get image(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}/team/hello:1`;
  }

  /** Of the image in this registry. */
  get digest(): string {
    return sha256(this.#manifest);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close();
    this.#server.closeAllConnections();
    await once(this.#server, "close");
  }
}
