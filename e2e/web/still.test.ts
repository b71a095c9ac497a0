/** What is shown of things that are over, or that others change: it stays true while nobody touches the page. */
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import type { Page } from "playwright-core";
import { curveSearch, sharedStand, until } from "../support.ts";
import { closeView, setSeen, sharedBrowser, signedIn, type View } from "./browser.ts";
import { exampleSearch } from "./searches.ts";

/** Nobody answers these questions until the function that is returned is called. */
async function cutOff(page: Page, address: RegExp): Promise<() => void> {
  let isCut = true;
  await page.route(address, (route) => (isCut ? route.abort() : route.continue()));
  return () => {
    isCut = false;
  };
}

/** The browser itself writes down each question that was cut off. */
async function closeCut(view: View): Promise<void> {
  const rest = view.troubles.filter((text) => !/ERR_FAILED/.test(text));
  view.troubles.splice(0, view.troubles.length, ...rest);
  await closeView(view);
}

const rowsOf = async (page: Page, table: string): Promise<number> =>
  Number(await page.getByRole("table", { name: table }).getAttribute("aria-rowcount")) - 1;

describe("a page that is left open", () => {
  const browser = sharedBrowser();
  const stand = sharedStand({ slots: 2 });

  test("a lineage grows while it is looked at, its words stay open, and it comes back after a question without an answer", async () => {
    const it = stand();
    const { id } = await exampleSearch(it, { name: "the origin", activate: false });
    const fork = async (name: string): Promise<number> => {
      const set = [{ path: "name", value: name }];
      const { experiment } = await it.client.fork({ of: String(id), activate: false, set });
      return experiment?.id ?? assert.fail();
    };
    const first = await fork("first");
    const view = await signedIn(browser(), it, "/experiments");
    const { page } = view;
    const answer = await cutOff(page, /\/api\/v1\/lineage\//);
    await page.goto(`${it.server.url}/experiments/${id}?tab=lineage`);
    await page.getByRole("alert").waitFor();
    answer();
    const drawn = page.getByRole("region", { name: "Lineage" });
    await drawn
      .getByRole("link", { name: `experiment ${first}` })
      .getByText("paused")
      .waitFor();
    await drawn.getByText("In words").click();
    await it.client.changeExperiment(first, "kill");
    await drawn
      .getByRole("link", { name: `experiment ${first}` })
      .getByText("canceled")
      .waitFor();
    const second = await fork("second");
    await drawn.getByRole("link", { name: `experiment ${second}` }).waitFor();
    await drawn
      .getByRole("list")
      .getByText(`experiment ${id} was forked as experiment ${second}`)
      .waitFor();
    await closeCut(view);
  });

  test("what was made of an experiment while another page was shown stands on its page afterwards", async () => {
    const it = stand();
    const { id } = await exampleSearch(it, { name: "copied later", activate: false });
    const view = await signedIn(browser(), it, `/experiments/${id}`);
    const { page } = view;
    await page.getByText(`contrail experiment show ${id}`).waitFor();
    await page.getByRole("link", { name: "Log of changes" }).click();
    await page.getByRole("heading", { name: "Log of changes" }).waitFor();
    const { experiment } = await it.client.fork({ of: String(id), activate: false });
    await page
      .getByRole("table", { name: "Changes" })
      .getByText(`experiment ${experiment?.id}`)
      .first()
      .waitFor();
    await page.goBack();
    await page.getByRole("link", { name: `experiment ${experiment?.id}` }).waitFor();
    await closeView(view);
  });

  test("a filter by what people write goes on deciding who is listed", async () => {
    const it = stand();
    const { id } = await exampleSearch(it, { name: "to be kept", activate: false });
    const view = await signedIn(browser(), it, "/experiments?filter=label%3Akept");
    const { page } = view;
    await page.getByText("No experiment matches").waitFor();
    await page.locator(".connection-live").waitFor();
    const row = page.getByRole("row").filter({ hasText: "to be kept" });
    for (let i = 0; i < 2; i++) {
      await it.client.updateExperiment(id, { add_labels: ["kept"] });
      await row.waitFor();
      await it.client.updateExperiment(id, { remove_labels: ["kept"] });
      await row.waitFor({ state: "hidden" });
    }
    await closeView(view);
  });

  test("tokens that are made and taken back elsewhere come and go", async () => {
    const it = stand();
    const view = await signedIn(browser(), it, "/settings");
    const { page } = view;
    const tokens = page.getByRole("region", { name: "Tokens" });
    await tokens.getByRole("table", { name: "Tokens" }).waitFor();
    const { id } = await it.client.createToken({
      name: "by hand",
      scope: "read",
      lifetime_s: 86_400,
    });
    const row = tokens.getByRole("row").filter({ hasText: "by hand" });
    await row.waitFor();
    // What is open stays open over the next answers.
    await row.getByRole("button", { name: "Revoke" }).click();
    const asked = () => page.waitForResponse((answer) => answer.url().endsWith("/tokens"));
    await asked();
    await asked();
    await page.getByRole("dialog").getByText(`contrail token revoke ${id}`).waitFor();
    await it.client.revokeToken(id);
    await row.waitFor({ state: "hidden" });
    await closeView(view);
  });

  test("a text that is being written outlives a question about what it was begun with", async () => {
    const it = stand();
    const { id } = await exampleSearch(it, { name: "begun with", activate: false });
    const view = await signedIn(browser(), it, `/create?from=${id}`);
    const { page } = view;
    const text = page.getByLabel("Configuration (YAML)");
    await text.waitFor();
    const written = `# the thought of an hour\n${await text.inputValue()}`;
    await text.fill(written);
    await page.locator(".connection-live").waitFor();
    await setSeen(page, false);
    await page.locator(".connection-connecting").waitFor();
    await cutOff(page, new RegExp(`/api/v1/experiments/${id}$`));
    let failures = 0;
    page.on("requestfailed", (request) => {
      if (request.url().endsWith(`/api/v1/experiments/${id}`)) failures++;
    });
    // As after an hour: what was asked for is asked for again, and each question is sent twice before it counts as failed.
    await setSeen(page, true);
    await until("it has failed, and was asked again", () => failures > 2);
    assert.equal(await text.inputValue(), written);
    await closeCut(view);
  });

  test("what had no answer is asked for again by itself: curves of what is over, trials side by side, output", async () => {
    const it = stand();
    const { id } = await exampleSearch(it, { name: "asked twice" });
    await it.ended(id);
    const view = await signedIn(browser(), it, "/experiments");
    const { page } = view;
    for (const [path, address, what] of [
      [`/experiments/${id}?tab=curves`, /\/curves\?/, /The lowest loss on these curves is/],
      [`/trials/${id}.1?tab=metrics`, /\/metrics\?/, /noise/],
      [`/compare?trials=${id}.1,${id}.2`, new RegExp(`/experiments/${id}$`), /ends lowest with/],
      [`/compare?trials=${id}.1,${id}.2`, /\/record$/, /complete to/],
      [`/trials/${id}.1?tab=logs`, /\.1\/logs/, /begin \d+\.1 at/],
    ] as const) {
      const answer = await cutOff(page, address);
      await page.goto(`${it.server.url}${path}`);
      await page.getByRole("alert").first().waitFor();
      answer();
      await page.getByText(what).first().waitFor();
      await page.getByRole("alert").first().waitFor({ state: "hidden" });
    }
    await closeCut(view);
  });

  test("who has scrolled through output stays there when a part of it does not come", async () => {
    const it = stand();
    const searcher = { name: "single", max_length: { epochs: 1_500 } };
    const { id } = await it.submit(curveSearch(searcher), await it.codeFolder({}, ["curve.ts"]));
    await it.ended(id);
    const view = await signedIn(browser(), it, `/trials/${id}.1?tab=logs&follow=no`);
    const { page } = view;
    const log = page.getByRole("region", { name: `Output of trial ${id}.1` });
    await log.getByText("step 1", { exact: true }).waitFor();
    const answer = await cutOff(page, /\/logs\?/);
    const top = await log.evaluate((element) => {
      element.scrollTop = element.scrollHeight / 2;
      return element.scrollTop;
    });
    await page.getByRole("alert").waitFor();
    answer();
    await page.getByRole("alert").waitFor({ state: "hidden" });
    await log
      .getByText(/^(?:step|note) \d{3,4}$/)
      .first()
      .waitFor();
    assert.equal(await log.evaluate((element) => element.scrollTop), top);
    await closeCut(view);
  });

  test("who has read far down the checkpoints of a trial that goes on is not thrown back", async () => {
    const it = stand();
    const searcher = { name: "single", metric: "loss", max_length: { epochs: 100_000 } };
    const { id } = await exampleSearch(it, {
      ...{ name: "saves often", delayMs: 100 },
      more: { saveEvery: 1, searcher, checkpoint_storage: { save_trial_latest: 1 } },
    });
    const trial = `${id}.1`;
    await it.trialWhen(trial, "has saved often", ({ checkpoint }) => (checkpoint?.step ?? 0) > 25);
    await it.client.changeExperiment(id, "pause");
    const { checkpoint } = await it.trialWhen(trial, "pauses", ({ state }) => state === "paused");
    const view = await signedIn(browser(), it, "/experiments");
    const { page } = view;
    // Two pages of a few rows each instead of two of two hundred.
    await page.route(/\/checkpoints\?/, (route) =>
      route.continue({ url: route.request().url().replace("limit=200", "limit=20") }),
    );
    await page.goto(`${it.server.url}/trials/${trial}?tab=checkpoints`);
    await page.getByRole("table", { name: "Checkpoints" }).waitFor();
    await until("the second page is there", async () => (await rowsOf(page, "Checkpoints")) > 20);
    await page.evaluate(() => {
      const shown = document.querySelector('[aria-label="Checkpoints"]') as HTMLElement;
      const counted = new MutationObserver(() => {
        const count = Number(shown.ariaRowCount) - 1;
        document.body.dataset.least = String(Math.min(count, Number(document.body.dataset.least)));
      });
      document.body.dataset.least = shown.getAttribute("aria-rowcount") ?? "";
      counted.observe(shown, { attributes: true, attributeFilter: ["aria-rowcount"] });
    });
    const many = await rowsOf(page, "Checkpoints");
    await it.client.changeExperiment(id, "activate");
    await it.trialWhen(trial, "saves on", (now) => now.checkpoint?.step !== checkpoint?.step);
    await until(
      "what it saved since is there",
      async () => (await rowsOf(page, "Checkpoints")) > many,
    );
    await it.client.changeExperiment(id, "kill");
    await it.ended(id);
    const least = Number(await page.evaluate(() => document.body.dataset.least));
    assert.ok(least >= many, `${least} rows of ${many} were left`);
    // The newest one is shown whole, and may be given up before its files are asked for.
    const rest = view.troubles.filter((text) => !/status of 410/.test(text));
    view.troubles.splice(0, view.troubles.length, ...rest);
    await closeView(view);
  });

  test("a record grows by what the program tells later", async () => {
    const it = stand();
    const go = join(it.folder, "go");
    const code = await it.codeFolder({
      "late.ts": `import { existsSync } from "node:fs";
import { setTimeout as wait } from "node:timers/promises";
import * as contrail from "contrail";
const trial = await contrail.init({ params: {} });
for await (const step of trial.steps()) {
  while (!existsSync(${JSON.stringify(go)})) await wait(20);
  trial.report(step, { loss: 1 });
  while (!trial.shouldStop) await wait(20);
}
`,
    });
    const searcher = { name: "single", max_length: { epochs: 3 } };
    const { id } = await it.submit(curveSearch(searcher, { entrypoint: "node late.ts" }), code);
    const trial = `${id}.1`;
    await until("the runner has told", async () => {
      const record = await it.client.trialRecord(trial).catch(() => undefined);
      assert.equal(record?.captured.determinism?.cores_seen, undefined);
      return (record?.captured_at ?? null) !== null;
    });
    const view = await signedIn(browser(), it, `/trials/${trial}?tab=environment`);
    const { page } = view;
    await page.getByText(`beside allocation ${trial}.1`).waitFor();
    await writeFile(go, "");
    await page.getByRole("region", { name: "determinism" }).getByText("cores_seen").waitFor();
    await it.client.changeExperiment(id, "kill");
    await it.ended(id);
    await closeView(view);
  });
});
