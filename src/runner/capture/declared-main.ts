/** A process that reads what the code in a folder asks for; `declared-apart.ts` starts it. */
import { declaredPackages } from "./declared-packages.ts";

process.stdout.write(JSON.stringify(declaredPackages(process.argv[2] as string)));
