/** F15: server, runner and trials share a memory limit of the kernel, and a trial takes more than there is. */
import { isAlive, stand } from "../support.ts";
import { memoryCgroup } from "./cgroup.ts";
import { all, type Finding, none, type Row } from "./row.ts";

const LIMIT_BYTES = 1024 ** 3;
const MAX_RESTARTS = 1;
/** Touches every page, so that the kernel has to give them. */
const GREEDY = "held = []\nwhile True: held.append(bytearray(b'x') * (16 << 20))";

export const outOfMemory: Row = {
  name: "F15",
  fault: "out of memory under a limit of the kernel",
  async run(faults): Promise<Finding[]> {
    using cgroup = memoryCgroup(LIMIT_BYTES);
    await using it = await stand({ slots: 2, within: () => cgroup.enter });
    const { pid: server } = it.server;
    const runner = it.runnerPid;
    const searcher = { name: "single" };
    const greedy = {
      ...{ name: "greedy", entrypoint: ["python3", "-c", GREEDY], searcher },
      max_restarts: MAX_RESTARTS,
    };
    const { id } = await it.submit(greedy);
    faults.say("a trial takes all the memory");
    await it.ended(id);
    const trial = await it.client.trial(`${id}.1`);
    const survivors = [server, runner].filter(isAlive).length;
    // The runner has survived if it still does its work.
    const next = await it.submit({ name: "next", entrypoint: ["true"], searcher });
    const after = await it.ended(next.id);
    const allocations = trial.allocations.map(({ end }) => end);
    const wrong = allocations.filter((end) => end !== "out_of_memory");
    return [
      {
        what: "class shown",
        figure: trial.end_reason ?? "none",
        passes: "out_of_memory",
        ok: trial.end_reason === "out_of_memory",
      },
      all("attempts, counted like any crash", allocations.length, MAX_RESTARTS + 1),
      none("attempts with another class", wrong, ` of ${allocations.length}`),
      all("server and runner that survived it", survivors, 2),
      all("trials after it that ran", after.state === "completed" ? 1 : 0, 1),
    ];
  },
};
