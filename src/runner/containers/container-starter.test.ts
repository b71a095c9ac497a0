/** Starting where no engine answers. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { realClock } from "../../base/real-clock.ts";
import { writeSettings } from "../../engines/docker/container-settings.ts";
import type { RankPlan } from "../rank-starter.ts";
import { ContainerStarter } from "./container-starter.ts";

test("a start that waits for its engine is given up when nobody wants it any more", async () => {
  const folder = mkdtempSync(join(tmpdir(), "contrail-starter-"));
  const file = join(folder, "containers.json");
  writeSettings(file, {
    ...{ socket: join(folder, "nobody.sock"), network: "none", user: { uid: 0, gid: 0 } },
    ...{ cpusPerSlot: null, memoryPerSlotBytes: null, devices: {} },
  });
  const given = new AbortController();
  const starter = new ContainerStarter({
    ...{ clock: realClock, client: { url: () => "http://127.0.0.1:1" }, file },
    ...{ repoRoot: "/app", sockets: folder },
    // It has tried, and is about to wait.
    say: () => void setImmediate(() => given.abort(new Error("killed"))),
  });
  const container = { image: "i", force_pull: false, bind_mounts: [], devices: [] };
  const capabilities = { add_capabilities: [], drop_capabilities: [] };
  const launch = {
    ...{ allocation: "1.1.1", ranks: 1, slots: [], entrypoint: ["train"], params: {} },
    ...{ environment: {}, data: {}, container: { ...container, ...capabilities } },
  };
  const image = { name: "i", id: "sha256:1", digest: null, environment: {} };
  const prepared = { code: join(folder, "a", "code"), data: {}, restore: null, image };
  const plan = { launch, prepared, socket: join(folder, "1.sock"), server: "", rendezvous: null };
  const sinks = { output: () => {}, exited: () => {}, closed: () => {} };
  const started = starter.start(plan as unknown as RankPlan, 0, {
    ...{ sinks, before: [], signal: given.signal },
  });
  await assert.rejects(started, /^Error: killed$/);
  rmSync(folder, { recursive: true });
});
