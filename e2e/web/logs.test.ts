/** The log viewer in a real browser: what programs write is looked at and never obeyed, however much of it there is. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { describe, test } from "node:test";
import type { Page } from "playwright-core";
import { insertLines } from "../../src/store/log-store.ts";
import { withTestDatabase } from "../../src/store/test-database.ts";
import { collect, stand as newStand, sharedStand, until } from "../support.ts";
import { assertUsable } from "./accessibility.ts";
import { closeView, sharedBrowser, signedIn } from "./browser.ts";
import { exampleSearch, held } from "./searches.ts";

const LINES = 1_000_000;
const BATCH = 20_000;
/** Some hundredth of what a million lines are on their way. */
const FETCHED_BYTES_MAX = 4_000_000;

const HOSTILE_VALUE = "<img src=x onerror='globalThis.planted = 3'> \u202egnp.exe";

describe("the log viewer", () => {
  const browser = sharedBrowser();
  const stand = sharedStand({ slots: 2 });

  test("hostile output is inert, coloured by an allow-list, and to be had byte for byte", async () => {
    const it = stand();
    const code = await it.codeFolder({ "<b>odd\u{1f600}.txt": "x\0y" }, ["hostile.ts"]);
    const { id } = await it.submit(
      {
        ...{ name: HOSTILE_VALUE, entrypoint: "node hostile.ts" },
        hyperparameters: { odd: { type: "const", val: HOSTILE_VALUE } },
        searcher: { name: "single", metric: "loss", max_length: { epochs: 3 } },
      },
      code,
    );
    await it.ended(id);
    const trial = `${id}.1`;
    const all = await it.allLogs(trial);
    const view = await signedIn(browser(), it, `/trials/${trial}?tab=logs&follow=no`);
    const { page } = view;
    const log = page.getByRole("region", { name: `Output of trial ${trial}` });
    await log.getByText("<script>globalThis.planted = 1</script>").waitFor();
    assert.equal(await log.locator(".sgr-fg1", { hasText: "red" }).count(), 1);
    await log.getByText("plain \\x1b[2J\\x1b]0;a title\\x07 after").waitFor();
    await log.getByText("\\u202egnp.exe and \\x00 a nul").waitFor();
    await log.getByText("bad \ufffd\ufffd bytes").waitFor();
    await log.getByText("2 earlier states").waitFor();
    assert.equal(await log.locator(".log-row", { hasText: /^.{0,3}100 %/ }).count(), 1);
    // The whole of the long line, over the rows that it came apart into.
    await log
      .getByText(/more characters/)
      .last()
      .click();
    const dialog = page.getByRole("dialog");
    await dialog.getByText(/characters/).waitFor();
    await page.keyboard.press("Escape");
    await dialog.waitFor({ state: "hidden" });
    const [file] = await Promise.all([
      page.waitForEvent("download"),
      page.getByRole("link", { name: "Raw" }).click(),
    ]);
    const bytes = all.flatMap(({ text, bytes: exact, complete }) => [
      exact === undefined ? Buffer.from(text) : Buffer.from(exact, "base64"),
      Buffer.from(complete ? "\n" : ""),
    ]);
    assert.ok(Buffer.concat(bytes).equals(await readFile(await file.path())));
    for (const tab of ["", "metrics", "checkpoints", "code", "environment", "configuration"]) {
      await page.goto(`${it.server.url}/trials/${trial}?tab=${tab}`);
      await page.getByRole("heading", { name: `Trial ${trial}` }).waitFor();
      await page.locator("main .state").first().waitFor({ state: "detached" });
      const text = await page.locator("main").innerText();
      assert.ok(!text.includes("\u202e"), `${tab}: an override of direction is shown`);
      assert.equal(await page.locator("main img, main script, main b > b").count(), 0, tab);
    }
    assert.equal(
      await page.evaluate(() => (globalThis as { planted?: number }).planted),
      undefined,
    );
    await closeView(view);
  });

  test("it follows a running trial over a cut, line by line and none twice; whoever scrolls up stays there", async () => {
    const it = stand();
    const { environment, letGo } = held(it, 2);
    const searcher = { name: "single", metric: "loss", max_length: { epochs: 40 } };
    const { id } = await exampleSearch(it, { name: "talks", more: { environment, searcher } });
    const trial = `${id}.1`;
    const view = await signedIn(
      browser(),
      it,
      `/trials/${trial}?tab=logs&stream=stdout&follow=yes`,
    );
    const { page } = view;
    await page.locator(".log").getByText("step 2", { exact: true }).waitFor();
    const { port } = new URL(it.server.url);
    await it.killServer();
    await page.locator(".connection-away").waitFor();
    await letGo();
    await it.start(Number(port));
    await page.locator(".log").getByText("step 40", { exact: true }).waitFor();
    const shown = (await page.locator(".log-text").allTextContents()).filter((text) =>
      text.startsWith("step "),
    );
    // The rows in sight and around it, in order, each once.
    const numbers = shown.map((text) => Number(text.slice(5)));
    assert.deepEqual(
      numbers,
      numbers.map((_, i) => (numbers[0] as number) + i),
    );
    const rest = view.troubles.filter((text) => !/ERR_|Failed to load resource/.test(text));
    assert.deepEqual(rest, []);
    view.troubles.length = 0;
    await page.goto(`${it.server.url}/trials/${trial}?tab=logs`);
    await page.locator(".log").getByText("step 40", { exact: true }).waitFor();
    await page.locator(".log").hover();
    await page.mouse.wheel(0, -400);
    await page.waitForURL(/follow=no/);
    await assertUsable(page, "logs");
    await closeView(view);
  });

  test("a million lines: any place of them is shown, and searched, without a freeze", async () => {
    await using database = await withTestDatabase({ migrations: null });
    await using it = await newStand({ slots: 1, databaseUrl: database.url });
    const { id } = await exampleSearch(it, {
      name: "a million lines",
      more: { searcher: { name: "single", metric: "loss", max_length: { epochs: 1 } } },
    });
    await it.ended(id);
    const trial = `${id}.1`;
    const before = (await it.allLogs(trial)).length;
    const { rows } = await database.pool.query<{ id: number; position: number }>(
      `select a.id, (select max(position) from logs where experiment_id = a.experiment_id)::float8 as position
       from allocations a where a.experiment_id = $1`,
      [id],
    );
    const [own] = rows;
    assert.ok(own);
    for (let first = 0; first < LINES; first += BATCH)
      await insertLines(
        database.pool,
        Array.from({ length: BATCH }, (_, i) => ({
          ...{ allocation: own.id, experiment: id, rank: 0, stream: "stdout", complete: true },
          ...{ seq: before + first + i + 1, position: own.position + first + i + 1 },
          ...{ atMs: Date.UTC(2026, 0, 31) + first + i },
          bytes: Buffer.from(
            `row ${first + i} ${(first + i) % 250_000 === 777 ? "needle" : "hay"}`,
          ),
        })) as Parameters<typeof insertLines>[1],
      );
    const view = await signedIn(browser(), it, `/trials/${trial}?tab=logs`);
    const { page } = view;
    const log = page.locator(".log");
    await page.getByText(`${(LINES + before).toLocaleString("en-US")} lines`).waitFor();
    await log.getByText(`row ${LINES - 1} hay`).waitFor();
    await watchRows(page);
    // From end to end by the scroll bar, in leaps and in small steps.
    for (const part of [0, 0.25, 0.5, 0.75, 0.123, 1, 0.6]) {
      await log.evaluate((element, to) => {
        element.scrollTop = (element.scrollHeight - element.clientHeight) * to;
      }, part);
      const near = Math.round(part * LINES);
      await until(`a line near ${near} is shown`, async () => {
        const texts = await log.locator(".log-text").allTextContents();
        const shown = texts.map((text) => Number(/^row (\d+)/.exec(text)?.[1]));
        return shown.some((number) => Math.abs(number - near) < 200);
      });
    }
    await log.hover();
    for (let i = 0; i < 20; i++) await page.mouse.wheel(0, 300);
    await assertLittleWork(page);
    await page.getByRole("searchbox", { name: "Search" }).fill("needle");
    await page.keyboard.press("Enter");
    await page.getByText("4 lines match").waitFor();
    assert.deepEqual(await log.locator(".log-text").allTextContents(), [
      ...["row 777 needle", "row 250777 needle", "row 500777 needle", "row 750777 needle"],
    ]);
    // From what matches to the place where it stands, which has an address.
    await page.locator(".log-number").nth(2).click();
    await log.getByText("row 500776 hay").waitFor();
    const line = `1.${500_777 + before + 1}`;
    assert.equal(new URL(page.url()).searchParams.get("line"), line);
    await page.reload();
    await page.locator(`.log-marked[data-line="${line}"]`).getByText("row 500777 needle").waitFor();
    await page.goto(
      `${it.server.url}/trials/${trial}?tab=logs&since=2026-01-31&until=2026-01-31+00:00:00.003`,
    );
    await page.getByText("3 lines match").waitFor();
    // The same as the output of the whole experiment, where a line is found by its position.
    await page.goto(`${it.server.url}/experiments/${id}?tab=logs`);
    const whole = page.getByRole("region", { name: `Output of experiment ${id}` });
    await whole.getByText(`row ${LINES - 1} hay`).waitFor();
    await watchRows(page);
    await whole.evaluate((element) => {
      element.scrollTop = (element.scrollHeight - element.clientHeight) / 2;
    });
    await until("a line of the middle is shown", async () =>
      (await whole.locator(".log-text").allTextContents()).some(
        (text) => Math.abs(Number(/^row (\d+)/.exec(text)?.[1]) - LINES / 2) < 200,
      ),
    );
    await assertLittleWork(page);
    await page.getByRole("searchbox", { name: "Search" }).fill("needle");
    await page.keyboard.press("Enter");
    await page.getByText("4 lines match").waitFor();
    await whole.getByRole("link", { name: trial, exact: true }).nth(2).click();
    await page.locator(`.log-marked[data-line="${line}"]`).getByText("row 500777 needle").waitFor();
    await closeView(view);
  });

  test("all trials of an experiment are followed in one log, and one of them alone", async () => {
    const it = stand();
    const { environment, letGo } = held(it);
    const { id } = await exampleSearch(it, { name: "talk together", more: { environment } });
    const view = await signedIn(browser(), it, `/experiments/${id}?tab=logs&stream=stdout`);
    const { page } = view;
    await page.getByRole("button", { name: "Follow" }).click();
    const log = page.getByRole("region", { name: `Output of experiment ${id}` });
    await log.getByText("step 1", { exact: true }).first().waitFor();
    await page.getByText(`contrail logs ${id} --stream stdout --follow`).waitFor();
    await letGo();
    await it.ended(id);
    await page.getByRole("button", { name: "End" }).waitFor();
    // What came live is what there is: in order, each line once.
    const lines = it.client.logStream({ experiment: id }, { stream: "stdout" });
    const wanted = (await collect(lines)).flat().length;
    await page.getByText(`the last ${wanted} that match, and new ones`).waitFor();
    const numbers = (await log.locator(".log-number").allTextContents()).map(Number);
    assert.deepEqual(
      numbers,
      numbers.toSorted((a, b) => a - b),
    );
    assert.equal(new Set(numbers).size, numbers.length);
    assert.ok(new Set(await log.locator(".log-trial").allTextContents()).size > 1);
    await page.getByRole("searchbox", { name: "Trial" }).fill("2");
    await page.keyboard.press("Enter");
    const own = page.getByRole("region", { name: `Output of trial ${id}.2` });
    await own.getByText("step 1", { exact: true }).first().waitFor();
    await page.getByText(`contrail logs ${id}.2 --stream stdout`).waitFor();
    assert.equal(new URL(page.url()).searchParams.get("trial"), "2");
    await page.getByRole("searchbox", { name: "Trial" }).fill("99");
    await page.keyboard.press("Enter");
    await page.getByText(`Experiment ${id} has no trial “99”`).waitFor();
    await log.waitFor();
    await assertUsable(page, "logs of an experiment");
    await closeView(view);
  });
});

/** Notes the most rows that were there at once. */
const watchRows = (page: Page): Promise<void> =>
  page.locator(".log").evaluate((log) => {
    const state = globalThis as { rowsMost?: number };
    const look = (): void => {
      state.rowsMost = Math.max(state.rowsMost ?? 0, log.querySelectorAll(".log-row").length);
    };
    look();
    new MutationObserver(look).observe(log, { childList: true, subtree: true });
  });

/** What would freeze the page: to draw more than is in sight, or to fetch more than a little of the whole. */
async function assertLittleWork(page: Page): Promise<void> {
  const [rows, bytes] = await page.evaluate(() => [
    (globalThis as { rowsMost?: number }).rowsMost ?? 0,
    (performance.getEntriesByType("resource") as PerformanceResourceTiming[])
      .filter(({ name }) => name.includes("/logs"))
      .reduce((sum, { decodedBodySize }) => sum + decodedBodySize, 0),
  ]);
  assert.ok(rows && rows < 120, `${rows} rows, which is more than what is in sight`);
  assert.ok(bytes && bytes < FETCHED_BYTES_MAX, `${bytes} bytes were fetched`);
}
