/**
 * The script of a job. Slurm sends what a job is to hear (preemption, a time limit, scancel) to the tasks of srun and to this shell,
 * and to nothing that they started: so the command is a task on every node, the shell in front of it is
 * replaced by it, and this shell hears and goes on waiting. A shell that died of the signal would end the job at once.
 */
export interface JobScript {
  readonly title: string;
  readonly nodes: number;
  readonly command: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  /** Where Slurm writes what is printed. */
  readonly output: string;
}

/** What the script exits with when a node's memory limit ended the command: Slurm says it of the step alone, and srun exits with 1. */
export const OUT_OF_MEMORY = 125;

const PLACE = [
  "CONTRAIL_NODE_RANK=$SLURM_PROCID",
  // A node's name is an address on most clusters; where it is none, the host's own name is.
  'if getent hosts "$SLURMD_NODENAME" >/dev/null 2>&1; then CONTRAIL_NODE_ADDRESS=$SLURMD_NODENAME; else CONTRAIL_NODE_ADDRESS=$(hostname); fi',
  "export CONTRAIL_NODE_RANK CONTRAIL_NODE_ADDRESS",
  'exec "$@"',
].join("; ");

export function jobScript({ title, nodes, command, environment, output }: JobScript): string {
  const variables = { ...environment, CONTRAIL_NODES: String(nodes) };
  const srun = [
    ...["srun", `--nodes=${nodes}`, `--ntasks=${nodes}`, "--ntasks-per-node=1"],
    // One node's failure ends the others'; one that is through waits for them.
    ...["--kill-on-bad-exit=1", "--wait=0", "--mpi=none", "--export=ALL", "--input=none"],
    ...(nodes > 1 ? ["--label"] : []),
  ];
  return [
    "#!/bin/sh",
    `# ${title.replaceAll(/[^\x20-\x7e]/g, " ")}`,
    ...Object.entries(variables)
      .filter(([name]) => isOurs(name))
      .map(([name, value]) => `export ${name}=${quote(value)}`),
    // Slurm was asked not to start it again, and may do so all the same.
    'if [ -n "$SLURM_RESTART_COUNT" ] && [ "$SLURM_RESTART_COUNT" != 0 ]; then echo "started again by Slurm: nothing runs"; exit 75; fi',
    "told=",
    "trap 'told=1' TERM USR1 USR2",
    // What sbatch was asked for does not reach srun by itself in every version.
    `${srun.join(" ")} \${SLURM_CPUS_PER_TASK:+--cpus-per-task=$SLURM_CPUS_PER_TASK} \\`,
    `  /bin/sh -c ${quote(PLACE)} contrail-node \\`,
    `  ${command.map(quote).join(" ")} &`,
    "code=",
    "while :; do",
    '  told=; wait "$!"; now=$?',
    // The second wait for what is over already says 127.
    '  if [ "$now" -ne 127 ] || [ -z "$code" ]; then code=$now; fi',
    '  if [ -z "$told" ]; then break; fi',
    "done",
    `if [ "$code" -ne 0 ] && tail -n 100 ${quote(output)} | grep -q '^srun: error: .*: Out Of Memory$'; then code=${OUT_OF_MEMORY}; fi`,
    'exit "$code"',
    "",
  ].join("\n");
}

/**
 * Not those that no shell can export or that it keeps for itself, nor what Slurm says to its jobs: a server that was started
 * within a job, or sees devices of its own, would tell them wrong.
 */
const isOurs = (name: string): boolean =>
  /^[A-Za-z_]\w*$/.test(name) &&
  !/^(?:UID|EUID|PPID|BASHOPTS|SHELLOPTS|BASH_VERSINFO)$/.test(name) &&
  !/^(?:S(?:LURMD?|BATCH|RUN)_|(?:CUDA|NVIDIA|ROCR|HIP)_VISIBLE_DEVICES$)/.test(name);

export const quote = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;
