/** The charts of an experiment, in a real browser on a real search: with data and without, brushed, picked, exported. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { before, describe, test } from "node:test";
import type { Locator, Page } from "playwright-core";
import type { Experiment } from "../../src/protocol/api.ts";
import { sharedStand, until } from "../support.ts";
import { closeView, drag, sharedBrowser, signedIn } from "./browser.ts";
import { exampleSearch, held, spaceSearch } from "./searches.ts";

const TABS = {
  curves: ["Learning curves"],
  rungs: ["Rungs and brackets"],
  hyperparameters: ["Parallel coordinates", "Parameter importance", "One hyperparameter"],
  time: ["Best so far", "Slots over time"],
} as const;

describe("the charts of an experiment", () => {
  const browser = sharedBrowser();
  const stand = sharedStand({ slots: 2 });
  let done: Experiment;
  before(async () => {
    const it = stand();
    const { id } = await spaceSearch(it, { name: "charted" });
    done = await it.ended(id, 180_000);
  });

  test("each is drawn, says a sentence, and gives its numbers and its picture away", async () => {
    const it = stand();
    const view = await signedIn(browser(), it, `/experiments/${done.id}`);
    const { page } = view;
    for (const [tab, titles] of Object.entries(TABS)) {
      await page.goto(`${it.server.url}/experiments/${done.id}?tab=${tab}`);
      for (const title of titles) {
        const chart = chartOf(page, title);
        await chart.locator("canvas").first().waitFor();
        await until(`${title} is drawn`, () => inked(chart));
        const sentence = await chart.locator(".chart-sentence").textContent();
        assert.match(sentence ?? "", /\d.*\.$/, title);
        await chart
          .getByText(/^contrail (?:experiment|trial) /)
          .first()
          .waitFor();
        const csv = await exported(page, title, "Table (CSV)");
        const rows = csv.trim().split("\r\n");
        assert.ok(rows.length > 1, `${title}: ${csv}`);
        const json = JSON.parse(await exported(page, title, "Table (JSON)"));
        assert.equal(json.length, rows.length - 1, title);
        const png = await exported(page, title, "Picture (PNG)");
        assert.ok(png.slice(1, 4) === "PNG" && png.length > 500, title);
      }
    }
    await closeView(view);
  });

  test("each says what is missing before there is anything", async () => {
    const it = stand();
    const { id } = await exampleSearch(it, { name: "nothing yet", activate: false });
    const view = await signedIn(browser(), it, `/experiments/${id}`);
    const { page } = view;
    for (const [tab, titles] of Object.entries(TABS)) {
      await page.goto(`${it.server.url}/experiments/${id}?tab=${tab}`);
      for (const title of titles) {
        const chart = chartOf(page, title);
        await chart.locator(".state strong").waitFor();
        assert.ok(await chart.getByRole("button", { name: `Export: ${title}` }).isDisabled());
      }
    }
    await it.client.changeExperiment(id, "kill");
    await closeView(view);
  });

  test("a click on a trial in a rung tells why, in the server's words", async () => {
    const it = stand();
    const view = await signedIn(browser(), it, `/experiments/${done.id}?tab=rungs`);
    const { page } = view;
    const chart = chartOf(page, "Rungs and brackets");
    await until("the rungs are drawn", () => inked(chart));
    // The first bar of the first column.
    await chart.locator(".drawing").click({ position: { x: 20, y: 45 } });
    await until("the address names the trial", () => page.url().includes("picked="));
    const number = new URL(page.url()).searchParams.get("picked");
    const [first] = (await it.client.rungs(done.id))[0]?.entries ?? [];
    assert.equal(`${done.id}.${number}`, first?.trial);
    const why = await it.client.why("trial", `${done.id}.${number}`);
    const told = page.getByRole("region", { name: `Why trial ${done.id}.${number} is as it is` });
    for (const { text } of why.reasons) await told.getByText(text).first().waitFor();
    await page.reload();
    await told
      .getByText(why.reasons[0]?.text ?? "")
      .first()
      .waitFor();
    // By keyboard: the table below has each trial as a button.
    const table = page.getByRole("table", { name: "Trials by rung" });
    const other = (await it.client.rungs(done.id))[0]?.entries.at(-1)?.trial ?? "";
    await table.getByRole("button", { name: other, exact: true }).first().press("Enter");
    await page.getByRole("region", { name: `Why trial ${other} is as it is` }).waitFor();
    await closeView(view);
  });

  test("a cut on an axis keeps trials, axes change places, and the address has it all", async () => {
    const it = stand();
    const view = await signedIn(browser(), it, `/experiments/${done.id}?tab=hyperparameters`);
    const { page } = view;
    const chart = chartOf(page, "Parallel coordinates");
    await until("the axes are drawn", () => inked(chart));
    const drawing = chart.locator(".drawing");
    const box = await drawing.boundingBox();
    assert.ok(box);
    // The upper half of the last axis: the better half.
    const x = box.x + box.width - 46;
    await drag(page, [x, box.y + 30], [x, box.y + 184]);
    // How many those are hangs on who was promoted first.
    const sentence = chart.getByText(/^\d+ of \d+ trials over 4 hyperparameters/);
    const said = (await sentence.textContent()) ?? "";
    const [kept = 0, all = 0] = said.split(" of ").map(Number.parseFloat);
    assert.ok(kept > 0 && kept < all, said);
    assert.ok(new URL(page.url()).searchParams.get("cut"));
    await page.reload();
    await chart.getByText(said, { exact: true }).waitFor();
    await chart.getByRole("button", { name: "Move rate to the left" }).click();
    await until("the order is in the address", () => page.url().includes("axes="));
    await chart.getByRole("button", { name: "only where absent" }).click();
    const { items } = await it.client.experimentTrials(done.id, { limit: 100 });
    const adam = items.filter(({ hyperparameters: { optimizer } }) => optimizer === "adam").length;
    await chart.getByRole("button", { name: "Take all cuts away" }).waitFor();
    await page.goto(`${it.server.url}/experiments/${done.id}?tab=hyperparameters`);
    await chart.getByRole("button", { name: "only where absent" }).click();
    await chart.getByText(`${adam} of ${items.length} trials over 4`).waitFor();
    const scatter = page.locator("section.chart").last();
    await scatter.getByLabel("Hyperparameter across").selectOption("rate");
    await scatter.getByText(/rank correlation -?\d/).waitFor();
    await scatter.getByLabel("Figure", { exact: true }).selectOption("last noise");
    await scatter.getByText(/The last noise .* with rate/).waitFor();
    await scatter.getByLabel("Hyperparameter upwards").selectOption("layers");
    await page.getByText(/^The best cell has a middle last noise of/).waitFor();
    await closeView(view);
  });

  test("a brush on the curves keeps the trials that pass there, by their numbers in the address", async () => {
    const it = stand();
    const view = await signedIn(browser(), it, `/experiments/${done.id}?tab=curves`);
    const { page } = view;
    const chart = chartOf(page, "Learning curves");
    await until("the curves are drawn", () => inked(chart));
    const table = page.getByRole("table", { name: "Trials drawn" });
    const all = await table.getByRole("row").count();
    const box = await chart.locator(".drawing").boundingBox();
    assert.ok(box);
    // At the far end only those are left who got there.
    const x = box.x + box.width - 15;
    await drag(page, [x, box.y + 2], [x, box.y + box.height - 34]);
    await until("the address has the kept", () => page.url().includes("keep="));
    const ended = (await it.client.curves(done.id)).items.filter(
      ({ points }) => points.at(-1)?.[0] === 9,
    );
    await until(
      "the table has them alone",
      async () => (await table.getByRole("row").count()) === ended.length + 1,
    );
    await chart.getByRole("button", { name: "All trials again" }).click();
    await until("all are back", async () => (await table.getByRole("row").count()) === all);
    await chart.getByLabel("How many trials").selectOption("5");
    await until("the best five", async () => (await table.getByRole("row").count()) === 6);
    // Pointing at a row points at its line.
    await table.getByRole("row").nth(1).hover();
    await table.locator(".marked").waitFor();
    await closeView(view);
  });

  test("the best so far and the slots change with what they are drawn against", async () => {
    const it = stand();
    const view = await signedIn(browser(), it, `/experiments/${done.id}?tab=time`);
    const { page } = view;
    const best = chartOf(page, "Best so far");
    await best.getByText(`came from trial ${done.best?.trial}`).waitFor();
    await best
      .getByText(/Without early stopping the search would have trained 108 epochs/)
      .waitFor();
    await best.getByText("slot time", { exact: true }).click();
    await until("the address says so", () => page.url().includes("against=slot-hours"));
    const slots = chartOf(page, "Slots over time");
    await slots.getByText(/^2 slots worked \d+ % of/).waitFor();
    const box = await slots.locator(".drawing").boundingBox();
    assert.ok(box);
    await drag(page, [box.x + 200, box.y + 20], [box.x + 500, box.y + 20]);
    await slots.getByRole("button", { name: "Whole time" }).click();
    await until("the whole time is back", () => !page.url().includes("from="));
    await closeView(view);
  });

  test("they follow a running search to its end", async () => {
    const it = stand();
    const { environment, letGo } = held(it);
    const { id } = await spaceSearch(it, { name: "charted live", more: { environment } });
    const view = await signedIn(browser(), it, `/experiments/${id}?tab=rungs`);
    const { page } = view;
    const chart = chartOf(page, "Rungs and brackets");
    await chart.getByText(/on the way/).waitFor();
    await letGo();
    await page.locator(".page-title .badge").getByText("completed").waitFor({ timeout: 180_000 });
    await chart.getByText(/^12 trials reached the first rung: .* trained to the end/).waitFor();
    await page.getByRole("tab", { name: "Time and slots" }).click();
    await chartOf(page, "Slots over time")
      .getByText(/^2 slots worked/)
      .waitFor();
    await closeView(view);
  });

  test("the last values of a metric follow the trials, and are the last ones when they are over", async () => {
    const it = stand();
    const searcher = { name: "random", metric: "loss", max_trials: 2, max_length: { epochs: 200 } };
    const more = { searcher };
    const { id } = await exampleSearch(it, { name: "pointed at", delayMs: 50, more });
    const path = `/experiments/${id}?tab=hyperparameters&figure=metric%3Aloss`;
    await it.trialWhen(`${id}.2`, "reports", ({ best }) => best !== null);
    await it.client.changeExperiment(id, "pause");
    for (const number of [1, 2])
      await it.trialWhen(`${id}.${number}`, "pauses", ({ state }) => state === "paused");
    const view = await signedIn(browser(), it, path);
    const { page } = view;
    const chart = chartOf(page, "One hyperparameter");
    await chart.getByText(/The last loss .* 2 trials/).waitFor();
    const shown = async (): Promise<string[]> => {
      const [, ...rows] = (await exported(page, "One hyperparameter", "Table (CSV)"))
        .trim()
        .split("\r\n");
      return rows.map((row) => String(Number(row.split(",").at(-1))));
    };
    const early = await shown();
    await it.client.changeExperiment(id, "activate");
    await until("a later value is shown", async () => (await shown()).join() !== early.join());
    await it.ended(id);
    const last = await Promise.all(
      [1, 2].map(async (number) => String((await it.series(`${id}.${number}`)).at(-1)?.[1])),
    );
    await until("the last values are shown", async () => (await shown()).join() === last.join());
    await closeView(view);
  });
});

const chartOf = (page: Page, title: string): Locator =>
  page
    .locator("section.chart")
    .filter({ has: page.getByRole("heading", { name: title, exact: true }) });

/** What a choice of the export menu saves. */
async function exported(page: Page, title: string, choice: string): Promise<string> {
  await page.getByRole("button", { name: `Export: ${title}` }).click();
  const saved = page.waitForEvent("download");
  await page.getByRole("menuitem", { name: choice }).click();
  // The next menu is another chart's, and this one takes a moment to go.
  await page.getByRole("menuitem").first().waitFor({ state: "hidden" });
  return await readFile(await (await saved).path(), "latin1");
}

const inked = (chart: Locator): Promise<boolean> =>
  chart
    .locator("canvas")
    .first()
    .evaluate((canvas) => {
      const { width, height } = canvas as HTMLCanvasElement;
      const pen = (canvas as HTMLCanvasElement).getContext("2d");
      return (
        width > 0 && pen?.getImageData(0, 0, width, height).data.some((byte) => byte > 0) === true
      );
    });
