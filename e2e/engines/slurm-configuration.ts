/**
 * The configuration files of a Slurm cluster that lives on one machine. Counts of processors and memory are pretended,
 * which Slurm allows (`config_overrides`); GPUs are device files that hold nothing: a count without a file is not taken.
 * Times are the shortest that daemons on a busy machine keep up with.
 */
import { hostname, userInfo } from "node:os";

export interface ClusterOptions {
  readonly nodes: number;
  readonly cpusPerNode: number;
  readonly gpusPerNode: number;
  readonly megabytesPerNode: number;
  /** Of the partitions that can be preempted: seconds between SIGTERM and SIGKILL. */
  readonly graceS: number;
  /** Seconds that an ended job stays in squeue. */
  readonly minJobAgeS: number;
  /** slurmdbd on a MariaDB of its own, for sacct. */
  readonly accounting: boolean;
  /** slurmrestd, with tokens. */
  readonly rest: boolean;
}

export interface Ports {
  readonly first: number;
  readonly controller: number;
  readonly database: number;
  readonly mariadb: number;
  readonly rest: number;
  /** Of the first node; the others follow. */
  readonly nodes: number;
}

export interface ClusterFacts {
  readonly folder: string;
  readonly options: ClusterOptions;
  readonly ports: Ports;
  readonly nodes: readonly string[];
  /** Whether each node has a hostname of its own. */
  readonly ownNames: boolean;
  /** Whether a job's processes are found by control group, as on most clusters; else by process group. */
  readonly trackByGroup: boolean;
  /** Whether who uses more memory than was asked for is killed. */
  readonly limitMemory: boolean;
  readonly databasePassword: string;
}

export const mungeSocket = (folder: string): string => `${folder}/run/munge.socket`;

/** @returns texts by name of file */
export function configurationFiles(facts: ClusterFacts): Record<string, string> {
  const { folder, options, nodes } = facts;
  const host = hostname().split(".")[0] as string;
  const lastGpu = options.gpusPerNode - 1;
  const gpus = `Name=gpu File=${folder}/dev/gpu[0-${lastGpu}] Flags=nvidia_gpu_env`;
  return {
    "slurm.conf": slurmConf(facts, host),
    "gres.conf": lastGpu < 0 ? "" : `NodeName=${nodes.join(",")} ${gpus}\n`,
    "cgroup.conf": lines([
      ...["CgroupPlugin=cgroup/v1", "CgroupAutomount=no", "ConstrainCores=no"],
      ...[`ConstrainRAMSpace=${facts.limitMemory ? "yes" : "no"}`, "ConstrainDevices=no"],
    ]),
    "plugstack.conf": "",
    hosts: lines([`127.0.0.1 localhost ${host}`, ...nodes.map((node) => `127.0.0.1 ${node}`)]),
    "slurmdbd.conf": slurmdbdConf(facts),
  };
}

