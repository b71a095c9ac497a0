/** `npm run check`: the part of `npm test` that is quick enough to run before every commit. */
import { quickParts } from "./suite/parts.ts";
import { runParts } from "./suite/run-parts.ts";

process.exitCode = await runParts("npm run check", quickParts, process.argv.slice(2));
