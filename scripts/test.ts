/** `npm test`: everything that must hold, in order, with an exact count at the end. */
import { allParts } from "./suite/parts.ts";
import { runParts } from "./suite/run-parts.ts";

process.exitCode = await runParts("npm test", allParts, process.argv.slice(2));
