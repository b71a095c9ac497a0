/** The Slurm engine on a real cluster of four nodes. */
import { mkdir } from "node:fs/promises";
import { userInfo } from "node:os";
import { join } from "node:path";
import { realClock } from "../../src/base/real-clock.ts";
import type { JobEngine } from "../../src/engines/job-engine.ts";
import { slurmEngine } from "../../src/engines/slurm/slurm-engine.ts";
import { type JobStand, jobEngineContract } from "../../src/engines/test-job-engine.ts";
import { type SlurmPool, slurmPool } from "../../src/protocol/pools/fields.ts";
import { CLUSTER, cannotRunSlurm, SlurmCluster } from "./slurm-cluster.ts";

class SlurmStand implements JobStand {
  readonly nodes = CLUSTER.nodes;
  readonly slotsPerNode = CLUSTER.gpusPerNode;
  readonly cluster: SlurmCluster;
  readonly #pool: SlurmPool;

  constructor(cluster: SlurmCluster, pool: SlurmPool) {
    this.cluster = cluster;
    this.#pool = pool;
  }

  static async open(way: "commands" | "rest"): Promise<SlurmStand> {
    const cluster = await SlurmCluster.start({ rest: way === "rest", minJobAgeS: 60 });
    const rest = async () => ({
      ...{ url: cluster.restUrl, user: userInfo().username },
      token_file: await cluster.tokenFile(),
    });
    const pool = slurmPool.parse({
      ...{ engine: "slurm", slot_type: "gpu", conf: cluster.conf },
      rest: way === "rest" ? await rest() : null,
    });
    return new SlurmStand(cluster, pool);
  }

  engine(): JobEngine {
    return slurmEngine(this.#pool, { clock: realClock, environment: process.env });
  }

  async folder(name: string): Promise<string> {
    // A name as people have them: with what sbatch would read as a pattern.
    const folder = join(this.cluster.folder, "jobs", `100%j ${name}`);
    await mkdir(folder, { recursive: true });
    return folder;
  }

  async cutOff() {
    // What was submitted in the last seconds would be lost with it.
    await this.cluster.stateIsSaved();
    await this.cluster.killController();
    return () => this.cluster.startController();
  }

  async loseNode(node: string) {
    await this.cluster.killNode(node);
    await this.cluster.markDown(node);
    return () => this.cluster.startNode(node);
  }

  async preempt() {
    const { nodes, cluster } = this;
    const all = ["--partition=high", "--exclusive", `--nodes=${nodes}`];
    const number = await this.#submit(...all);
    return async () => {
      await cluster.run("scancel", number);
    };
  }

  async foreign() {
    const number = await this.#submit("--job-name=somebody", "--comment=contrail is nice");
    const state = async () =>
      (await this.cluster.run("squeue", "-h", "-t", "all", "-j", number, "-o", "%T")).trim();
    return {
      runs: async () => /^(?:PENDING|RUNNING)$/.test(await state()),
      end: async () => void (await this.cluster.run("scancel", number)),
    };
  }

  async #submit(...args: string[]): Promise<string> {
    const common = ["--parsable", "--output=/dev/null", "--wrap=sleep 600"];
    return (await this.cluster.run("sbatch", ...common, ...args)).trim();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.cluster[Symbol.asyncDispose]();
  }
}

jobEngineContract({
  engine: "slurm by its commands",
  skip: await cannotRunSlurm(),
  open: () => SlurmStand.open("commands"),
});

jobEngineContract({
  engine: "slurm over slurmrestd",
  skip: await cannotRunSlurm({ rest: true }),
  open: () => SlurmStand.open("rest"),
});
