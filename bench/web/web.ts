/**
 * The page in a real browser on the real server: what a first visit sends, when something is seen, how long a picture of
 * 200 curves takes, and how it bears a thousand. Each load is in a fresh profile, so nothing comes out of a cache.
 */
import { existsSync } from "node:fs";
import type { Browser, BrowserContext, Page } from "playwright-core";
import { buildPage, pageIsStale } from "../../src/cli/page-stamp.ts";
import { type Bench, figure, type Measure, until } from "../bench.ts";
import { withDatabase } from "../database.ts";
import { type Figure, quantileOf, quartiles } from "../figure.ts";
import { untilOver } from "../orchestration.ts";
import { StubRunner } from "../stub-runner.ts";
import { createExperiment, type StubSubject, stubServer } from "../subjects.ts";
import { number } from "../table.ts";
import { CHROMIUM, launch } from "./chromium.ts";
import { manyCurves } from "./many-curves.ts";
import { drawnOn, watchDrawing } from "./watch.ts";

const POINTS = 500;
const FEW = 200;
const MANY = 1_000;
const BYTES_AIM = 400_000;
const WAIT_MS = 60_000;

interface Stage {
  readonly subject: StubSubject;
  readonly browser: Browser;
}

const loadsOf = ({ quick }: Bench): number => (quick ? 3 : 9);

export const web: Measure = {
  name: "web",
  title: "the web page in Chromium",
  async run(bench) {
    if (!existsSync(CHROMIUM))
      throw new Error(`there is no ${CHROMIUM}; install it with: apt-get install chromium`);
    const trouble = pageIsStale() ? await buildPage() : undefined;
    if (trouble !== undefined) throw new Error(`the page cannot be built: ${trouble}`);
    const subject = await stubServer(bench, { slots: 1, label: "web" });
    const browser = await launch();
    try {
      const few = await curves(bench, subject, FEW);
      const many = await curves(bench, subject, MANY);
      const stage = { subject, browser };
      return [
        ...(await firstLoad(bench, stage)),
        await drawing(bench, stage, few),
        ...(await crowd(bench, stage, many)),
      ];
    } finally {
      await browser.close();
      await subject.stop();
    }
  },
};

/** @returns the number of an experiment that is over, with so many trials */
async function curves(bench: Bench, subject: StubSubject, trials: number): Promise<number> {
  bench.say(`storing ${number(trials * POINTS)} points`);
  const name = `${trials} curves`;
  const experiment = await createExperiment(subject.client, { name, trials: 1, steps: 1 });
  const runner = new StubRunner(subject.wire(), (allocation) => {
    allocation.started();
    allocation.report(1, { loss: 1 });
    allocation.exited();
  });
  await untilOver(bench, subject.client, experiment);
  runner.stop();
  await withDatabase(subject.dataDir, (client) =>
    manyCurves(client, { experiment, trials, points: POINTS, metric: "loss" }),
  );
  return experiment;
}

/** In a fresh profile that is signed in already: the cookie is the session's. */
async function fresh(
  { client, url }: StubSubject,
  browser: Browser,
): Promise<{ readonly context: BrowserContext; readonly page: Page }> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 860 } });
  const page = await context.newPage();
  page.setDefaultTimeout(WAIT_MS);
  const { one_time_token: token } = await client.signInLink();
  await page.goto(`${url}/sign-in#${token}`);
  await page.getByRole("heading", { name: "Experiments" }).waitFor();
  const cookies = await context.cookies();
  await context.close();
  const own = await browser.newContext({ viewport: { width: 1280, height: 860 } });
  await own.addCookies(cookies);
  const opened = await own.newPage();
  opened.setDefaultTimeout(WAIT_MS);
  return { context: own, page: opened };
}

