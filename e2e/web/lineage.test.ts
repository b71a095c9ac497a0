/** Where an experiment comes from and what came of it, drawn, in a real browser. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { sharedStand } from "../support.ts";
import { assertUsable } from "./accessibility.ts";
import { closeView, sharedBrowser, signedIn } from "./browser.ts";
import { exampleSearch } from "./searches.ts";

describe("lineage", () => {
  const stand = sharedStand({ slots: 2 });
  const browser = sharedBrowser();

  test("a fork is drawn beside what it came from, each box leads on, and all of it stands there in words", async () => {
    const it = stand();
    const { id } = await exampleSearch(it, { name: "the <b>first</b>", activate: false });
    const { experiment } = await it.client.fork({
      ...{ of: String(id), activate: false },
      set: [{ path: "name", value: "wider" }],
    });
    const fork = experiment?.id ?? assert.fail();
    const view = await signedIn(browser(), it, `/experiments/${fork}?tab=lineage`);
    const { page } = view;
    const drawn = page.getByRole("region", { name: "Lineage" });
    const box = drawn.getByRole("link", { name: `experiment ${id}` });
    await box.waitFor();
    await box.getByText("the <b>first</b>").waitFor();
    assert.equal(await drawn.locator("[aria-current]").count(), 1);
    await drawn.getByText("In words").click();
    await drawn
      .getByRole("list")
      .getByText(`experiment ${id} was forked as experiment ${fork} (other name)`)
      .waitFor();
    await drawn.getByText(`contrail lineage experiment ${fork}`).waitFor();
    await assertUsable(page, "lineage");
    await drawn.getByRole("link", { name: /^code / }).click();
    await page.getByRole("heading", { name: /^Lineage of code / }).waitFor();
    await page.getByRole("link", { name: `experiment ${fork}` }).click();
    await page.getByRole("heading", { name: "wider" }).waitFor();
    await page.goto(`${it.server.url}/trials/${id}.1`);
    await page.getByRole("link", { name: "lineage" }).click();
    await page.getByRole("heading", { name: `Lineage of trial ${id}.1` }).waitFor();
    await page.getByRole("link", { name: `experiment ${id}` }).waitFor();
    await closeView(view);
  });
});
