/** A runner that is not heard, in a real browser: a flag wherever its trials and slots are shown, and no state. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { heldText } from "../../src/cli/figures.ts";
import { sharedStand } from "../support.ts";
import { assertUsable } from "./accessibility.ts";
import { closeView, sharedBrowser, signedIn } from "./browser.ts";
import { exampleSearch } from "./searches.ts";

describe("a silent runner on the page", () => {
  const browser = sharedBrowser();
  const stand = sharedStand({ slots: 2 });

  test("is flagged on trial, list, slots and queue while its process is stopped, and the flag goes when it goes on", async () => {
    const it = stand();
    const { id } = await exampleSearch(it, { name: "under way", delayMs: 600_000 });
    const trial = `${id}.1`;
    await it.trialWhen(trial, "runs", ({ state }) => state === "running");
    const view = await signedIn(browser(), it, `/trials/${trial}`);
    const other = await signedIn(browser(), it, "/queue");
    const flag = view.page.locator(".page-title .badge").filter({ hasText: "silent" });
    await view.page.getByRole("heading", { name: `Trial ${trial}` }).waitFor();
    assert.equal(await flag.count(), 0);
    const runner = it.runnerPid;
    process.kill(runner, "SIGSTOP");
    try {
      await flag.waitFor();
      await view.page.locator(".page-title .badge").getByText("running").waitFor();
      await view.page.getByText(/runner local is not heard since .*presumed to go on/).waitFor();
      await assertUsable(view.page, "a silent trial");

      const { page } = other;
      const runners = page.getByRole("table", { name: "Runners" });
      await runners.locator(".badge").filter({ hasText: "silent" }).waitFor();
      await page.getByRole("table", { name: "Slots" }).getByText("withheld").nth(1).waitFor();
      await page.getByText("2 silent").waitFor();
      await page
        .getByText(/2 slots are held back/)
        .first()
        .waitFor();
      await assertUsable(page, "slots of a silent runner");
      await page.goto(`${it.server.url}/experiments/${id}?tab=trials`);
      const cell = page
        .getByRole("row", { name: trial })
        .locator(".badge")
        .filter({ hasText: "silent" });
      await cell.waitFor();
      // It is seen whole, and not cut off by its column.
      const [right, edge] = await cell.evaluate((badge) => [
        badge.getBoundingClientRect().right,
        badge.parentElement?.getBoundingClientRect().right,
      ]);
      assert.ok((right ?? 0) <= (edge ?? 0), `${right} of ${edge}`);
    } finally {
      process.kill(runner, "SIGCONT");
    }
    await flag.waitFor({ state: "detached" });
    await other.page
      .locator(".badge")
      .filter({ hasText: "silent" })
      .first()
      .waitFor({ state: "detached" });
    await other.page.goto(`${it.server.url}/audit?what=heard+again`);
    const changes = other.page.getByRole("table", { name: "Changes" });
    await changes.getByText("runner local").first().waitFor();
    await it.client.changeExperiment(id, "kill");
    await it.ended(id);
    await closeView(other);
    await closeView(view);
  });

  test("what a fixed order of decisions cost stands on the overview, as the command line says it", async () => {
    const it = stand();
    const { id } = await exampleSearch(it, {
      ...{ name: "in order", delayMs: 40 },
      more: { reproducibility: { experiment_seed: 7, deterministic_search: true } },
    });
    const { spent } = await it.ended(id);
    assert.ok(spent.held);
    const view = await signedIn(browser(), it, `/experiments/${id}`);
    await view.page.getByText("cost of a fixed order").waitFor();
    await view.page.getByText(heldText(spent.held)).waitFor();
    const shown = await it.contrail(["experiment", "show", String(id)]);
    assert.ok(shown.stdout.replace(/\s+/g, " ").includes(heldText(spent.held)), shown.stdout);
    await closeView(view);
  });
});
