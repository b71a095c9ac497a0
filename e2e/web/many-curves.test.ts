/**
 * A thousand trials of 500 points each on one chart: all are there, and whoever points at one is told which it is, at the
 * cost of that one. How long that takes is a figure of the benchmark (`npm run bench -- web`); here stands what is done.
 */
import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import type { Locator } from "playwright-core";
import { withDatabase } from "../../bench/database.ts";
import { lossOf, manyCurves } from "../../bench/web/many-curves.ts";
import { drawnOn, watchDrawing } from "../../bench/web/watch.ts";
import { sharedStand, until } from "../support.ts";
import { assertUsable } from "./accessibility.ts";
import { closeView, drag, sharedBrowser, signedIn } from "./browser.ts";
import { exampleSearch } from "./searches.ts";

const TRIALS = 1_000;
const POINTS = 500;

describe("a thousand curves", () => {
  const browser = sharedBrowser();
  const stand = sharedStand({ slots: 1 });
  let experiment = 0;
  before(async () => {
    const it = stand();
    const searcher = { name: "single", metric: "loss", max_length: { epochs: 1 } };
    const { id } = await exampleSearch(it, { name: "a thousand", more: { searcher } });
    await it.ended(id);
    experiment = id;
    await withDatabase(it.dataDir, (client) =>
      manyCurves(client, { experiment, trials: TRIALS, points: POINTS, metric: "loss" }),
    );
  });

  test("all are drawn, and pointing at one draws that one", async () => {
    const it = stand();
    const view = await signedIn(browser(), it, "/experiments");
    const { page } = view;
    await watchDrawing(page, { strokesMin: TRIALS, countPoints: true });
    await page.goto(`${it.server.url}/experiments/${experiment}?tab=curves`);
    const best = lossOf(1, POINTS).toPrecision(5).replace(/0+$/, "");
    await page
      .getByText(`The lowest loss on these curves is ${best}, by trial ${experiment}.1 after 500`)
      .waitFor();
    await page.getByText("1,000 trials drawn, the longest 500 epochs long").waitFor();
    await page.getByText("994 others", { exact: true }).waitFor();
    await until("the picture is there", async () => (await drawnOn(page)).shownMs > 0);
    const first = await drawnOn(page);
    assert.ok(first.strokes >= TRIALS, `${first.strokes} strokes for ${TRIALS} curves`);
    const chart = page.locator(".drawing").first();
    const box = await chart.boundingBox();
    assert.ok(box);
    // From top to bottom through the crowd: who is told is lower and lower, and each told what it reported.
    let above = TRIALS + 1;
    for (let y = box.y + 130; y < box.y + 250; y += 20) {
      const before = await drawnOn(page);
      await page.mouse.move(box.x + box.width / 2, y);
      const { trial, value, step } = await told(chart);
      assert.ok(trial < above, `${trial} lies above ${above}`);
      above = trial;
      assert.ok(Math.abs(value / lossOf(trial, step) - 1) < 1e-4, `trial ${trial} at ${step}`);
      const after = await drawnOn(page);
      assert.equal(after.strokes - before.strokes, 1, "one line is drawn, not the picture");
      assert.ok(after.points - before.points <= POINTS, `${after.points - before.points} points`);
    }
    await page.mouse.move(box.x + 200, box.y + 200);
    assert.ok(await isMarkedNear(chart, [200, 200]), "the line under the pointer stands out");
    await closeView(view);
  });

  test("what is kept, zoomed in on and clicked is what lies there", async () => {
    const it = stand();
    const view = await signedIn(browser(), it, `/experiments/${experiment}?tab=curves`);
    const { page } = view;
    const chart = page.locator(".drawing").first();
    await page.getByText("994 others", { exact: true }).waitFor();
    const box = await chart.boundingBox();
    assert.ok(box);
    const at = box.x + box.width / 2;
    const numbers: number[] = [];
    for (const y of [box.y + 100, box.y + 160]) {
      await page.mouse.move(at, y);
      numbers.push((await told(chart)).trial);
    }
    await page.mouse.down();
    await page.mouse.move(at, box.y + 130, { steps: 3 });
    await page.mouse.move(at, box.y + 100, { steps: 3 });
    await page.mouse.up();
    await until("the address has the kept", () => page.url().includes("keep="));
    const [from = 0, to = 0] = (new URL(page.url()).searchParams.get("keep") ?? "")
      .split("-")
      .map(Number);
    // A pixel is worth some ten trials here.
    assert.ok(Math.abs(from - (numbers[1] ?? 0)) < 20, `${from} for ${numbers[1]}`);
    assert.ok(Math.abs(to - (numbers[0] ?? 0)) < 20, `${to} for ${numbers[0]}`);
    await page.getByText(`${(to - from + 1).toLocaleString("en-US")} trials drawn`).waitFor();
    await drag(page, [box.x + 200, box.y + 150], [box.x + 400, box.y + 150]);
    await until("the address has the steps", () => page.url().includes("steps="));
    await page.getByRole("button", { name: "Whole length" }).waitFor();
    await page.reload();
    await page.getByRole("button", { name: "Whole length" }).waitFor();
    await page.mouse.move(at, box.y + 100);
    const { trial } = await told(chart);
    assert.ok(trial >= from && trial <= to);
    await page.mouse.click(at, box.y + 100);
    await page.getByRole("heading", { name: `Trial ${experiment}.${trial}` }).waitFor();
    await closeView(view);
  });

  test("it is usable for everybody", async () => {
    const it = stand();
    for (const [scheme, width] of [
      ["light", 1280],
      ["dark", 390],
    ] as const) {
      const path = `/experiments/${experiment}?tab=curves`;
      const view = await signedIn(browser(), it, path, { scheme, width });
      await view.page.getByText("994 others", { exact: true }).waitFor();
      await assertUsable(view.page, `${path} ${scheme} ${width}`);
      await closeView(view);
    }
  });
});

/** What stands in the box beside the pointer. */
async function told(chart: Locator): Promise<{ trial: number; value: number; step: number }> {
  const box = chart.locator(".chart-hover");
  await box.waitFor();
  const text = (await box.textContent()) ?? "";
  const [, trial, value, step] = /^trial \d+\.(\d+) +([\d.]+) at epochs (\d+)$/.exec(text) ?? [];
  assert.ok(trial && value && step, text);
  return { trial: Number(trial), value: Number(value), step: Number(step) };
}

/** Whether the canvas above has a line that is not only the veil, within a few pixels. */
const isMarkedNear = (chart: Locator, [x, y]: readonly [number, number]): Promise<boolean> =>
  chart.locator("div > canvas").evaluate(
    (canvas, [px, py]) => {
      const pen = (canvas as HTMLCanvasElement).getContext("2d");
      const { data } = pen?.getImageData((px as number) - 2, (py as number) - 24, 4, 48) ?? {};
      return data?.some((byte, i) => i % 4 === 3 && byte > 200) === true;
    },
    [x, y],
  );
