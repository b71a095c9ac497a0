/**
 * A network between runner and server that can be cut. It forwards bytes and knows nothing of what they mean.
 *
 * Where packets vanish, TCP sends them again until they come through: so a black hole holds bytes back in both
 * directions and lets them go when it closes, and a one-way cut holds back one direction. A cut is what a host says
 * that is there and has nobody listening: connections break, and new ones are refused.
 */
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import type { NetworkProxy, Target } from "./rerouted-stand.ts";

export type Network = "open" | "cut" | "black hole" | "requests held" | "answers held";

interface Link {
  readonly near: Socket;
  readonly far: Socket;
}

export class TcpProxy implements NetworkProxy {
  readonly #server: Server;
  readonly #links = new Set<Link>();
  readonly #target: Target;
  #network: Network = "open";
  url = "";

  private constructor(target: Target) {
    this.#target = target;
    this.#server = createServer({ allowHalfOpen: false }, (near) => this.#link(near));
  }

  static async open(target: Target): Promise<TcpProxy> {
    const proxy = new TcpProxy(target);
    await new Promise<void>((done) => proxy.#server.listen(0, "127.0.0.1", done));
    proxy.url = `http://127.0.0.1:${(proxy.#server.address() as AddressInfo).port}`;
    return proxy;
  }

  become(network: Network): void {
    this.#network = network;
    for (const link of this.#links)
      if (network === "cut") this.#break(link);
      else this.#hold(link);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const link of this.#links) this.#break(link);
    await new Promise((done) => this.#server.close(done));
  }

  #link(near: Socket): void {
    const target = this.#target();
    near.on("error", () => undefined);
    if (this.#network === "cut" || target === undefined) {
      near.resetAndDestroy();
      return;
    }
    const far = connect(target);
    far.on("error", () => undefined);
    const link = { near, far };
    this.#links.add(link);
    near.on("data", (bytes) => far.write(bytes));
    far.on("data", (bytes) => near.write(bytes));
    for (const socket of [near, far]) socket.once("close", () => this.#break(link));
    this.#hold(link);
  }

  #hold({ near, far }: Link): void {
    const network = this.#network;
    const requests = network === "black hole" || network === "requests held";
    const answers = network === "black hole" || network === "answers held";
    if (requests) near.pause();
    else near.resume();
    if (answers) far.pause();
    else far.resume();
  }

  #break(link: Link): void {
    this.#links.delete(link);
    link.near.destroy();
    link.far.destroy();
  }
}
