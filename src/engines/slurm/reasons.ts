/**
 * Why a job of Slurm waits, in a sentence for whoever asks. Slurm's own word stands in it, since that is what an
 * administrator wants to hear; words that are not here are passed on as they are.
 */
const WAITS: Readonly<Record<string, string>> = {
  None: "Slurm has not looked at it yet",
  Resources: "the nodes that it needs are busy",
  Priority: "jobs of higher priority are before it",
  Dependency: "an earlier job of this allocation has not ended",
  BeginTime: "its time has not come",
  JobHeldUser: "somebody holds it; scontrol release lets it go",
  JobHeldAdmin: "an administrator holds it",
  Licenses: "licenses that it needs are in use",
  Reservation: "it waits for its reservation",
  ReqNodeNotAvail: "a node that it asks for is not available",
  NodeDown: "a node that it needs is down",
  PartitionDown: "the partition is down",
  PartitionInactive: "the partition is inactive",
  AssociationJobLimit: "the account holds as many jobs as it may",
  AssocMaxJobsLimit: "the account holds as many jobs as it may",
  AssocGrpCpuLimit: "the account holds as many processors as it may",
  AssocGrpGRES: "the account holds as many devices as it may",
  AssocGrpNodeLimit: "the account holds as many nodes as it may",
  QOSJobLimit: "its quality of service holds as many jobs as it may",
  QOSMaxJobsPerUserLimit: "you hold as many jobs as its quality of service allows",
  QOSMaxCpuPerUserLimit: "you hold as many processors as its quality of service allows",
  QOSMaxGRESPerUser: "you hold as many devices as its quality of service allows",
  Cleaning: "what ran before it is being cleared away",
};

/** It will wait for ever unless somebody changes something. */
const NEVER: Readonly<Record<string, string>> = {
  PartitionNodeLimit:
    "it asks for more nodes than the partition gives one job, or more than are in service",
  PartitionTimeLimit: "its time limit is longer than the partition allows",
  PartitionConfig: "the partition cannot give what it asks for",
  BadConstraints: "no nodes have what it asks for",
  InvalidAccount: "its account is not valid",
  InvalidQOS: "its quality of service is not valid",
  AccountNotAllowed: "the partition does not take its account",
  QOSNotAllowed: "the partition does not take its quality of service",
  AssocMaxCpuPerJobLimit: "it asks for more processors than its account allows one job",
  AssocMaxNodePerJobLimit: "it asks for more nodes than its account allows one job",
  AssocMaxWallDurationPerJobLimit: "its time limit is longer than its account allows",
  QOSMaxCpuPerJobLimit: "it asks for more processors than its quality of service allows one job",
  QOSMaxNodePerJobLimit: "it asks for more nodes than its quality of service allows one job",
  QOSMaxWallDurationPerJobLimit: "its time limit is longer than its quality of service allows",
  DependencyNeverSatisfied: "what it waits for can never come",
  launch_failed_requeued_held: "it could not be started, and is held",
};

/** @param reason as squeue has it: a word, a word with details, or a whole sentence */
export function waitingSentence(reason: string): string {
  const text = reason.trim() || "None";
  const word = /^\w+/.exec(text)?.[0] ?? text;
  const never = NEVER[word] ?? NEVER[text.replaceAll(" ", "_")];
  if (never !== undefined)
    return `Slurm: ${text}: ${never}; it will not start unless somebody changes that`;
  const waits = text.includes(" ") && !text.includes(",") ? undefined : WAITS[word];
  return waits === undefined ? `Slurm: ${text}` : `Slurm: ${text}: ${waits}`;
}
