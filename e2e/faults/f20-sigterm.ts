/** F20: SIGTERM while four trials report and print as fast as they can. */
import type { Experiment } from "../../src/protocol/api.ts";
import { curveSearch, isAlive, type Stand, stand, until } from "../support.ts";
import { all, type Finding, none, type Row, within } from "./row.ts";

const STEPS = 1_500;

export const sigterm: Row = {
  name: "F20",
  fault: "SIGTERM of the server under load",
  async run(faults): Promise<Finding[]> {
    await using it = await stand({ slots: 4 });
    const rounds = faults.quick ? 1 : 10;
    const code = await it.codeFolder({}, ["curve.ts"]);
    const stoppedMs: number[] = [];
    const codes: (number | undefined)[] = [];
    const lost: string[] = [];
    const left: string[] = [];
    for (let round = 1; round <= rounds; round++) {
      faults.say(`${round} of ${rounds}`);
      const searcher = { name: "random", max_length: { epochs: STEPS }, max_trials: 4 };
      const { id } = await it.submit(curveSearch(searcher, { delayMs: 1 }), code);
      for (const trial of [1, 2, 3, 4])
        await it.trialWhen(`${id}.${trial}`, "trains", ({ step }) => step > 20);
      const before = await everything(it, id);
      const { pid, ended } = it.server;
      const beganMs = performance.now();
      process.kill(pid, "SIGTERM");
      let exitCode: number | undefined;
      void ended.then((code) => {
        exitCode = code;
      });
      await until("the server has ended", () => exitCode !== undefined);
      codes.push(exitCode);
      stoppedMs.push(performance.now() - beganMs);
      if (isAlive(pid)) left.push(`server ${pid}`);
      left.push(
        ...it.processes().flatMap((p) => (p.command.includes("postgres") ? p.command : [])),
      );
      await it.start();
      lost.push(...lostSince(before, await everything(it, id)));
      const experiment = await it.ended(id, 180_000);
      lost.push(...(await lostAtEnd(it, experiment)));
    }
    return [
      within("stopped", stoppedMs, 10),
      all("exit code 0", codes.filter((code) => code === 0).length, rounds),
      none("reports, lines or changes lost", lost),
      none("of the server's processes left", left),
    ];
  },
};

async function everything(it: Stand, id: number) {
  const { config, config_text: text, data, seed } = await it.client.experiment(id);
  const { items } = await it.client.experimentChanges(id, { limit: 1000 });
  const steps = new Map((await it.trials(id)).map((trial) => [trial.id, trial.step]));
  return { config: { config, text, data, seed }, changes: items, steps };
}
type Everything = Awaited<ReturnType<typeof everything>>;

function lostSince(before: Everything, after: Everything): string[] {
  const lost: string[] = [];
  for (const [trial, step] of before.steps)
    if ((after.steps.get(trial) ?? 0) < step) lost.push(`${trial}: step ${step} was known`);
  const changes = after.changes.slice(0, before.changes.length);
  if (JSON.stringify(changes) !== JSON.stringify(before.changes)) lost.push("changes");
  if (JSON.stringify(after.config) !== JSON.stringify(before.config)) lost.push("configuration");
  return lost;
}

async function lostAtEnd(it: Stand, { id, state, reason }: Experiment): Promise<string[]> {
  const lost = state === "completed" ? [] : [`experiment ${id}: ${reason}`];
  for (const { id: trial, allocations } of await it.details(id)) {
    const steps = (await it.series(trial)).map(([step]) => step);
    const lines = (await it.allLogs(trial)).filter(({ text }) => /^step \d+$/.test(text));
    if (steps.length !== STEPS) lost.push(`${trial} has ${steps.length} of ${STEPS} reports`);
    if (lines.some(({ text }, i) => text !== `step ${i + 1}`) || lines.length !== STEPS)
      lost.push(`${trial} has ${lines.length} of ${STEPS} lines`);
    if (allocations.length !== 1) lost.push(`${trial} was begun ${allocations.length} times`);
  }
  return lost;
}
