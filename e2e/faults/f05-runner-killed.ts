/** F5: kill -9 of the runner of four running trials, with the server there and with the server away. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { isAlive, type Stand, stand } from "../support.ts";
import { endFaults, fourTrials, goneAfterMs, pidsOf, watchForTwins } from "./four-trials.ts";
import { type Faults, type Finding, none, type Row, within } from "./row.ts";

const LATER_MS = 10_000;

export const runnerKilled: Row = {
  name: "F5",
  fault: "kill -9 of the runner of 4 running trials",
  async run(faults) {
    const findings: Finding[] = [];
    await using it = await stand({ slots: 4 });
    for (const awayS of faults.quick ? [0, 1] : [0, 20, 60])
      findings.push(...(await killed(faults, it, awayS)));
    return findings;
  },
};

async function killed(faults: Faults, it: Stand, awayS: number): Promise<Finding[]> {
  const how = `server ${awayS === 0 ? "there" : `away for ${awayS} s`}`;
  faults.say(how);
  const four = await fourTrials(it, { steps: 60, holdAt: 55 });
  const stopWatching = watchForTwins(it);
  const training = await pidsOf(it, four.trials);
  if (awayS > 0) await it.killServer();
  process.kill(it.runnerPid, "SIGKILL");
  const goneMs = await goneAfterMs(training, 30_000);
  // Where the server is there, the next runner may have delivered some of it by now.
  const held = four.trials.map((trial) => stepsInSpool(it, `${trial}.1`));
  if (awayS > 0) {
    await wait(awayS * 1000);
    await it.start();
  }
  const faultsAtEnd = await endFaults(it, four, ["node_lost", "stopped"]);
  await wait(faults.quick ? 0 : LATER_MS);
  const orphans = it.processes().filter(({ pid, allocation }) => allocation && isAlive(pid));
  return [
    within(`training gone, ${how}`, [goneMs], 5),
    none(`trials that did not go on from their checkpoint, ${how}`, faultsAtEnd, " of 4"),
    none(
      `steps that the spool held and nobody has, ${how}`,
      await undelivered(),
      ` of ${held.flat().length}`,
    ),
    none(`two processes for a trial, ${how}`, stopWatching()),
    none(
      `orphans later, ${how}`,
      orphans.map(({ command }) => command),
    ),
  ];

  async function undelivered(): Promise<string[]> {
    const lost: string[] = [];
    for (const [i, trial] of four.trials.entries()) {
      const { series } = await it.client.metrics(trial, { names: "loss", superseded: true });
      const first = new Set(
        series[0]?.points.filter(({ run }) => run === 1).map(({ step }) => step),
      );
      for (const step of held[i] ?? []) if (!first.has(step)) lost.push(`${trial} step ${step}`);
    }
    return lost;
  }
}

/**
 * Reports that lie in the spool of an allocation, read past the code that writes it. What a program has said and no
 * runner has read yet is not among them: it is trained and said again from the checkpoint on.
 */
function stepsInSpool(it: Stand, allocation: string): number[] {
  const folder = join(it.dataDir, "runner", "allocations", allocation);
  return orNone(() => readdirSync(folder, { recursive: true, withFileTypes: true })).flatMap(
    (file) => {
      if (!file.isFile() || !file.name.startsWith("events")) return [];
      const [text = ""] = orNone(() => [readFileSync(join(file.parentPath, file.name), "latin1")]);
      return [...text.matchAll(/"type":"report"[^{}]*?"step":(\d+)/g)].map(([, n]) => Number(n));
    },
  );
}

/** What was delivered is taken away, which may be between two looks. */
function orNone<T>(look: () => T[]): T[] {
  try {
    return look();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}
