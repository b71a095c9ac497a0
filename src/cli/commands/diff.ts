/** `contrail diff A B`: in what two runs are not the same. */
import type { Cli } from "../cli.ts";
import { diffLines } from "../diff-view.ts";
import { EXIT } from "../exit-code.ts";
import { runOf } from "../values.ts";
import { lookOf } from "./experiment.ts";

export async function diff(cli: Cli, a: string, b: string): Promise<number> {
  const client = cli.client();
  const [left, right] = [runOf(a), runOf(b)];
  const found = await cli.during(`comparing ${left} with ${right}`, () => client.diff(left, right));
  cli.show(found, () => diffLines(found, lookOf(cli)));
  if (found.b.trial !== null) cli.next(`trial show ${found.b.trial}`);
  else cli.next(`experiment show ${found.b.experiment}`);
  return EXIT.ok;
}
