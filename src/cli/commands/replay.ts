/** `contrail replay TRIAL`: run it again from its record, and say whether the same parameters came out. */
import type { Verdict } from "../../protocol/api.ts";
import type { Client } from "../../sdk/client.ts";
import { type Cli, optionWords } from "../cli.ts";
import { EXIT } from "../exit-code.ts";
import { inert } from "../inert.ts";
import { trialOf } from "../values.ts";
import { verdictLines } from "../verdict-view.ts";
import { watchExperiment } from "../watch.ts";

export interface ReplayOptions {
  readonly detach?: boolean;
  readonly anyway?: boolean;
  readonly rebuild?: boolean;
  readonly dryRun?: boolean;
}

const EXIT_OF = {
  identical: EXIT.ok,
  differs: EXIT.differs,
  not_comparable: EXIT.notComparable,
} as const;

export async function replay(cli: Cli, id: string, options: ReplayOptions): Promise<number> {
  const trial = trialOf(id);
  const client = cli.client();
  const { anyway = false, rebuild = false, dryRun = false, detach } = options;
  const reply = await cli.during(`looking at the record of ${trial}`, () =>
    client.replay(trial, { anyway, rebuild, dry_run: dryRun }),
  );
  const { experiment, verdict, reasons } = reply;
  if (dryRun) {
    cli.show(reply, () =>
      reasons.length === 0
        ? [`${trial} can be run again and compared; nothing was started.`]
        : [`${trial} is not comparable because`, ...reasons.map((reason) => `  ${inert(reason)}`)],
    );
    cli.next(`replay ${trial}${optionWords({ anyway, rebuild, detach })}`);
    return reasons.length === 0 ? EXIT.ok : EXIT.notComparable;
  }
  if (experiment === null) {
    cli.show(reply, () => [
      ...(verdict ? verdictLines(verdict, cli.paint) : reasons.map(inert)),
      "nothing was run",
    ]);
    cli.next(`trial show ${trial}`);
    return EXIT.notComparable;
  }
  if (detach === true) {
    cli.show(reply, () => [
      `experiment ${experiment.id} runs trial ${trial} again; the verdict will stand with the trial`,
    ]);
    cli.next(`trial show ${trial}`, `experiment wait ${experiment.id}`);
    return EXIT.ok;
  }
  if (!cli.json) cli.err(cli.errPaint.dim(`experiment ${experiment.id} runs trial ${trial} again`));
  for (const reason of reasons) cli.note(`it is run although ${inert(reason)}`);
  const found = await follow(cli, client, { trial, replay: experiment.id });
  if (found === undefined) {
    if (!cli.json) cli.err("It goes on; only the view has ended.");
    cli.next(`trial show ${trial}`, `experiment cancel ${experiment.id}`);
    return EXIT.interrupted;
  }
  cli.show({ experiment: await client.experiment(experiment.id), verdict: found, reasons }, () =>
    verdictLines(found, cli.paint),
  );
  cli.next(
    ...(found.state === "differs" ? [`diff ${trial} ${experiment.id}.1`] : []),
    ...(found.state === "not_comparable" && !rebuild && !anyway
      ? [`replay ${trial} --rebuild`, `replay ${trial} --anyway`]
      : []),
    `trial show ${trial}`,
  );
  return EXIT_OF[found.state];
}

const LOOK_EVERY_MS = 300;

/** Until the verdict is there. @returns undefined after Ctrl-C */
async function follow(
  cli: Cli,
  client: Client,
  { trial, replay }: { readonly trial: string; readonly replay: number },
): Promise<Verdict | undefined> {
  const { clock, stderr } = cli.host;
  const signal = cli.host.catchInterrupt();
  const ended = await watchExperiment({
    ...{ client, experiment: replay, clock, signal },
    // The verdict alone goes to stdout.
    ...{ sink: stderr, paint: cli.errPaint, mode: cli.json ? "none" : "live" },
  });
  if (ended === null) return undefined;
  return await cli.during("comparing", async () => {
    while (!signal.aborted) {
      const found = (await client.verdicts(trial)).find((one) => one.replay === replay);
      if (found !== undefined) return found;
      await new Promise<void>((resolve) => void clock.after(LOOK_EVERY_MS, resolve));
    }
    return undefined;
  });
}
