/** Sees to it that the node has a runner: starts or adopts one, and starts another when it is gone. */
import type { Logger } from "pino";
import type { Clock } from "../../base/clock.ts";
import type { Engine, RunnerSpec } from "../../engines/engine.ts";

const LOOK_EVERY_MS = 1000;

export async function startRunnerLoop(options: {
  readonly engine: Engine;
  readonly clock: Clock;
  readonly log: Logger;
  readonly spec: RunnerSpec;
  /** Told when another runner had to be started, and what was known of the one before. */
  readonly onReplaced?: (proof: string) => void;
}): Promise<{ readonly adopted: boolean; stop(): void }> {
  const { engine, clock, log, spec } = options;
  const first = await engine.ensureRunner(spec);
  log.info({ pid: first.pid }, first.adopted ? "adopted the running runner" : "started the runner");
  let stopped = false;
  let cancel = (): void => {};
  const look = async (): Promise<void> => {
    try {
      const seen = engine.observe(spec.dataDir);
      if (seen.state !== "alive" && !stopped) {
        if (seen.state === "gone")
          log.warn({ seen }, "the runner is gone; starting another, which cleans up after it");
        // An engine that cannot tell adopts the one that lives.
        const { adopted } = await engine.ensureRunner(spec);
        if (!adopted) options.onReplaced?.(seen.state === "gone" ? seen.proof : seen.why);
      }
    } catch (error) {
      log.error({ err: error }, "the runner could not be started; trying again");
    }
    if (!stopped) cancel = clock.after(LOOK_EVERY_MS, () => void look());
  };
  cancel = clock.after(LOOK_EVERY_MS, () => void look());
  return {
    adopted: first.adopted,
    stop(): void {
      stopped = true;
      cancel();
    },
  };
}
