/** The page in a real browser on a real server with real trials. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Page } from "playwright-core";
import { sharedStand, until, within } from "../support.ts";
import { accessibilityFaults } from "./accessibility.ts";
import { closeView, openView, setSeen, sharedBrowser, signedIn, signInLink } from "./browser.ts";
import { exampleSearch, held } from "./searches.ts";

const HOSTILE = "<img src=x onerror=alert(1)> \u202egnp.exe\u001b[31m \u{1f600} {{x}}";

describe("the web page", () => {
  const browser = sharedBrowser();
  const stand = sharedStand({ slots: 2 });

  test("a link signs in once, its token leaves the address, and signing out ends it", async () => {
    const it = stand();
    const view = await openView(browser());
    const { page } = view;
    await page.goto(`${it.server.url}/experiments`);
    await page.getByRole("button", { name: "Sign in" }).waitFor();
    const link = await signInLink(it);
    await page.goto(link);
    await page.getByRole("heading", { name: "Experiments" }).waitFor();
    assert.equal(page.url(), `${it.server.url}/experiments`);
    const seen = await page.evaluate(() => document.cookie + JSON.stringify(localStorage));
    assert.ok(!seen.includes("cu_"), "scripts do not see the session");
    await page.reload();
    await page.getByRole("heading", { name: "Experiments" }).waitFor();
    const other = await openView(browser());
    await other.page.goto(link);
    await other.page.getByText("this sign-in link was used already").waitFor();
    await other.context.close();
    await page.getByRole("banner").getByRole("button").last().click();
    await page.getByRole("menuitem", { name: "Sign out" }).click();
    await page.getByRole("button", { name: "Sign in" }).waitFor();
    await closeView(view);
  });

  test("a search is followed live to its end, from the list and on its own page", async () => {
    const it = stand();
    const view = await signedIn(browser(), it, "/experiments");
    const { page } = view;
    await page.locator(".connection-live").waitFor();
    const { environment, letGo } = held(it);
    const { id } = await exampleSearch(it, { name: "followed live", more: { environment } });
    // Nothing is reloaded from here on.
    await page.getByRole("link", { name: "followed live" }).click();
    await page.getByRole("heading", { name: `${id} followed live` }).waitFor();
    await page.locator(".page-title .badge").getByText("active").waitFor();
    await page.getByText(/The lowest loss on these curves is/).waitFor();
    await letGo();
    await page.locator(".page-title .badge").getByText("completed").waitFor();
    const { best, spent } = await it.ended(id);
    assert.ok(best);
    await page.getByText(`loss, trial ${best.trial} after`).waitFor();
    await until(
      "it says how many epochs",
      async () => (await figure(page, "epochs trained")) === String(spent.steps),
    );
    await page.getByText(`by trial ${best.trial} after`).waitFor();
    assert.ok(await inked(page), "the curves are drawn");
    await page.getByRole("tab", { name: "Plan and rungs" }).click();
    await page.getByRole("table", { name: "Trials by rung" }).waitFor();
    assert.match(page.url(), /\?tab=rungs$/);
    await page.goBack();
    await page.getByText("Best trials").waitFor();
    await closeView(view);
  });

  test("the page goes on over a restart of the server", async () => {
    const it = stand();
    const { environment, letGo } = held(it);
    const { id } = await exampleSearch(it, { name: "over a restart", more: { environment } });
    const view = await signedIn(browser(), it, `/experiments/${id}`);
    const { page } = view;
    await page.locator(".connection-live").waitFor();
    await page.getByText(/The lowest loss on these curves is/).waitFor();
    const { port } = new URL(it.server.url);
    await it.killServer();
    await page.locator(".connection-away").waitFor();
    await page.getByRole("heading", { name: `${id} over a restart` }).waitFor();
    await it.start(Number(port));
    await page.locator(".connection-live").waitFor();
    await letGo();
    await page.locator(".page-title .badge").getByText("completed").waitFor();
    // The browser itself writes down that nobody answered for a while.
    const rest = view.troubles.filter((text) => !/ERR_|Failed to load resource/.test(text));
    assert.deepEqual(rest, []);
    view.troubles.length = 0;
    await closeView(view);
  });

  test("what ended and what was put away while the tab was hidden is shown when it is seen again", async () => {
    const it = stand();
    const before = await exampleSearch(it, { name: "over before" });
    await it.ended(before.id);
    const meanwhile = await exampleSearch(it, { name: "over meanwhile", activate: false });
    const list = await signedIn(browser(), it, "/experiments");
    const row = list.page.getByRole("row").filter({ hasText: "over meanwhile" });
    await row.getByText("paused").waitFor();
    const view = await signedIn(browser(), it, `/experiments/${before.id}`);
    await view.page.locator(".page-title .badge").getByText("completed").waitFor();
    for (const { page } of [list, view]) {
      await page.locator(".connection-live").waitFor();
      await setSeen(page, false);
    }
    // Its streams are closed once it has been hidden for a while.
    for (const { page } of [list, view]) await page.locator(".connection-connecting").waitFor();
    await it.client.changeExperiment(meanwhile.id, "kill");
    await it.ended(meanwhile.id);
    await it.client.actOnExperiments("archive", [before.id]);
    for (const { page } of [list, view]) {
      await setSeen(page, true);
      await page.locator(".connection-live").waitFor();
    }
    await row.getByText("canceled").waitFor();
    await view.page.locator(".page-title").getByText("archived").waitFor();
    await closeView(list);
    await closeView(view);
  });

  test("a number that no experiment has is asked for again, and shows the one that gets it", async () => {
    const it = stand();
    const { id } = await exampleSearch(it, { name: "the last one", activate: false });
    const view = await signedIn(browser(), it, `/experiments/${id + 1}`);
    const { page } = view;
    const missing = page.getByRole("alert").getByText(`There is no experiment ${id + 1}`);
    await missing.waitFor();
    // The same words stand there before and after: only the answer tells that it was asked for.
    await Promise.all([
      page.waitForResponse((answer) => answer.url().endsWith(`/experiments/${id + 1}/stream`)),
      page.getByRole("button", { name: "Try again" }).click(),
    ]);
    await missing.waitFor();
    await page.locator(".connection-live").waitFor();
    await exampleSearch(it, { name: "the next one", activate: false });
    await page.getByRole("heading", { name: `${id + 1} the next one` }).waitFor();
    for (const number of [id, id + 1]) await it.client.changeExperiment(number, "kill");
    // The browser itself writes down what was refused.
    const rest = view.troubles.filter((text) => !/status of 404/.test(text));
    assert.deepEqual(rest, []);
    view.troubles.length = 0;
    await closeView(view);
  });

  test("pause, go on and kill are done from the page, and the command stands beside each", async () => {
    const it = stand();
    const { environment } = held(it);
    const { id } = await exampleSearch(it, { name: "steered", more: { environment } });
    const view = await signedIn(browser(), it, `/experiments/${id}`);
    const { page } = view;
    const act = async (label: string, verb: string): Promise<void> => {
      await page.locator(".page-head").getByRole("button", { name: label, exact: true }).click();
      const dialog = page.getByRole("dialog");
      await dialog.getByText(`contrail experiment ${verb} ${id}`).waitFor();
      await dialog.getByRole("button", { name: label, exact: true }).click();
    };
    await act("Pause", "pause");
    await page.locator(".page-title .badge").getByText("paused").waitFor();
    await act("Go on", "activate");
    await page.locator(".page-title .badge").getByText("active").waitFor();
    await act("Kill", "kill");
    await page.locator(".page-title .badge").getByText("canceled").waitFor();
    assert.equal((await it.client.experiment(id)).state, "canceled");
    // What can be done to one that is over, which sends no news by itself.
    await act("Archive", "archive");
    await page.locator(".page-title").getByText("archived").waitFor();
    assert.notEqual((await it.client.experiment(id)).archived_at, null);
    await act("Delete", "delete");
    await page.locator(".page-title").getByText("deleted, to be restored until").waitFor();
    await act("Restore", "restore");
    await act("Unarchive", "unarchive");
    await page.locator(".page-title").getByText("archived").waitFor({ state: "hidden" });
    assert.equal((await it.client.experiment(id)).archived_at, null);
    await closeView(view);
  });

  test("what changes while the page asks again about one that is over is shown, too", async () => {
    const it = stand();
    const { id } = await exampleSearch(it, { name: "put away twice", activate: false });
    await it.client.changeExperiment(id, "kill");
    await it.ended(id);
    const view = await signedIn(browser(), it, `/experiments/${id}`);
    const { page } = view;
    const head = page.locator(".page-head");
    await head.getByText("canceled").waitFor();
    await page.locator(".connection-live").waitFor();
    const asked = Promise.withResolvers<void>();
    const told = Promise.withResolvers<void>();
    // The first answer is as old as the first change when it comes.
    await page.route(
      `**/experiments/${id}/stream`,
      async (route) => {
        const response = await route.fetch({ timeout: 120_000 });
        asked.resolve();
        await told.promise;
        await route.fulfill({ response });
      },
      { times: 1 },
    );
    const act = async (label: string): Promise<void> => {
      await head.getByRole("button", { name: label, exact: true }).click();
      const dialog = page.getByRole("dialog");
      await dialog.getByRole("button", { name: label, exact: true }).click();
      await dialog.waitFor({ state: "hidden" });
    };
    await act("Archive");
    await within("it asks again", asked.promise);
    await act("Delete");
    told.resolve();
    await head.getByText("deleted, to be restored until").waitFor();
    await closeView(view);
  });

  test("hostile names are shown inert", async () => {
    const it = stand();
    const more = { labels: ["<b>bold</b>"], description: HOSTILE };
    const { id } = await exampleSearch(it, { name: HOSTILE, activate: false, more });
    const view = await signedIn(browser(), it, "/experiments");
    const { page } = view;
    const shown = "<img src=x onerror=alert(1)> \\u202egnp.exe\\x1b[31m \u{1f600} {{x}}";
    await page.getByRole("link", { name: shown }).click();
    await page.getByRole("heading", { name: `${id} ${shown}` }).waitFor();
    assert.equal(await page.locator("main img").count(), 0);
    assert.ok(!(await page.title()).includes("\u202e"));
    await it.client.changeExperiment(id, "kill");
    await closeView(view);
  });

  test("the policy is in force: an inline script and a foreign request are refused", async () => {
    const it = stand();
    const view = await signedIn(browser(), it, "/experiments");
    const { page } = view;
    const ran = await page.evaluate(async () => {
      const script = document.createElement("script");
      script.textContent = "globalThis.planted = true";
      document.body.append(script);
      document.body.insertAdjacentHTML("beforeend", '<img src="x:y" onerror="planted2 = true">');
      // Its own handler comes before this one.
      await new Promise((told) => document.body.lastElementChild?.addEventListener("error", told));
      const style = document.createElement("style");
      style.textContent = "body { opacity: 0.5 }";
      document.head.append(style);
      const foreign = await fetch("https://example.com/").then(
        () => "sent",
        () => "refused",
      );
      const { planted, planted2 } = globalThis as { planted?: boolean; planted2?: boolean };
      return { planted, planted2, foreign, opacity: getComputedStyle(document.body).opacity };
    });
    assert.deepEqual(ran, {
      ...{ planted: undefined, planted2: undefined },
      ...{ foreign: "refused", opacity: "1" },
    });
    // The console is told on its own way: whatever comes later would be an error of the page.
    for (const what of [
      "inline script",
      "inline event handler",
      "inline style",
      "Fetch API",
      "x:y",
    ])
      await until(`the console says: ${what}`, () =>
        view.troubles.some((text) => text.includes(what)),
      );
    const others = view.troubles.filter((text) => !/Content Security Policy|x:y/.test(text));
    assert.deepEqual(others, []);
    view.troubles.length = 0;
    await closeView(view);
  });

  test("no page has a serious fault of accessibility, light or dark, wide or narrow", async () => {
    const it = stand();
    const { id } = await exampleSearch(it, { name: "for everybody" });
    await it.ended(id);
    for (const scheme of ["light", "dark"] as const)
      for (const width of [1280, 390]) {
        const view = await signedIn(browser(), it, "/experiments", { scheme, width });
        const { page } = view;
        for (const path of [
          "/experiments",
          `/experiments/${id}`,
          `/experiments/${id}?tab=trials`,
          `/experiments/${id}?tab=curves`,
          `/experiments/${id}?tab=rungs&picked=1`,
          `/experiments/${id}?tab=rungs&race=time`,
          `/experiments/${id}?tab=hyperparameters`,
          `/experiments/${id}?tab=time`,
          `/experiments/${id}?tab=configuration`,
          `/experiments/${id}?tab=compare`,
          `/experiments/${id}?tab=about`,
          `/experiments/${id}?tab=lineage`,
          `/lineage/trial:${id}.1`,
        ]) {
          await page.goto(`${it.server.url}${path}`);
          await page.locator("main h1").waitFor();
          await page.getByText(" …").first().waitFor({ state: "hidden" });
          assert.deepEqual(await accessibilityFaults(page), [], `${path} ${scheme} ${width}`);
          const wide = await page.evaluate(() => document.documentElement.scrollWidth);
          assert.ok(wide <= width, `${path} is ${wide} pixels wide of ${width}`);
        }
        await closeView(view);
      }
  });

  test("pinned columns stay in sight when a table is scrolled sideways", async () => {
    const it = stand();
    const { id } = await exampleSearch(it, { name: "pinned", activate: false });
    const view = await signedIn(browser(), it, "/experiments", { width: 390 });
    const { page } = view;
    const link = page.getByRole("link", { name: "pinned" });
    await link.waitFor();
    const [before, scrolled, after] = await link.evaluate((element) => {
      const table = element.closest('[role="table"]');
      const left = (): number => element.getBoundingClientRect().left;
      const before = left();
      if (table) table.scrollLeft = 300;
      return [before, table?.scrollLeft, left()];
    });
    assert.equal(scrolled, 300, "it can be scrolled");
    assert.equal(after, before);
    await it.client.changeExperiment(id, "kill");
    await closeView(view);
  });

  test("search by keyboard goes to an experiment", async () => {
    const it = stand();
    const { id } = await exampleSearch(it, { name: "to be found", activate: false });
    const { id: newest } = await exampleSearch(it, { name: "the newest", activate: false });
    const view = await signedIn(browser(), it, "/experiments");
    const { page } = view;
    for (const keys of ["/", "Control+k"]) {
      await page.goto(`${it.server.url}/experiments`);
      await page.getByRole("heading", { name: "Experiments" }).waitFor();
      await page.keyboard.press(keys);
      await page.getByRole("option", { name: "the newest" }).waitFor();
      await page.getByRole("combobox", { name: "Search" }).fill("be found");
      // However soon: what is there still was found for no word.
      await page.keyboard.press("Enter");
      await page.getByRole("heading", { name: `${id} to be found` }).waitFor();
    }
    for (const one of [id, newest]) await it.client.changeExperiment(one, "kill");
    await closeView(view);
  });
});

/** The value of one of the large figures on an overview. */
async function figure(page: Page, label: string): Promise<string | null> {
  const box = page
    .locator(".figures > div")
    .filter({ has: page.getByText(label, { exact: true }) });
  return await box.locator("b").textContent();
}

/** Whether anything was drawn on the chart's canvas. */
const inked = (page: Page): Promise<boolean> =>
  until("the canvas has ink", () =>
    page
      .locator(".drawing canvas")
      .first()
      .evaluate((canvas) => {
        const { width, height } = canvas as HTMLCanvasElement;
        const context = (canvas as HTMLCanvasElement).getContext("2d");
        return context?.getImageData(0, 0, width, height).data.some((value) => value > 0) === true;
      }),
  );
