/** The page of a trial in a real browser: everything that is known of it, live, and what can be done to it. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFile } from "node:fs/promises";
import { describe, test } from "node:test";
import { isDeepStrictEqual } from "node:util";
import type { Page } from "playwright-core";
import { curveSearch, sharedStand, until } from "../support.ts";
import { assertUsable } from "./accessibility.ts";
import { closeView, sharedBrowser, signedIn } from "./browser.ts";
import { exampleSearch, held } from "./searches.ts";

const TABS = ["metrics", "logs", "checkpoints", "code", "configuration", "environment", "events"];

describe("the page of a trial", () => {
  const browser = sharedBrowser();
  const stand = sharedStand({ slots: 2 });

  test("everything that is known of it is there, and the answers of why stand in order", async () => {
    const it = stand();
    const { id } = await exampleSearch(it, { name: "looked into" });
    const ended = await it.ended(id);
    const best = ended.best?.trial as string;
    const view = await signedIn(browser(), it, `/trials/${best}`);
    const { page } = view;
    await page.getByRole("heading", { name: `Trial ${best}` }).waitFor();
    await page.getByText("the best", { exact: true }).waitFor();
    await page.locator(".why-history > li").first().waitFor();
    await until("the page says what the server says", async () => {
      const { reasons } = await it.client.why("trial", best);
      const told = await page.locator(".why-history > li > p").allTextContents();
      return isDeepStrictEqual(
        told,
        reasons.map(({ text }) => text),
      );
    });
    const race = page.locator(".race").first();
    await race.getByText(/rank \d+ of \d+ at rung \d/).click();
    await race.getByRole("list", { name: "Competitors" }).waitFor();
    // The figures under a decision are those that it rested on, not those of a later one.
    for (const text of await page
      .locator(".why-history > li", { has: page.locator(".race") })
      .allTextContents()) {
      const [, rank, of] = /ranked (\d+) of (\d+)/.exec(text) ?? [];
      assert.ok(text.includes(`rank ${rank} of ${of} at rung`), text);
    }
    const parameters = page.getByRole("table", { name: "Hyperparameters" });
    await parameters.getByText("0.01 to 0.5").waitFor();
    const { allocations } = await it.client.trial(best);
    const rows = page.getByRole("table", { name: "Allocations" }).getByRole("row");
    await until("all are there", async () => (await rows.count()) === allocations.length + 1);

    await page.getByRole("tab", { name: "Events" }).click();
    const { items } = await it.client.audit({ trial: best, order: "oldest", limit: 200 });
    await page
      .getByRole("table", { name: "Events" })
      .getByText(items[0]?.what ?? "")
      .first()
      .waitFor();
    const events = page.getByRole("table", { name: "Events" });
    // What becomes of its checkpoints is still decided.
    await until("the page has as many as the log", async () => {
      const { items } = await it.client.audit({ trial: best, limit: 200 });
      return (await events.getAttribute("aria-rowcount")) === String(items.length + 1);
    });

    await page.getByRole("tab", { name: "Code" }).click();
    await page.locator(".numbered").getByText("for await (const step of trial.steps").waitFor();
    const code = await page.locator(".numbered pre").last().textContent();
    assert.equal(
      `${code}\n`,
      await readFile(new URL("../programs/curve.ts", import.meta.url), "utf8"),
    );

    await page.getByRole("tab", { name: "Configuration" }).click();
    await page.getByText('"max_concurrent_trials": 4').waitFor();
    await page.getByRole("tab", { name: "Environment" }).click();
    await page.getByRole("region", { name: "seeds" }).getByText("trial", { exact: true }).waitFor();
    // The way there stands in the address.
    assert.match(page.url(), new RegExp(`/trials/${best}\\?tab=environment$`));
    await page.goBack();
    await page.getByText('"max_concurrent_trials": 4').waitFor();
    await closeView(view);
  });

  test("its record is shown as the command line shows it: what is missing, what does not apply, and every field", async () => {
    const it = stand();
    const code = await it.codeFolder(
      { "package.json": '{"name": "x", "dependencies": {"left-pad": "^1.3.0"}}\n' },
      ["curve.ts"],
    );
    const environment = {
      MARKUP: "<img src=x onerror=document.title='owned'>\u202e",
      MY_SECRET: "hunter2",
    };
    const searcher = { name: "single", max_length: { epochs: 2 } };
    const { id } = await it.submit(curveSearch(searcher, { environment }), code);
    await it.ended(id);
    const trial = `${id}.1`;
    const record = await it.client.trialRecord(trial);
    const view = await signedIn(browser(), it, `/trials/${trial}?tab=environment`);
    const { page } = view;
    const region = (name: string) => page.getByRole("region", { name, exact: true });
    await page.getByText(`${record.items.captured} of ${record.items.applicable} items`).waitFor();
    for (const [name, gaps] of [
      ["Could not be captured", record.missing],
      ["Does not apply", record.not_applicable],
    ] as const) {
      assert.ok(gaps.length > 0, name);
      const list = region(name).locator("dl");
      await list.waitFor();
      assert.deepEqual(
        await list.locator("dt").allTextContents(),
        gaps.map(({ what }) => what),
      );
      assert.deepEqual(
        await list.locator("dd").allTextContents(),
        gaps.map(({ why }) => why),
      );
    }
    const requested = region("packages, as the code asks for them");
    await requested.getByText("npm:left-pad").waitFor();
    await requested.getByText("^1.3.0").waitFor();
    await region("cpu").getByText(String(record.captured.cpu?.model)).waitFor();
    await region("determinism").getByText("CUBLAS_WORKSPACE_CONFIG").waitFor();
    // What is long is folded, and found all the same; foreign text is text.
    const variables = page.getByRole("table", { name: "variables" });
    assert.equal(await variables.count(), 0);
    await page.getByRole("textbox", { name: "Find in the record" }).fill("onerror");
    await region("variables").getByText(environment.MARKUP.replace("\u202e", "\\u202e")).waitFor();
    assert.equal(await page.locator("img[src=x]").count(), 0);
    assert.match(page.url(), /find=onerror/);
    await page.getByRole("textbox", { name: "Find in the record" }).fill("MY_SECRET");
    await region("variables").getByText("(masked)").waitFor();
    await page.getByRole("textbox", { name: "Find in the record" }).fill("no such thing");
    await page.getByText("Nothing in the record has “no such thing”").waitFor();
    await page.getByRole("textbox", { name: "Find in the record" }).fill("");
    await page.getByText("variables", { exact: true }).click();
    const count = Object.keys(record.captured.variables ?? {}).length;
    await variables.waitFor();
    assert.equal(await variables.getAttribute("aria-rowcount"), String(count + 1));
    await page.getByText(`contrail trial show ${trial} --record --all`).waitFor();
    assert.ok(!(await page.content()).includes("hunter2"));
    await closeView(view);
  });

  test("a point of a metric leads to the checkpoint from which one can go on, and its files are had", async () => {
    const it = stand();
    const { id } = await exampleSearch(it, {
      name: "gone on from",
      // All of them stay: which one is nearest to a click is left to chance.
      more: { checkpoint_storage: { save_trial_latest: 100 } },
    });
    const { best } = await it.ended(id);
    assert.ok(best);
    const view = await signedIn(browser(), it, `/trials/${best.trial}?tab=metrics`);
    const { page } = view;
    await page.getByRole("heading", { name: "loss", exact: true }).waitFor();
    const plot = page.locator(".line-chart .u-over").first();
    await until("the canvas has ink", () => inked(page));
    const box = await plot.boundingBox();
    assert.ok(box);
    // Along the line until it is hit, which moves the chart.
    const nearest = page.locator(".nearest");
    const isHit = async (): Promise<boolean> =>
      (await page.getByText("Looking for a checkpoint").isVisible()) || (await nearest.isVisible());
    for (let part = 0.05; part < 1 && !(await isHit()); part += 0.05)
      for (let y = 0.1; y < 1 && !(await isHit()); y += 0.2) {
        await page.mouse.move(box.x + box.width * part, box.y + box.height * y);
        await page.mouse.click(box.x + box.width * part, box.y + box.height * y);
      }
    await nearest.getByRole("link").click();
    await page.getByRole("table", { name: "Files" }).getByText("state.json").waitFor();
    const checkpoint = new URL(page.url()).searchParams.get("checkpoint") as string;
    const { tree } = await it.client.checkpoint(checkpoint);
    const [file] = await Promise.all([
      page.waitForEvent("download"),
      page.getByRole("link", { name: "Download state.json" }).click(),
    ]);
    assert.equal(file.suggestedFilename(), "state.json");
    const [whole] = await Promise.all([
      page.waitForEvent("download"),
      page.getByRole("link", { name: /All \d+ file/ }).click(),
    ]);
    assert.match(whole.suggestedFilename(), /^checkpoint-[0-9a-f]{12}\.tar$/);
    const listed = execFileSync("tar", ["-tf", await whole.path()], { encoding: "utf8" });
    const folder = whole.suggestedFilename().replace(/\.tar$/, "");
    assert.deepEqual(
      listed.trim().split("\n"),
      tree.map(({ path }) => `${folder}/${path}`),
    );
    const inTar = execFileSync("tar", ["-xOf", await whole.path(), `${folder}/state.json`]);
    assert.deepEqual(inTar, await readFile(await file.path()));
    await page.getByRole("button", { name: "Pin", exact: true }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Pin", exact: true }).click();
    await page.getByRole("button", { name: "Unpin" }).waitFor();
    await page.getByRole("table", { name: "Checkpoints" }).getByText("pinned").waitFor();
    // An equal search saved equal content: only what is looked at was pinned.
    const { items } = await it.client.trialCheckpoints(best.trial);
    assert.ok(items.some((one) => one.id === checkpoint && one.pinned));
    // What another does to it is seen, too.
    await it.client.pinCheckpoint(checkpoint, false);
    await page.getByRole("button", { name: "Pin", exact: true }).waitFor();
    await closeView(view);
  });

  test("it is steered from its page while it runs, and the page follows", async () => {
    const it = stand();
    const { id } = await exampleSearch(it, {
      ...{ name: "steered trial", delayMs: 500 },
      more: { searcher: { name: "single", metric: "loss", max_length: { epochs: 500 } } },
    });
    const trial = `${id}.1`;
    await it.trialWhen(trial, "runs", ({ state }) => state === "running");
    const view = await signedIn(browser(), it, `/trials/${trial}`);
    const { page } = view;
    const badge = page.locator(".page-title .badge");
    await badge.getByText("running").waitFor();
    const act = async (label: string, verb: string): Promise<void> => {
      await page.locator(".page-head").getByRole("button", { name: label, exact: true }).click();
      const dialog = page.getByRole("dialog");
      await dialog.getByText(`contrail trial ${verb} ${trial}`).waitFor();
      await dialog.getByRole("button", { name: label, exact: true }).click();
    };
    await act("Pause", "pause");
    await badge.getByText("paused").waitFor();
    await page.locator(".why-history").getByText("Paused by").first().waitFor();
    await act("Go on", "activate");
    await badge.getByText(/queued|starting|running/).waitFor();
    await act("Kill", "kill");
    await badge.getByText("canceled").waitFor();
    assert.equal((await it.client.trial(trial)).end_reason, "killed_by_user");
    await closeView(view);
  });

  test("what becomes of its checkpoints is seen, though the stream of its experiment has ended", async () => {
    const it = stand();
    // Not beyond what is to be pinned: the next one would have it deleted.
    const { environment, letGo } = held(it, 3);
    const { id } = await exampleSearch(it, {
      ...{ name: "kept for a while", delayMs: 200 },
      more: {
        ...{ environment, saveEvery: 3 },
        searcher: { name: "single", metric: "loss", max_length: { epochs: 5_000 } },
        checkpoint_storage: { save_experiment_best: 0, save_trial_best: 0, save_trial_latest: 1 },
      },
    });
    const trial = `${id}.1`;
    const { checkpoint: early } = await it.trialWhen(
      trial,
      "has saved",
      ({ checkpoint }) => checkpoint !== null,
    );
    assert.ok(early);
    await it.client.pinCheckpoint(early.id, true);
    await letGo();
    await it.trialWhen(
      trial,
      "has saved again",
      ({ checkpoint }) => (checkpoint?.step ?? 0) > early.step,
    );
    await it.client.changeExperiment(id, "kill");
    await it.ended(id);
    const view = await signedIn(browser(), it, `/trials/${trial}?tab=events&order=newest`);
    const { page } = view;
    const deleted = `checkpoint at step ${early.step} deleted`;
    await page.getByRole("table", { name: "Events" }).getByRole("row").nth(1).waitFor();
    assert.equal(await page.getByText(deleted).count(), 0);
    await it.client.pinCheckpoint(early.id, false);
    await page.getByText(deleted).waitFor();
    await closeView(view);
  });

  test("there is no such trial, and no such id", async () => {
    const it = stand();
    const { id } = await exampleSearch(it, { name: "without", activate: false });
    const view = await signedIn(browser(), it, `/trials/${id}.999`);
    const { page } = view;
    await page.getByText(`There is no trial ${id}.999`).waitFor();
    await page.goto(`${it.server.url}/trials/%3Cb%3E%E2%80%AE`);
    await page.getByText("“<b>\\u202e” is not the id of a trial").waitFor();
    await it.client.changeExperiment(id, "kill");
    await closeView(view);
  });

  test("every tab is usable for everybody, light or dark, wide or narrow", async () => {
    const it = stand();
    const { id } = await exampleSearch(it, { name: "for everybody" });
    await it.ended(id);
    for (const [scheme, width] of [
      ["light", 1280],
      ["dark", 390],
    ] as const) {
      const view = await signedIn(browser(), it, "/experiments", { scheme, width });
      for (const tab of ["overview", ...TABS]) {
        await view.page.goto(`${it.server.url}/trials/${id}.1?tab=${tab}`);
        await view.page.getByRole("tab", { name: tab, selected: true }).waitFor();
        await view.page.locator("main .state").first().waitFor({ state: "detached" });
        await assertUsable(view.page, `${tab}, ${scheme}, ${width}`);
      }
      await closeView(view);
    }
  });
});

/** Whether anything was drawn on the first chart's canvas. */
const inked = (page: Page): Promise<boolean> =>
  page
    .locator(".line-chart canvas")
    .first()
    .evaluate((canvas) => {
      const { width, height } = canvas as HTMLCanvasElement;
      const context = (canvas as HTMLCanvasElement).getContext("2d");
      return context?.getImageData(0, 0, width, height).data.some((value) => value > 0) === true;
    });