async function firstLoad(bench: Bench, { subject, browser }: Stage): Promise<Figure[]> {
  const loads = loadsOf(bench);
  const sent: number[] = [];
  const paints: number[] = [];
  let scripts = 0;
  for (let i = 0; i < loads; i++) {
    const { context, page } = await fresh(subject, browser);
    const debug = await context.newCDPSession(page);
    const assets = new Set<string>();
    let [all, own] = [0, 0];
    await debug.send("Network.enable");
    debug.on("Network.responseReceived", ({ requestId, response }) => {
      if (new URL(response.url).pathname.startsWith("/assets/")) assets.add(requestId);
    });
    debug.on("Network.loadingFinished", ({ requestId, encodedDataLength }) => {
      all += encodedDataLength;
      if (assets.has(requestId)) own += encodedDataLength;
    });
    await page.goto(`${subject.url}/experiments`);
    await page.locator(".connection-live").waitFor();
    await page.getByRole("row").nth(1).waitFor();
    paints.push(
      await page.evaluate<number>(
        "performance.getEntriesByName('first-contentful-paint')[0].startTime",
      ),
    );
    sent.push(all);
    scripts = own;
    await context.close();
  }
  return [
    figure({
      measure: "web",
      what: "sent on first load, experiments",
      unit: "kB",
      value: quartiles(sent.map((bytes) => bytes / 1000)),
      aim: `< ${BYTES_AIM / 1000} kB`,
      met: Math.max(...sent) < BYTES_AIM,
      note: `as they go over the wire, headers included; ${number(scripts / 1000)} kB of it scripts and styles`,
    }),
    figure({
      measure: "web",
      what: "first paint, experiments",
      unit: "ms",
      value: quartiles(paints),
      aim: "< 1.5 s",
      met: quantileOf(paints, 0.5) < 1500,
      note: `Chromium's first contentful paint in a fresh profile, ${loads} loads`,
    }),
  ];
}

/** Another scale draws everything anew. */
async function drawing(bench: Bench, { subject, browser }: Stage, id: number): Promise<Figure> {
  const times = bench.quick ? 6 : 20;
  const { context, page } = await fresh(subject, browser);
  await watchDrawing(page, { strokesMin: FEW });
  await page.goto(`${subject.url}/experiments/${id}?tab=curves`);
  await page.getByText(`${FEW} trials drawn`).waitFor();
  for (let i = 0; i < times; i++) {
    await page.getByText(i % 2 === 0 ? "log" : "linear", { exact: true }).click();
    await until(
      bench,
      "the picture is drawn",
      async () => (await drawnOn(page)).redrawnMs.length > i,
    );
  }
  const { redrawnMs } = await drawnOn(page);
  await context.close();
  return figure({
    measure: "web",
    what: `drawing ${FEW} curves x ${POINTS} points`,
    unit: "ms",
    value: quartiles(redrawnMs),
    aim: "< 100 ms",
    met: quantileOf(redrawnMs, 0.5) < 100,
    note: "from a click on the other scale to the frame that has it, the canvas read back",
  });
}

async function crowd(bench: Bench, { subject, browser }: Stage, id: number): Promise<Figure[]> {
  const loads = loadsOf(bench);
  const shown: number[] = [];
  const paints: number[] = [];
  let hovered: readonly number[] = [];
  for (let i = 0; i < loads; i++) {
    const { context, page } = await fresh(subject, browser);
    await watchDrawing(page, { strokesMin: MANY });
    await page.goto(`${subject.url}/experiments/${id}?tab=curves`);
    await page.getByText(`${number(MANY)} trials drawn`).waitFor();
    await until(bench, "the curves are drawn", async () => (await drawnOn(page)).shownMs > 0);
    shown.push((await drawnOn(page)).shownMs);
    paints.push(
      await page.evaluate<number>(
        "performance.getEntriesByName('first-contentful-paint')[0].startTime",
      ),
    );
    if (i === loads - 1) hovered = await hover(bench, page);
    await context.close();
  }
  const p95 = quantileOf(hovered, 0.95);
  return [
    figure({
      measure: "web",
      what: `first paint, ${number(MANY)} trials x ${POINTS} points`,
      unit: "ms",
      value: quartiles(paints),
      aim: "< 1.5 s",
      met: quantileOf(paints, 0.5) < 1500,
    }),
    figure({
      measure: "web",
      what: `until all ${number(MANY)} curves are drawn`,
      unit: "ms",
      value: quartiles(shown),
      aim: "< 1.5 s",
      met: quantileOf(shown, 0.5) < 1500,
      note: "from the navigation in a fresh profile to the frame that has them, the canvas read back",
    }),
    figure({
      measure: "web",
      what: `pointing at one of ${number(MANY)} curves`,
      unit: "ms",
      value: quartiles(hovered),
      aim: "p95 < 100 ms",
      met: p95 < 100,
      note: `p95 ${number(p95)} ms, from the movement to the frame that answers it`,
    }),
  ];
}

async function hover(bench: Bench, page: Page): Promise<readonly number[]> {
  const box = await page.locator(".drawing").first().boundingBox();
  if (!box) throw new Error("the curves are not on the page");
  for (let i = 0; i < 60; i++) {
    await page.mouse.move(
      box.x + 80 + ((i * 97) % (box.width - 160)),
      box.y + 20 + ((i * 61) % (box.height - 80)),
    );
    await until(bench, "it answers", async () => (await drawnOn(page)).hoveredMs.length > i);
  }
  return (await drawnOn(page)).hoveredMs;
}
