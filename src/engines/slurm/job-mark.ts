/**
 * How a job of Slurm is known to be ours: its name, and the first word of its comment, are
 * `contrail:<owner>:<id>`. Accounting keeps names only, as it is set up by default; and a name is what
 * `--dependency=singleton` goes by, which keeps a job that was submitted twice from running twice.
 */
const MARK = /^contrail:([A-Za-z0-9_-]+):([0-9]+(?:\.[0-9]+)*)$/;

export interface JobMark {
  readonly owner: string;
  readonly id: string;
}

export const jobMark = ({ owner, id }: JobMark): string => `contrail:${owner}:${id}`;

export function readMark(job: {
  readonly name: string;
  readonly comment: string;
}): JobMark | undefined {
  const match = MARK.exec(job.name) ?? MARK.exec(job.comment.split(" ", 1)[0] as string);
  return match === null ? undefined : { owner: match[1]!, id: match[2]! };
}
