/** Who is asked, by kind; null = nobody can tell, so it is never called idle. */
import type { TaskKind } from "../../protocol/config/task-kinds.ts";
import { notebookIdle } from "../tunnel/notebook-idle.ts";
import type { NewIdleSource } from "./idle-source.ts";
import { shellIdle } from "./shell-idle.ts";

export const IDLE_SOURCES: { readonly [kind in TaskKind]: NewIdleSource | null } = {
  command: null,
  shell: shellIdle,
  notebook: notebookIdle,
};
