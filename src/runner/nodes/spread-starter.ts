/** Starts the ranks of an allocation on several nodes: those of this one as ever, the others by the agents there. */
import type { RankPlan, RankStarter } from "../rank-starter.ts";
import { type Head, interfaceOf } from "./head.ts";

/** Of what ranks on other nodes have said last: it is on its way over a network. */
const LAST_BYTES_MS = 10_000;

export function spreadStarter(local: RankStarter, head: Head): RankStarter {
  return {
    ...local,
    lastBytesMs: Math.max(local.lastBytesMs, LAST_BYTES_MS),
    async plan(launch, prepared, socket): Promise<RankPlan> {
      const plan = await local.plan(launch, prepared, socket);
      const address = head.address;
      if (address === null || plan.rendezvous === null) return plan;
      const meeting = { address, port: plan.rendezvous.port };
      return {
        ...plan,
        gang: { meeting, share: head.share(launch, 0), networkInterface: interfaceOf(address) },
      };
    },
    start(plan, rank, options) {
      const node = head.nodeOf(plan.launch, rank);
      if (node === undefined || plan.gang === undefined) return local.start(plan, rank, options);
      return node.start(rank, plan.gang.meeting, options);
    },
    async endAll(left) {
      const ended = await Promise.all([
        local.endAll(left),
        ...head.others.map((node) => node.sweep(left.graceMs)),
      ]);
      return ended.reduce((sum, each) => sum + each, 0);
    },
  };
}
