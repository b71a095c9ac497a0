/** What a task can be; apart from the schemas, so that the command line starts without them. */
export const TASK_KINDS = ["command", "shell", "notebook"] as const;
export type TaskKind = (typeof TASK_KINDS)[number];
