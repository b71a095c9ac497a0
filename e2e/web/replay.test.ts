/** Verdicts in a real browser: from the button that runs a trial again to the word that says what came of it. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { describe, test } from "node:test";
import type { Page } from "playwright-core";
import type { Experiment } from "../../src/protocol/api.ts";
import { curveSearch, type Stand, sharedStand } from "../support.ts";
import { assertUsable } from "./accessibility.ts";
import { closeView, sharedBrowser, signedIn } from "./browser.ts";

const HOSTILE_FILE = "<img src=x onerror=document.title='owned'>\u202e.npy";
const HOSTILE_SHOWN = HOSTILE_FILE.replace("\u202e", "\\u202e");

const single = { name: "single", max_length: { epochs: 3 } };

/** Its weights part from step 2 on whenever it is run again, and their file has a name that means harm. */
async function driftingRun(it: Stand): Promise<Experiment> {
  const source = await readFile(new URL("../programs/drift.ts", import.meta.url), "utf8");
  const code = await it.codeFolder({
    "drift.ts": source.replaceAll('"weights.npy"', JSON.stringify(HOSTILE_FILE)),
  });
  const made = await it.submit(
    {
      ...{ name: "adrift", entrypoint: "node drift.ts" },
      hyperparameters: { drifts_from: 2 },
      searcher: { ...single, metric: "loss" },
      checkpoint_storage: { save_trial_latest: 9 },
    },
    code,
  );
  return await it.ended(made.id);
}

async function pressReplay(page: Page, trial: string): Promise<void> {
  await page.locator(".page-head").getByRole("button", { name: "Replay", exact: true }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByText(`contrail replay ${trial}`).waitFor();
  await dialog.getByRole("button", { name: "Replay", exact: true }).click();
}

describe("a replay from the page", () => {
  const browser = sharedBrowser();
  const stand = sharedStand({ slots: 2 });

  test("ends with the badge “identical” on the replay, on the trial that somebody looks at, and in every list", async () => {
    const it = stand();
    const code = await it.codeFolder({}, ["curve.ts"]);
    const { id } = await it.submit(curveSearch(single, { name: "run again" }), code);
    await it.ended(id);
    const trial = `${id}.1`;
    const view = await signedIn(browser(), it, `/trials/${trial}`);
    const { page } = view;
    const verdicts = page.getByRole("region", { name: "Verdicts" });
    await verdicts.getByText("Not yet").waitFor();
    const other = await signedIn(browser(), it, `/trials/${trial}`);
    await other.page.getByRole("heading", { name: `Trial ${trial}` }).waitFor();

    await pressReplay(page, trial);
    await page.waitForURL(/\/experiments\/\d+$/);
    const replay = Number(new URL(page.url()).pathname.split("/").at(-1));
    assert.notEqual(replay, id);
    const badge = (of: Page) => of.locator(".page-title .badge").filter({ hasText: "identical" });
    await badge(page).waitFor();
    // Who had the trial open sees it without asking again.
    await badge(other.page).waitFor();
    const list = other.page.getByRole("list", { name: "Verdicts, the newest first" });
    await list.getByRole("link", { name: `experiment ${replay}` }).waitFor();
    const [verdict] = await it.client.verdicts(trial);
    assert.equal(verdict?.state, "identical");
    await list.getByText(verdict?.text ?? "").waitFor();
    await assertUsable(other.page, "a trial with a verdict");

    await page.getByRole("link", { name: trial }).first().click();
    await page.getByRole("heading", { name: `Trial ${trial}` }).waitFor();
    await badge(page).waitFor();
    for (const path of [`/experiments/${id}?tab=trials`, "/experiments?filter=verdict:identical"]) {
      await page.goto(`${it.server.url}${path}`);
      await page.getByRole("table").getByText("identical").first().waitFor();
    }
    await closeView(other);
    await closeView(view);
  });

  test("that differs names step, tensor and file, all of it inert; what cannot be compared says why where it was asked", async () => {
    const it = stand();
    const { id } = await driftingRun(it);
    const trial = `${id}.1`;
    const { experiment } = await it.client.replay(trial);
    await it.ended(experiment?.id ?? assert.fail());
    await it.trialWhen(trial, "is judged", ({ verdict }) => verdict !== null);
    const view = await signedIn(browser(), it, `/trials/${trial}`);
    const { page } = view;
    const verdicts = page.getByRole("region", { name: "Verdicts" });
    await verdicts.getByText(/^from step 2, /).waitFor();
    assert.ok((await verdicts.textContent())?.includes(HOSTILE_SHOWN));
    const badge = page.locator(".page-title .badge").filter({ hasText: "differs" });
    assert.ok((await badge.getAttribute("title"))?.includes(HOSTILE_SHOWN));
    for (const path of [
      `/experiments/${id}?tab=trials`,
      `/experiments/${id}?tab=lineage`,
      `/experiments/${experiment?.id}`,
      `/trials/${trial}?tab=events`,
      "/audit?what=verdict",
    ]) {
      await page.goto(`${it.server.url}${path}`);
      // What is looked for below could stand where the verdict does.
      await page
        .locator("main")
        .getByText(/differs/)
        .first()
        .waitFor();
      await page.getByText(" …").first().waitFor({ state: "hidden" });
      assert.equal(await page.locator("img[src=x]").count(), 0, path);
      assert.notEqual(await page.title(), "owned", path);
      assert.ok(!(await page.locator("main").innerText()).includes("\u202e"), path);
    }

    const silent = await it.submit({ name: "silent", entrypoint: "true", searcher: single });
    await it.ended(silent.id);
    await page.goto(`${it.server.url}/trials/${silent.id}.1`);
    await page.getByRole("heading", { name: `Trial ${silent.id}.1` }).waitFor();
    await pressReplay(page, `${silent.id}.1`);
    await page
      .getByRole("alert")
      .getByText(/^It is not comparable: /)
      .waitFor();
    await page.locator(".page-title .badge").filter({ hasText: "not comparable" }).waitFor();

    await page.goto(`${it.server.url}/experiments`);
    await page.getByLabel("Filter", { exact: true }).fill("verdict:differs,not_comparable");
    await page.getByRole("button", { name: "Filter", exact: true }).click();
    const { items } = await it.client.experiments({ filter: "verdict:differs,not_comparable" });
    assert.ok(items.length >= 2);
    await page.getByRole("status").getByText(`${items.length} shown`, { exact: true }).waitFor();
    const table = page.getByRole("table", { name: "Experiments" });
    assert.equal(await table.getByText("identical").count(), 0);
    await table.getByText("not comparable").waitFor();
    await closeView(view);
  });
});
