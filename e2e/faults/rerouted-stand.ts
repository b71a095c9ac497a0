/** A stand whose runner reaches the server through a proxy. */
import { readServerNote } from "../../src/store/data-folder.ts";
import { type Stand, stand } from "../support.ts";

const PRELOAD = new URL("preload/reroute.ts", import.meta.url);

export interface Address {
  readonly host: string;
  readonly port: number;
}

export interface NetworkProxy extends AsyncDisposable {
  readonly url: string;
}

/** Where a server is; undefined while nobody knows. */
export type Target = () => Address | undefined;

export interface ReroutedStand<P extends NetworkProxy> extends AsyncDisposable {
  readonly it: Stand;
  readonly proxy: P;
}

/** @param open starts the proxy; its target follows the server over restarts */
export async function reroutedStand<P extends NetworkProxy>(
  slots: number,
  open: (target: Target) => Promise<P>,
): Promise<ReroutedStand<P>> {
  let dataDir: string | undefined;
  const proxy = await open(() => (dataDir === undefined ? undefined : serverIn(dataDir)));
  const env = (folder: string): NodeJS.ProcessEnv => {
    dataDir = folder;
    return { FAULTS_PROXY: proxy.url, NODE_OPTIONS: `--import=${PRELOAD.href}` };
  };
  try {
    const it = await stand({ slots, env });
    const dispose = async (): Promise<void> => {
      await it[Symbol.asyncDispose]();
      await proxy[Symbol.asyncDispose]();
    };
    return { it, proxy, [Symbol.asyncDispose]: dispose };
  } catch (error) {
    await proxy[Symbol.asyncDispose]();
    throw error;
  }
}

/** As the server itself has noted. */
function serverIn(dataDir: string): Address | undefined {
  const note = readServerNote(dataDir);
  if (note?.url === undefined) return undefined;
  const { hostname: host, port } = new URL(note.url);
  return { host, port: Number(port) };
}
