/**
 * `npm run screenshots`: pictures of every page, light and dark, wide and narrow, in screenshots/. They are made on a
 * real server with a real search, in the middle of it and at its end; look at them after a change of how things look.
 */
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { stand } from "../e2e/support.ts";
import { closeView, launch, openView, signedIn } from "../e2e/web/browser.ts";
import { exampleRun, exampleSearch, spaceSearch } from "../e2e/web/searches.ts";
import { buildPage, pageIsStale } from "../src/cli/page-stamp.ts";
import { repositoryRoot } from "./repository-files.ts";

const FOLDER = join(repositoryRoot, "screenshots");
const SIZES = [
  { name: "wide", width: 1280, height: 860 },
  { name: "narrow", width: 390, height: 844 },
] as const;

/** Every page of the web page: a new one gets a line here. */
const PAGES: readonly { readonly name: string; readonly path: string }[] = [
  { name: "experiments", path: "/experiments" },
  { name: "experiment", path: "/experiments/1" },
  { name: "experiment-trials", path: "/experiments/1?tab=trials&sort=best" },
  { name: "experiment-rungs", path: "/experiments/1?tab=rungs&picked=2" },
  { name: "experiment-rungs-time", path: "/experiments/1?tab=rungs&race=time" },
  { name: "experiment-curves", path: "/experiments/1?tab=curves&top=10" },
  { name: "experiment-hyperparameters", path: "/experiments/1?tab=hyperparameters&x=rate" },
  {
    name: "experiment-two-hyperparameters",
    path: "/experiments/1?tab=hyperparameters&cut=:0.5:1&x=rate&y=layers",
  },
  { name: "experiment-time", path: "/experiments/1?tab=time" },
  { name: "experiment-configuration", path: "/experiments/1?tab=configuration" },
  { name: "experiment-lineage", path: "/experiments/1?tab=lineage" },
  { name: "experiment-notes", path: "/experiments/1?tab=about" },
  {
    name: "experiments-filtered",
    path: "/experiments?filter=label:example+-state:error&sort=name&columns=id,name,state,best,priority,notes",
  },
  { name: "ideas", path: "/ideas" },
  { name: "queue", path: "/queue" },
  { name: "create", path: "/create?from=1" },
  { name: "audit", path: "/audit?event=12" },
  { name: "settings", path: "/settings" },
  { name: "experiment-missing", path: "/experiments/999" },
  { name: "experiment-compare", path: "/experiments/1?tab=compare&chosen=1.1,1.2" },
  { name: "trial", path: "/trials/1.1" },
  { name: "trial-metrics", path: "/trials/1.1?tab=metrics" },
  { name: "trial-logs", path: "/trials/3.1?tab=logs" },
  { name: "trial-checkpoints", path: "/trials/1.1?tab=checkpoints" },
  { name: "trial-code", path: "/trials/1.1?tab=code" },
  { name: "trial-configuration", path: "/trials/1.1?tab=configuration" },
  { name: "trial-environment", path: "/trials/1.1?tab=environment" },
  { name: "trial-lineage", path: "/lineage/trial:1.1" },
  { name: "trial-events", path: "/trials/1.1?tab=events" },
  { name: "compare", path: "/compare?trials=1.1,1.2,3.1&file=curve.ts" },
];

async function main(): Promise<void> {
  if (pageIsStale()) {
    const trouble = await buildPage();
    if (trouble !== undefined) throw new Error(trouble);
  }
  rmSync(FOLDER, { recursive: true, force: true });
  mkdirSync(FOLDER, { recursive: true });
  const it = await stand({ slots: 2 });
  const browser = await launch();
  try {
    // Enough trials that rungs, axes and lanes look as they do in earnest.
    const searcher = {
      ...{ name: "adaptive_asha", metric: "loss", smaller_is_better: true },
      ...{ max_length: { epochs: 27 }, divisor: 3, max_rungs: 4, max_trials: 32 },
      ...{ max_concurrent_trials: 4, mode: "aggressive" },
    };
    const { id } = await spaceSearch(it, { name: "learning rates", more: { searcher } });
    await exampleSearch(it, { name: "second search", activate: false });
    const { id: other } = await exampleRun(it);
    await it.ended(id, 400_000);
    await it.ended(other);
    // Something that came of it: the same again from its record, a fork of a fork, and a thread to it.
    await it.client.replay("1.1");
    const fork = async (of: number, name: string): Promise<number> => {
      const set = [
        { path: "name", value: name },
        { path: "searcher.max_trials", value: 40 },
      ];
      const { experiment } = await it.client.fork({ of: String(of), activate: false, set });
      return experiment?.id ?? of;
    };
    const wider = await fork(await fork(id, "wider"), "wider still");
    await it.client.markThread({ experiment: wider, name: "wider spaces", note: "" });
    await it.trialWhen("1.1", "is judged", ({ verdict }) => verdict !== null);
    // One that holds both slots and one that waits behind it.
    await exampleSearch(it, { name: "still at work", delayMs: 600_000 });
    await exampleSearch(it, { name: "waits for it" });
    await it.client.createToken({ name: "ci" });
    for (const scheme of ["light", "dark"] as const)
      for (const { name: size, width, height } of SIZES) {
        const look = { scheme, width, height };
        const out = await openView(browser, look);
        await out.page.goto(it.server.url);
        await out.page.getByRole("button", { name: "Sign in" }).waitFor();
        await out.page.screenshot({ path: join(FOLDER, `sign-in-${scheme}-${size}.png`) });
        await out.context.close();
        const view = await signedIn(browser, it, "/experiments", look);
        for (const { name, path } of PAGES) {
          await view.page.goto(`${it.server.url}${path}`);
          await view.page.locator(".connection-live").waitFor();
          await view.page.locator("main h1, main .state").first().waitFor();
          // Nothing is being asked for any more.
          await view.page.locator(".state[role=status]").first().waitFor({ state: "hidden" });
          const file = join(FOLDER, `${name}-${scheme}-${size}.png`);
          await view.page.screenshot({ path: file, fullPage: true });
        }
        console.log(`${scheme}, ${size}`);
        view.troubles.length = 0;
        await closeView(view);
      }
  } finally {
    await browser.close();
    await it[Symbol.asyncDispose]();
  }
  console.log(`the pictures are in ${FOLDER}`);
}

await main();
