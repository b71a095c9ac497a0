/** The tree of ideas in a real browser: runs below what they came from, threads marked, the rest put aside. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ideaTree, originText } from "../../src/analysis/ideas.ts";
import { sharedStand } from "../support.ts";
import { isForEverybody } from "./accessibility.ts";
import { closeView, sharedBrowser, signedIn } from "./browser.ts";
import { exampleSearch } from "./searches.ts";

const HOSTILE = "<img src=x onerror=document.title='owned'>\u202e";
const HOSTILE_SHOWN = HOSTILE.replace("\u202e", "\\u202e");

describe("the tree of ideas", () => {
  const browser = sharedBrowser();
  const stand = sharedStand({ slots: 2 });

  test("stands as the command line draws it; a thread is marked, looked at alone, and what lies on none is put aside", async () => {
    const it = stand();
    const first = (await exampleSearch(it, { name: "first", activate: false })).id;
    const copied = (await exampleSearch(it, { name: HOSTILE, activate: false })).id;
    const { experiment } = await it.client.fork({
      ...{ of: String(first), activate: false },
      set: [{ path: "searcher.max_trials", value: 20 }],
    });
    const fork = experiment?.id ?? assert.fail();
    for (const id of [first, copied, fork]) {
      await it.client.changeExperiment(id, "kill");
      await it.ended(id);
    }
    const view = await signedIn(browser(), it, "/ideas");
    const { page } = view;
    const table = page.getByRole("table", { name: "Ideas" });
    await table.getByText(HOSTILE_SHOWN).waitFor();
    const ideas = await it.client.ideas();
    const drawn = await table.getByRole("row").all();
    const expected = ideaTree(ideas.items);
    assert.equal(drawn.length, expected.length + 1);
    for (const [i, { idea, lines }] of expected.entries()) {
      const text = (await drawn[i + 1]?.textContent()) ?? "";
      assert.ok(text.startsWith(`${lines}${idea.experiment} `), text);
      assert.ok(text.includes(originText(idea) ?? "an idea of its own"), text);
    }
    assert.deepEqual(
      ideas.items.map(({ parent, by }) => [parent, by]),
      [
        [null, null],
        [first, "likeness"],
        [first, "fork"],
      ],
    );
    assert.equal(await page.getByRole("button", { name: /^Put/ }).count(), 0);

    await page.getByRole("button", { name: `Mark experiment ${fork}` }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByLabel("Name of the thread").fill("the wide one");
    await dialog.getByLabel("Why it matters").fill(HOSTILE);
    await dialog.getByText(`contrail ideas mark ${fork} 'the wide one' --note`).waitFor();
    await dialog.getByRole("button", { name: "Mark", exact: true }).click();
    const threads = page.getByRole("region", { name: "Threads" });
    await threads.getByText(HOSTILE_SHOWN).waitFor();
    assert.equal(await table.getByText("★ the wide one").count(), 2);
    const told = await it.contrail(["ideas", "--json"]);
    const [thread] = JSON.parse(told.stdout).threads;
    assert.deepEqual(
      [thread.name, thread.note, thread.experiment],
      ["the wide one", HOSTILE, fork],
    );

    await threads.getByRole("button", { name: "show it alone" }).click();
    await table.getByText(HOSTILE_SHOWN).waitFor({ state: "detached" });
    assert.equal(await table.getByRole("row").count(), 3);
    assert.match(page.url(), new RegExp(`thread=${thread.id}`));
    await page.goBack();
    await table.getByText(HOSTILE_SHOWN).waitFor();
    await isForEverybody(browser(), it, "/ideas", (one) =>
      one.getByRole("table", { name: "Ideas" }).waitFor(),
    );

    await page.getByRole("button", { name: "Put 1 aside" }).click();
    await dialog.getByText(`Ended and on no thread: ${copied}.`).waitFor();
    await dialog.getByText("contrail ideas prune --apply").waitFor();
    await dialog.getByRole("button", { name: "Put 1 aside", exact: true }).click();
    await table.getByText("archived").waitFor();
    const archived = await it.client.experiments({ show: "archived" });
    assert.deepEqual(
      archived.items.map(({ id }) => id),
      [copied],
    );
    await threads.getByRole("button", { name: "Unmark" }).click();
    await dialog.getByText(`contrail ideas unmark ${thread.id}`).waitFor();
    await dialog.getByRole("button", { name: "Unmark", exact: true }).click();
    await page.getByText("No thread is marked.").waitFor();
    assert.deepEqual((await it.client.ideas()).threads, []);

    await page.getByLabel("Filter", { exact: true }).fill("name:first");
    await page.getByRole("button", { name: "Filter", exact: true }).click();
    await page.getByText("contrail ideas name:first").waitFor();
    await table.getByText(HOSTILE_SHOWN).waitFor({ state: "detached" });
    await page.getByLabel("Filter", { exact: true }).fill("name:nobody");
    await page.getByRole("button", { name: "Filter", exact: true }).click();
    await page.getByText("No experiment matches").waitFor();
    assert.equal(await page.locator("img[src=x]").count(), 0);
    assert.notEqual(await page.title(), "owned");
    await closeView(view);
  });
});
