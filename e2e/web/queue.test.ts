/** Slots and queue in a real browser, with trials that really wait and really start in the new order. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Page } from "playwright-core";
import { sharedStand, until } from "../support.ts";
import { isForEverybody } from "./accessibility.ts";
import { closeView, sharedBrowser, signedIn } from "./browser.ts";
import { exampleSearch } from "./searches.ts";

const order = async (page: Page): Promise<number[]> => {
  const names = await page.locator(".queue .queue-name").allTextContents();
  return names.map((name) => Number(name.split(" ")[0]));
};

describe("slots and queue", () => {
  const browser = sharedBrowser();
  const stand = sharedStand({ slots: 1 });

  test("who waits is moved by key, by number and by dragging, and what starts next goes by it", async () => {
    const it = stand();
    // Holds the one slot until it is killed.
    const first = (await exampleSearch(it, { name: "holds the slot", delayMs: 600_000 })).id;
    await it.trialWhen(`${first}.1`, "runs", ({ state }) => state === "running");
    const second = (await exampleSearch(it, { name: "waits second" })).id;
    const third = (await exampleSearch(it, { name: "waits third" })).id;
    const view = await signedIn(browser(), it, "/queue");
    const { page } = view;
    await page
      .getByRole("table", { name: "Slots" })
      .getByRole("link", { name: `${first}.1` })
      .waitFor();
    await until("all three are there", async () => (await order(page)).length === 3);
    assert.deepEqual(await order(page), [first, second, third]);
    await page
      .getByText(/trials? waits?: /)
      .first()
      .waitFor();

    const up = page.getByRole("button", { name: `Move experiment ${third} up` });
    await up.focus();
    await page.keyboard.press("Enter");
    await page.getByText(`contrail experiment update ${third} --priority 41`).waitFor();
    await until(
      "the third goes before the second",
      async () =>
        (await order(page)).join() === [third, first, second].join() ||
        (await order(page)).join() === [first, third, second].join(),
    );
    const [change] = (await it.client.audit({ experiment: third, what: "changed priority" })).items;
    assert.match(change?.cause ?? "", /42 became 41/);

    await page.getByLabel(`Priority of experiment ${third}`).fill("50");
    await page.keyboard.press("Enter");
    await until("it goes last", async () => (await order(page)).at(-1) === third);

    const row = (id: number) =>
      page.getByRole("listitem").filter({ has: page.getByLabel(`Priority of experiment ${id}`) });
    await row(third).dragTo(row(second));
    await until("it goes before the second again", async () => {
      const now = await order(page);
      return now.indexOf(third) < now.indexOf(second);
    });
    assert.equal((await it.client.experiment(third)).priority, 41);
    const update = await it.contrail(["experiment", "update", String(second), "--priority", "60"]);
    assert.equal(update.code, 0, update.stderr);

    await it.client.changeExperiment(first, "kill");
    await it.ended(third);
    await it.ended(second);
    const started = async (id: number): Promise<string> =>
      (await it.client.trial(`${id}.1`)).started_at ?? "";
    assert.ok(
      (await started(third)) < (await started(second)),
      "the one that was moved up began first",
    );
    await page.getByText("Nothing runs and nothing waits").waitFor();
    await closeView(view);
  });

  test("nobody is kept out by how it looks", async () => {
    const it = stand();
    const { id } = await exampleSearch(it, { name: "to look at", activate: false });
    const other = await exampleSearch(it, { name: "another one", activate: false });
    await isForEverybody(browser(), it, "/queue", (page) =>
      page.locator(".queue-row").first().waitFor(),
    );
    for (const one of [id, other.id]) await it.client.changeExperiment(one, "kill");
  });
});