function slurmConf(facts: ClusterFacts, host: string): string {
  const { folder, options, ports, nodes } = facts;
  const me = userInfo().username;
  const gres = options.gpusPerNode > 0 ? ` Gres=gpu:${options.gpusPerNode}` : "";
  const size = `CPUs=${options.cpusPerNode} RealMemory=${options.megabytesPerNode}${gres}`;
  const preemptible = `PriorityTier=1 GraceTime=${options.graceS}`;
  const accounting = [
    ...["AccountingStorageType=accounting_storage/slurmdbd", "AccountingStorageHost=127.0.0.1"],
    ...[`AccountingStoragePort=${ports.database}`, `AccountingStoragePass=${mungeSocket(folder)}`],
    "AccountingStorageTRES=gres/gpu",
  ];
  const rest = ["AuthAltTypes=auth/jwt", `AuthAltParameters=jwt_key=${folder}/etc/jwt.key`];
  return lines([
    ...[`ClusterName=${clusterName(folder)}`, `SlurmctldHost=${host}(127.0.0.1)`],
    ...[`SlurmctldPort=${ports.controller}`, `SlurmUser=${me}`, `SlurmdUser=${me}`],
    // cred_expire is how long a requeued job waits, too.
    ...["AuthType=auth/munge", `AuthInfo=socket=${mungeSocket(folder)},cred_expire=10`],
    ...["CredType=cred/munge", ...(options.rest ? rest : [])],
    ...[`StateSaveLocation=${folder}/state`, `SlurmdSpoolDir=${folder}/spool/%n`],
    `SlurmctldPidFile=${folder}/run/slurmctld.pid`,
    `SlurmdPidFile=${folder}/run/slurmd-%n.pid`,
    `SlurmctldLogFile=${folder}/log/slurmctld.log`,
    `SlurmdLogFile=${folder}/log/slurmd-%n.log`,
    `PlugStackConfig=${folder}/etc/plugstack.conf`,
    ...[
      "SlurmdParameters=config_overrides",
      `ProctrackType=proctrack/${facts.trackByGroup ? "cgroup" : "pgid"}`,
    ],
    ...[
      `TaskPlugin=task/${facts.limitMemory ? "cgroup" : "none"}`,
      "SwitchType=switch/none",
      "MpiDefault=none",
    ],
    ...["ReturnToService=2", "SchedulerType=sched/backfill"],
    "SchedulerParameters=batch_sched_delay=0,sched_interval=2,sched_min_interval=0,bf_interval=2",
    ...["SelectType=select/cons_tres", "SelectTypeParameters=CR_CPU_Memory"],
    ...["GresTypes=gpu", "DefMemPerCPU=100", "PreemptType=preempt/partition_prio"],
    ...["PreemptMode=REQUEUE", "JobRequeue=1", "SlurmctldTimeout=10", "SlurmdTimeout=10"],
    ...["InactiveLimit=0", "KillWait=5", `MinJobAge=${options.minJobAgeS}`, "MessageTimeout=5"],
    // Control groups are named by node and job: clusters beside each other must not share numbers.
    ...[`FirstJobId=${ports.first * 1000 + 1}`, "CompleteWait=0"],
    "JobAcctGatherType=jobacct_gather/linux",
    ...(options.accounting ? accounting : []),
    ...nodes.map(
      (node, index) =>
        `NodeName=${node} NodeHostname=${facts.ownNames ? node : host} NodeAddr=127.0.0.1 ` +
        `Port=${ports.nodes + index} ${size} State=UNKNOWN`,
    ),
    `PartitionName=DEFAULT Nodes=${nodes.join(",")} MaxTime=INFINITE DefaultTime=60 State=UP OverSubscribe=NO`,
    `PartitionName=batch Default=YES PreemptMode=REQUEUE ${preemptible}`,
    `PartitionName=cancel PreemptMode=CANCEL ${preemptible}`,
    "PartitionName=short MaxTime=1 PriorityTier=1 PreemptMode=OFF",
    "PartitionName=pair MaxNodes=2 PriorityTier=1 PreemptMode=OFF",
    "PartitionName=high PriorityTier=10 PreemptMode=OFF",
  ]);
}

const slurmdbdConf = ({ folder, ports, databasePassword }: ClusterFacts): string =>
  lines([
    ...["AuthType=auth/munge", `AuthInfo=socket=${mungeSocket(folder)}`, "DbdHost=localhost"],
    ...["DbdAddr=127.0.0.1", `DbdPort=${ports.database}`, `SlurmUser=${userInfo().username}`],
    ...[`LogFile=${folder}/log/slurmdbd.log`, `PidFile=${folder}/run/slurmdbd.pid`],
    ...["StorageType=accounting_storage/mysql", "StorageHost=127.0.0.1"],
    ...[`StoragePort=${ports.mariadb}`, "StorageUser=slurm", `StoragePass=${databasePassword}`],
    "StorageLoc=slurm_acct",
  ]);

const lines = (texts: readonly string[]): string => `${texts.join("\n")}\n`;

/** Accounting takes no more than 40 characters, and says nothing of those that are longer. */
const clusterName = (folder: string): string =>
  folder
    .toLowerCase()
    .replaceAll(/[^a-z0-9]/g, "")
    .slice(-30);
