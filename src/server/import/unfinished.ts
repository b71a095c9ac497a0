/** What the server before had begun to import when it ended: nobody brings the rest, so it goes. */
import type pg from "pg";
import { unfinishedImports } from "../../store/import-store.ts";
import type { DecisionLoop } from "../loops/decision-loop.ts";
import { abandonImport } from "./import-experiment.ts";

export async function abandonUnfinished(pool: pg.Pool, loop: DecisionLoop): Promise<void> {
  for (const id of await unfinishedImports(pool))
    await abandonImport(loop, id, "the server ended before it was whole");
}
