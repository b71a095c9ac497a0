/** What the record costs: `npm run bench -- record`, or one of them by name. */
import type { Measure } from "../bench.ts";
import { capture } from "./capture.ts";
import { dataset } from "./dataset.ts";
import { snapshot } from "./snapshot.ts";

export const RECORD: readonly Measure[] = [capture, snapshot, dataset];
