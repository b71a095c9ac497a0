/** The table of experiments in a real browser: a hundred thousand of them, and acts on many at once. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { withTestDatabase } from "../../src/store/test-database.ts";
import { stand as ownStand, sharedStand, until } from "../support.ts";
import { assertUsable, isForEverybody } from "./accessibility.ts";
import { closeView, sharedBrowser, signedIn } from "./browser.ts";
import { MANY, manyExperiments } from "./many-experiments.ts";
import { exampleSearch } from "./searches.ts";

describe("the table of experiments", () => {
  const browser = sharedBrowser();
  const stand = sharedStand({ slots: 2 });

  test("acts on exactly the ones that are selected, and names each that refuses", async () => {
    const it = stand();
    const ids: number[] = [];
    for (const name of ["one", "two", "three"])
      ids.push((await exampleSearch(it, { name, activate: false })).id);
    const [one = 0, two = 0, three = 0] = ids;
    const view = await signedIn(browser(), it, "/experiments");
    const { page } = view;
    for (const id of [one, two])
      await page.getByLabel(`Select experiment ${id}`, { exact: true }).check();
    await page.getByText("2 selected").waitFor();
    // Behind the page's back, so that it shows what is not so any more.
    await it.client.changeExperiment(one, "kill");
    await page.getByRole("button", { name: "Go on" }).click();
    const dialog = page.getByRole("dialog");
    await dialog
      .getByText(new RegExp(`contrail experiment activate (${one} ${two}|${two} ${one})$`))
      .waitFor();
    await dialog.getByRole("button", { name: "Go on these 2" }).click();
    await page.getByText("done for 1, refused for 1").waitFor();
    await page.getByText(`${one}: experiment ${one} is canceled`).waitFor();
    assert.equal(
      (await it.client.experiment(three)).state,
      "paused",
      "nothing but what was selected",
    );
    assert.notEqual((await it.client.experiment(two)).state, "paused");
    for (const id of [two, three]) await it.client.changeExperiment(id, "kill");
    await it.ended(two);
    await page.getByLabel("Select experiment").nth(0).waitFor();
    for (const id of [one, two])
      await page.getByLabel(`Select experiment ${id}`, { exact: true }).uncheck();
    await page.getByLabel(`Select experiment ${three}`, { exact: true }).check();
    await page.getByRole("button", { name: "Archive" }).click();
    await dialog.getByText(`contrail experiment archive ${three}`).waitFor();
    await dialog.getByRole("button", { name: "Archive these 1" }).click();
    await page.getByText("Archive: done for 1").waitFor();
    await page.getByRole("link", { name: "three", exact: true }).waitFor({ state: "hidden" });
    await page.getByText("archived", { exact: true }).click();
    await page.getByRole("link", { name: "three", exact: true }).waitFor();
    await page.getByText("contrail experiment list --archived").waitFor();
    // The browser itself writes down that one was refused.
    const rest = view.troubles.filter((text) => !/status of 409/.test(text));
    assert.deepEqual(rest, []);
    view.troubles.length = 0;
    await closeView(view);
  });

  test("labels are put on and taken off exactly the selected ones, and their other labels stay", async () => {
    const it = stand();
    const hostile = "<img src=x onerror=document.title='owned'>\u202e";
    const ids: number[] = [];
    for (const labels of [["old", "kept"], ["old"], ["old", hostile]]) {
      const more = { labels };
      ids.push((await exampleSearch(it, { name: "labelled", activate: false, more })).id);
    }
    const [one = 0, two = 0, three = 0] = ids;
    // One of them is over: those take labels, too.
    await it.client.changeExperiment(one, "kill");
    await it.ended(one);
    const view = await signedIn(browser(), it, "/experiments?filter=name:labelled");
    const { page } = view;
    for (const id of [one, three])
      await page.getByLabel(`Select experiment ${id}`, { exact: true }).check();
    await page.getByRole("button", { name: "Labels" }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByText(new RegExp(`^${three}, ${one}$`)).waitFor();
    await dialog.getByLabel("Put on").fill("worth a look");
    await page.keyboard.press("Enter");
    await dialog.getByRole("checkbox", { name: hostile.replace("\u202e", "\\u202e") }).waitFor();
    await assertUsable(page, "the dialog of labels");
    await dialog.getByRole("checkbox", { name: "old" }).check();
    await dialog
      .getByText(
        `contrail experiment update ${three} ${one} --add-label 'worth a look' --remove-label old`,
      )
      .waitFor();
    await dialog.getByRole("button", { name: "Change these 2" }).click();
    await page.getByText("Labels: done for 2").waitFor();
    await page.getByRole("table").getByText("worth a look").nth(1).waitFor();
    const labels = async (id: number): Promise<readonly string[]> =>
      (await it.client.experiment(id)).labels;
    assert.deepEqual(await labels(one), ["kept", "worth a look"]);
    assert.deepEqual(await labels(two), ["old"]);
    assert.deepEqual(await labels(three), [hostile, "worth a look"]);
    // Somebody else's words for the same: the page, which is still open, hears of it.
    const ran = await it.contrail([
      "experiment",
      "update",
      String(one),
      String(two),
      "--add-label",
      "by hand",
    ]);
    assert.equal(ran.code, 0, ran.stderr);
    await page.getByRole("table").getByText("by hand").nth(1).waitFor();
    assert.equal(await page.locator("img[src=x]").count(), 0);
    for (const id of [two, three]) await it.client.changeExperiment(id, "kill");
    await closeView(view);
  });

  test("the filter says what is wrong while one writes, and the view is in the address", async () => {
    const it = stand();
    const view = await signedIn(browser(), it, "/experiments");
    const { page } = view;
    const field = page.getByLabel("Filter", { exact: true });
    await field.fill("sate:paused best>x");
    await page.getByText(/column 1: There is no field "sate". Did you mean state\?/).waitFor();
    await page.getByText(/column 13: best is compared with a number/).waitFor();
    assert.ok(await page.getByRole("button", { name: "Filter", exact: true }).isDisabled());
    await field.fill("state:canceled name:one");
    await field.press("Enter");
    await page.getByRole("status").getByText("1 shown", { exact: true }).waitFor();
    await page.getByRole("button", { name: "Columns" }).click();
    await page.getByRole("checkbox", { name: "priority" }).check();
    await page.getByRole("columnheader", { name: "priority" }).waitFor();
    const { searchParams } = new URL(page.url());
    assert.equal(searchParams.get("filter"), "state:canceled name:one");
    assert.match(searchParams.get("columns") ?? "", /priority/);
    await page.getByText("contrail experiment list --filter 'state:canceled name:one'").waitFor();
    await page.reload();
    await page.getByRole("columnheader", { name: "priority" }).waitFor();
    await page.getByRole("link", { name: "one", exact: true }).waitFor();
    assert.equal(await page.getByRole("link", { name: "two", exact: true }).count(), 0);
    const printed = await it.contrail(["e", "ls", "--filter", "state:canceled name:one", "--json"]);
    assert.deepEqual(
      JSON.parse(printed.stdout).items.map(({ name }: { name: string }) => name),
      ["one"],
    );
    const wrong = await it.contrail(["e", "ls", "--filter", "sate:x"]);
    assert.notEqual(wrong.code, 0);
    assert.match(wrong.stderr, /Did you mean state\?/);
    await closeView(view);
  });

  test("name, labels and notes are changed from the page, and stand in the log", async () => {
    const it = stand();
    const { id } = await exampleSearch(it, { name: "to be renamed", activate: false });
    const view = await signedIn(browser(), it, `/experiments/${id}?tab=about`);
    const { page } = view;
    await page.getByLabel("Name", { exact: true }).fill("renamed");
    await page.getByRole("textbox", { name: "Notes" }).fill("worth a second look");
    await page
      .getByText(`contrail experiment update ${id} --name renamed --notes 'worth a second look'`)
      .waitFor();
    await page.getByRole("button", { name: "Save" }).click();
    await page.getByText("Saved.").waitFor();
    await page.getByRole("heading", { name: `${id} renamed` }).waitFor();
    assert.equal((await it.client.experiment(id)).notes, "worth a second look");
    const { items } = await it.client.audit({ experiment: id, what: "changed" });
    assert.deepEqual(items.map(({ what }) => what).sort(), ["changed name", "changed notes"]);
    await it.client.changeExperiment(id, "kill");
    await closeView(view);
  });

  test("what others say of an experiment while one writes stays, and what they say afterwards is shown", async () => {
    const it = stand();
    const { id } = await exampleSearch(it, { name: "said by two", activate: false });
    const view = await signedIn(browser(), it, `/experiments/${id}?tab=about`);
    const { page } = view;
    const said = page.getByRole("region", { name: "Notes" });
    await said.getByLabel("Labels").fill("mine");
    await page.keyboard.press("Enter");
    await page.getByText(`contrail experiment update ${id} --add-label mine`).waitFor();
    await it.client.updateExperiment(id, { add_labels: ["theirs"] });
    await said.getByText("theirs").waitFor();
    await page.getByRole("button", { name: "Save" }).click();
    await page.getByText("Saved.").waitFor();
    const { labels } = await it.client.experiment(id);
    assert.deepEqual(labels, ["example", "theirs", "mine"]);
    await it.client.updateExperiment(id, { notes: "theirs, too" });
    const notes = said.getByRole("textbox", { name: "Notes" });
    await until("their notes are shown", async () => (await notes.inputValue()) === "theirs, too");
    await it.client.changeExperiment(id, "kill");
    await closeView(view);
  });

  test("nobody is kept out by how it looks", async () => {
    await isForEverybody(
      browser(),
      stand(),
      "/experiments?columns=id,name,state,best,priority,notes",
    );
  });

  test("a hundred thousand are listed, filtered, sorted and scrolled", async () => {
    await using database = await withTestDatabase({ migrations: null });
    await using it = await ownStand({ slots: 2, databaseUrl: database.url });
    const { id } = await exampleSearch(it, { name: "the first of many" });
    await it.ended(id);
    await manyExperiments(database.pool, id);
    const view = await signedIn(browser(), it, "/experiments");
    const { page } = view;
    const table = page.getByRole("table", { name: "Experiments" });
    await table.getByText(String(id + MANY), { exact: true }).waitFor();
    const rowsInPage = await table.getByRole("row").count();
    assert.ok(rowsInPage < 100, `${rowsInPage} rows are in the document`);
    // Down and down: pages come as the end is neared.
    await until("a thousand rows were fetched", async () => {
      await table.evaluate((element) => element.scrollTo(0, element.scrollHeight));
      return Number(await table.getAttribute("aria-rowcount")) > 1000;
    });
    assert.ok((await table.getByRole("row").count()) < 100);
    await page.getByRole("columnheader", { name: "best" }).getByRole("button").click();
    await page
      .getByRole("columnheader", { name: "best" })
      .and(page.locator('[aria-sort="ascending"]'))
      .waitFor();
    const [least] = (await it.client.experiments({ sort: "best", limit: 1 })).items;
    await table.getByText(String(least?.id), { exact: true }).waitFor();
    await page.getByLabel("Filter", { exact: true }).fill("label:batch-7 state:error best>0.5");
    await page.getByRole("button", { name: "Filter", exact: true }).click();
    const fits = (
      await it.client.experiments({ filter: "label:batch-7 state:error best>0.5", limit: 1000 })
    ).items;
    assert.ok(fits.length > 100 && fits.length < 400, `${fits.length}`);
    await until("all that fit are shown", async () => {
      await table.evaluate((element) => element.scrollTo(0, element.scrollHeight));
      return Number(await table.getAttribute("aria-rowcount")) === fits.length + 1;
    });
    await closeView(view);
  });
});
