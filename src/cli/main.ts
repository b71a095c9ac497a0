/** The command line in the real world. See run-cli.ts for what it does. */
import { realHost } from "./real-host.ts";
import { runCli } from "./run-cli.ts";

const host = realHost({ whenOutputCloses: "exit" });
process.exitCode = await runCli(host.argv, host);
