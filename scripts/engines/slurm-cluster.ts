/**
 * A Slurm cluster on this machine, to look at and to try the engine on by hand. It lives as long as this command.
 *
 *   node scripts/engines/slurm-cluster.ts [--nodes 4] [--cpus 4] [--gpus 2] [--accounting] [--rest]
 *
 * On Debian as root it installs what is missing. The line `export SLURM_CONF=…` is for the shells that speak to it. Lines typed here
 * are orders: `kill n2` and `start n2` take the power from a node and give it back, `kill controller` and
 * `start controller` do the same to slurmctld; Ctrl-C, or the end of the input, ends all of it.
 * Exit code 3: no cluster can run here, for the reason that is printed.
 */
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { CLUSTER, cannotRunSlurm, SlurmCluster } from "../../e2e/engines/slurm-cluster.ts";

const EXIT_CANNOT_RUN = 3;

const { values } = parseArgs({
  options: {
    nodes: { type: "string", default: String(CLUSTER.nodes) },
    cpus: { type: "string", default: String(CLUSTER.cpusPerNode) },
    gpus: { type: "string", default: String(CLUSTER.gpusPerNode) },
    accounting: { type: "boolean", default: false },
    rest: { type: "boolean", default: false },
  },
});
const { accounting, rest } = values;

function count(name: "nodes" | "cpus" | "gpus", least: number): number {
  const text = values[name];
  if (/^\d{1,3}$/.test(text) && Number(text) >= least) return Number(text);
  console.error(`--${name} is ${text}; it must be a whole number from ${least} to 999.`);
  process.exit(2);
}

const options = {
  ...{ nodes: count("nodes", 1), cpusPerNode: count("cpus", 1), gpusPerNode: count("gpus", 0) },
  ...{ accounting, rest },
};
const missing = await cannotRunSlurm(options);
if (missing !== undefined) {
  console.error(missing);
  process.exit(EXIT_CANNOT_RUN);
}
console.log(`starting ${options.nodes} nodes …`);
const cluster = await SlurmCluster.start(options);
console.log(`export SLURM_CONF=${cluster.conf}`);
if (rest) console.log(`slurmrestd: ${cluster.restUrl}, token in ${await cluster.tokenFile()}`);

async function order(line: string): Promise<string> {
  const [verb, name = ""] = line.trim().split(/\s+/);
  const isController = name === "controller";
  if ((verb !== "kill" && verb !== "start") || !(isController || cluster.nodes.includes(name)))
    return `kill or start, with controller or one of ${cluster.nodes.join(", ")}`;
  if (isController) await (verb === "kill" ? cluster.killController() : cluster.startController());
  else await (verb === "kill" ? cluster.killNode(name) : cluster.startNode(name));
  return `${verb === "kill" ? "killed" : "started"}: ${name}`;
}

const input = createInterface({ input: process.stdin });
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => input.close());
for await (const line of input)
  if (line.trim() !== "") console.log(await order(line).catch((error: Error) => error.message));
console.log("stopping …");
await cluster[Symbol.asyncDispose]();
