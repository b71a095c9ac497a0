/**
 * What a record should hold: the list that completeness is counted by. docs/record.md shows it.
 *
 * An item is a section (held where it has a field) or one field. It is captured, or it does not apply (said with the
 * reason), or it is missing (said with the reason). What else somebody says is missing counts as an item of its own, so
 * a gap can never be hidden by not being on the list.
 */
import type { RecordSection } from "../../protocol/record-part.ts";

export type RecordItem = RecordSection | `${RecordSection}.${string}`;

/** Known to the server itself. */
export const SERVER_ITEMS: readonly RecordItem[] = [
  "code.snapshot",
  "code.git_commit",
  "configuration.sha256",
  "hyperparameters",
  "seeds.experiment",
  "seeds.trial",
  "data",
  "who.owner",
  "who.user",
  "who.host",
  "who.submitted_at",
];

/** Captured by the runner, or by the program's own helper. */
export const RUNNER_ITEMS: readonly RecordItem[] = [
  "command.line",
  "command.folder",
  "interpreter.path",
  "interpreter.version",
  "interpreter.build",
  "packages_requested",
  "packages_resolved",
  "packages_observed",
  "package_hashes",
  "frameworks",
  "determinism",
  "variables",
  "system.os",
  "system.kernel",
  "system.libc",
  "cpu.model",
  "cpu.flags",
  "cpu.cores",
  "memory.bytes",
  "gpu.devices",
  "gpu.driver",
  "gpu.cuda",
  "container.digest",
];
