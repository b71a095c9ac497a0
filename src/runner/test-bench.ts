/** For tests: a fake server and a runner in this process, in a folder that goes when the test ends. */
import assert from "node:assert/strict";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { realClock } from "../base/real-clock.ts";
import { TRIAL_ENV } from "../protocol/trial-socket.ts";
import { removeCheckout } from "../store/snapshot.ts";
import { FakeServer } from "./fake-server.ts";
import { startGuardian } from "./guardian.ts";
import { NodeMachine } from "./machine.ts";
import { Runner, type RunnerOptions } from "./runner.ts";
import { ServerClient } from "./server-client.ts";
import { openStateFolder } from "./state-folder.ts";

export const REPO_ROOT = resolve(import.meta.dirname, "../..");

export const sh = (script: string): string[] => ["/bin/sh", "-c", script];

export class TestBench {
  readonly folder = mkdtempSync(join(tmpdir(), "contrail-runner-"));
  readonly server = new FakeServer(this.folder);
  readonly said: string[] = [];
  #runner: Runner | null = null;
  #onSaid: () => void = () => {};

  static async open(): Promise<TestBench> {
    const bench = new TestBench();
    await bench.server.up();
    return bench;
  }

  /** For an engine that starts a runner here. */
  get runnerSpec() {
    return {
      ...{ dataDir: this.folder, runnerId: "local", token: this.server.token },
      ...{ serverFile: this.server.serverFile, nodeBinary: process.execPath, repoRoot: REPO_ROOT },
    };
  }

  get state(): string {
    return join(this.folder, "runner");
  }

  /** @param containers settings of containers; null = ranks are processes */
  async startRunner(
    limits?: RunnerOptions["limits"],
    containers: string | null = null,
  ): Promise<void> {
    const state = openStateFolder(this.state, REPO_ROOT);
    const client = new ServerClient({
      ...{ fetch, clock: realClock, runnerId: "local" },
      serverFile: this.server.serverFile,
      tokenFile: this.server.tokenFile,
    });
    const say = (text: string): void => {
      this.said.push(text);
      this.#onSaid();
    };
    const machine = new NodeMachine({
      ...{ clock: realClock, client, state, repoRoot: REPO_ROOT, containers, say },
      guardian: startGuardian(`${TRIAL_ENV.mark}=${state.sockets}/`, realClock),
      environment: process.env,
      nodeBinary: process.execPath,
      devices: "ours",
    });
    this.#runner = new Runner({
      ...{ clock: realClock, client, machine, boot: "boot-1", limits, say },
    });
    await this.#runner.start();
  }

  async stopRunner(): Promise<void> {
    await this.#runner?.stop();
    this.#runner = null;
  }

  /** Waits for a line of the runner's own log. */
  async untilSaid(pattern: RegExp): Promise<void> {
    while (!this.said.some((text) => pattern.test(text)))
      await new Promise<void>((heard) => {
        this.#onSaid = heard;
      });
  }

  async close(): Promise<void> {
    await this.stopRunner();
    await this.server.down();
    await removeCheckout(this.folder);
    assert.deepEqual(this.server.faults, []);
  }
}
