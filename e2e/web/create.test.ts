/** A new experiment from the page: written with mistakes, corrected, with code from a folder, and begun from another one. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Locator, Page } from "playwright-core";
import { curveSearch, type Stand, sharedStand, until } from "../support.ts";
import { assertUsable, isForEverybody } from "./accessibility.ts";
import { closeView, sharedBrowser, signedIn } from "./browser.ts";
import { exampleSearch } from "./searches.ts";

const FINE = `name: written here
entrypoint: node curve.ts
hyperparameters:
  rate: {type: double, minval: 0.01, maxval: 0.5}
  delay_ms: 0
  by_number: false
searcher:
  name: random
  metric: loss
  max_trials: 2
  max_length: {epochs: 2}
`;

/** The server hears what is posted there, and nothing of what it answers arrives. */
async function withoutAnswers(
  page: Page,
  it: Stand,
  path: string,
  act: () => Promise<void>,
): Promise<void> {
  await page.route(path, async (route) => {
    const headers = { ...(await route.request().allHeaders()), origin: it.server.url };
    if (route.request().method() !== "POST") return await route.continue();
    const answer = await route.fetch({ headers, timeout: 120_000 });
    assert.equal(answer.status(), 200);
    await route.abort();
  });
  await act();
  await page.unroute(path);
}

describe("creating an experiment", () => {
  const browser = sharedBrowser();
  const stand = sharedStand({ slots: 2 });

  test("faults stand at their lines, a proposal completes a word, and the corrected one runs with a chosen folder", async () => {
    const it = stand();
    const folder = await it.codeFolder(
      {
        "node_modules/left/out.js": "never sent",
        ".contrailignore": "secret.txt\n",
        "secret.txt": "never sent",
      },
      ["curve.ts"],
    );
    const view = await signedIn(browser(), it, "/create");
    const { page } = view;
    const text = page.getByLabel("Configuration (YAML)");
    await text.fill(FINE.replace("max_trials", "max_trails").replace("random", "randum"));
    await page.getByRole("button", { name: /line 10, column 3/ }).waitFor();
    await page.getByRole("button", { name: /line 8, column/ }).waitFor();
    const create = page.getByRole("button", { name: "Create the experiment" });
    assert.ok(await create.isDisabled());
    assert.equal((await it.client.experiments()).items.length, 0, "checking makes nothing");

    await text.fill(FINE.replace("random", "").replace("  name: \n", "  name: "));
    await text.fill(`${FINE}resources:\n`);
    await text.press("Control+End");
    await page.keyboard.type("  slots_p");
    await page.getByRole("option", { name: /slots_per_trial/ }).waitFor();
    await page.keyboard.press("Enter");
    await page.keyboard.type("1");
    assert.match(await text.inputValue(), / {2}slots_per_trial: 1$/);
    await page.getByText("trials at most").waitFor();

    await page.locator('input[type="file"][multiple]').setInputFiles(folder);
    await page.getByText(/The folder that you chose: 2 files/).waitFor();
    await until("it may be submitted", () => create.isEnabled());
    await create.click();
    await page.getByRole("heading", { name: /written here/ }).waitFor();
    const id = Number(/experiments\/(\d+)/.exec(page.url())?.[1]);
    const ended = await it.ended(id);
    assert.equal(ended.state, "completed");
    const tree = await new Response(await it.client.getBlob(ended.code ?? "")).json();
    assert.deepEqual(
      tree.map(({ path }: { path: string }) => path),
      [".contrailignore", "curve.ts"],
    );
    await closeView(view);
  });

  test("one that is begun from another has its text, its very code, and its data as they were", async () => {
    const it = stand();
    const first = await exampleSearch(it, { name: "the one before" });
    await it.ended(first.id);
    const view = await signedIn(browser(), it, `/experiments/${first.id}?tab=about`);
    const { page } = view;
    await page.getByRole("link", { name: "New experiment from this" }).click();
    await page.getByRole("heading", { name: `New experiment from ${first.id}` }).waitFor();
    const text = page.getByLabel("Configuration (YAML)");
    assert.equal(await text.inputValue(), (await it.client.experiment(first.id)).config_text);
    await text.fill((await text.inputValue()).replace("the one before", "the one after"));
    const create = page.getByRole("button", { name: "Create the experiment" });
    await until("it may be submitted", () => create.isEnabled());
    await page.getByRole("checkbox", { name: "Make it, but start nothing yet" }).check();
    await create.click();
    await page.getByRole("heading", { name: /the one after/ }).waitFor();
    const id = Number(/experiments\/(\d+)/.exec(page.url())?.[1]);
    const made = await it.client.experiment(id);
    assert.deepEqual([made.code, made.state], [first.code, "paused"]);
    await it.client.changeExperiment(id, "kill");
    await closeView(view);
  });

  test("a fork is changed before it is made, says what differs, and is the same otherwise", async () => {
    const it = stand();
    const first = await exampleSearch(it, { name: "the forked one" });
    await it.ended(first.id);
    const view = await signedIn(browser(), it, `/experiments/${first.id}`);
    const { page } = view;
    await page.locator(".page-head").getByRole("button", { name: "Fork", exact: true }).click();
    await page.getByRole("dialog").getByText(`contrail fork ${first.id}`).waitFor();
    await page.getByRole("dialog").getByRole("button", { name: "Change it first" }).click();
    await page.getByRole("heading", { name: `Fork of ${first.id}` }).waitFor();
    await page.getByText("Nothing: it is the same again.").waitFor();
    const text = page.getByLabel("Configuration (YAML)");
    const before = await text.inputValue();
    await text.fill(before.replace(/("?)max_trials\1: 12/, "$1max_trials$1: 3"));
    const differs = page.getByRole("table", { name: "What differs" });
    await differs.getByText("searcher.max_trials").waitFor();
    await page
      .getByText(`contrail fork ${first.id} --set searcher.max_trials=3`, { exact: true })
      .waitFor();
    const make = page.getByRole("button", { name: "Make the fork" });
    await until("it may be made", () => make.isEnabled());
    await make.click();
    await page.waitForURL(/experiments\/\d+$/);
    const id = Number(/experiments\/(\d+)/.exec(page.url())?.[1]);
    assert.notEqual(id, first.id);
    const made = await it.client.experiment(id);
    assert.deepEqual([made.ancestry?.kind, made.ancestry?.experiment], ["fork", first.id]);
    assert.deepEqual(
      made.ancestry?.overrides.map(({ path, to }) => [path, to]),
      [["searcher.max_trials", 3]],
    );
    assert.equal(made.code, first.code);
    await page.getByText("searcher.max_trials: 12 → 3").first().waitFor();
    await it.ended(id);
    // One trial alone; a fault of it stands at its line.
    await page.goto(`${it.server.url}/create?fork=${first.id}.1`);
    await page.getByRole("heading", { name: `Fork of ${first.id}.1` }).waitFor();
    await page.getByText("Nothing: it is the same again.").waitFor();
    await text.fill((await text.inputValue()).replace("entrypoint", "entrypaint"));
    await page.getByText("This cannot be submitted yet").waitFor();
    await assertUsable(page, "a fork");
    await closeView(view);
  });

  test("what was made of an experiment, and what becomes of that, is seen by who looks at it", async () => {
    const it = stand();
    const { id } = await exampleSearch(it, { name: "the origin", activate: false });
    const view = await signedIn(browser(), it, `/experiments/${id}`);
    const { page } = view;
    await page.getByRole("heading", { name: `${id} the origin` }).waitFor();
    await page.locator(".connection-live").waitFor();
    const rows: Locator[] = [];
    const forks: number[] = [];
    for (let i = 0; i < 2; i++) {
      const { experiment } = await it.client.fork({ of: String(id), activate: false });
      forks.push(experiment?.id ?? assert.fail());
      const link = page.getByRole("link", { name: `experiment ${forks[i]} ` });
      const row = page.locator("dd").filter({ has: link });
      await row.getByText("paused").waitFor();
      rows.push(row);
    }
    for (const [i, fork] of forks.entries()) {
      await it.client.changeExperiment(fork, "kill");
      await rows[i]?.getByText("canceled").waitFor();
    }
    for (const row of rows) assert.equal(await row.count(), 1);
    await it.client.changeExperiment(id, "kill");
    await closeView(view);
  });

  test("who presses again after no answer came is given what was made then", async () => {
    const it = stand();
    const view = await signedIn(browser(), it, "/create");
    const { page } = view;
    await page
      .getByLabel("Configuration (YAML)")
      .fill(FINE.replace("written here", "asked for twice"));
    await page.getByRole("checkbox", { name: "Make it, but start nothing yet" }).check();
    const create = page.getByRole("button", { name: "Create the experiment" });
    const idsOf = async (filter: string): Promise<number[]> =>
      (await it.client.experiments({ filter })).items.map(({ id }) => id);
    await until("it may be submitted", () => create.isEnabled());
    await withoutAnswers(page, it, "**/api/v1/experiments", async () => {
      await create.click();
      await page.getByRole("alert").waitFor();
    });
    const [id, ...others] = await idsOf("name~asked");
    assert.ok(id);
    assert.deepEqual(others, [], "it was made, and the page does not know");
    await create.click();
    await page.getByRole("heading", { name: `${id} asked for twice` }).waitFor();

    await page.locator(".page-head").getByRole("button", { name: "Fork", exact: true }).click();
    const fork = page.getByRole("dialog").getByRole("button", { name: "Fork", exact: true });
    await withoutAnswers(page, it, "**/api/v1/forks", async () => {
      await fork.click();
      await page.getByRole("alert").waitFor();
    });
    await fork.click();
    await page.waitForURL((url) => !url.pathname.endsWith(`/${id}`));
    const made = await idsOf("name~asked");
    assert.deepEqual(made.length, 2, `the one and its fork, not ${made}`);
    for (const one of made) await it.client.changeExperiment(one, "kill");
    // The browser itself writes down what got no answer.
    const rest = view.troubles.filter((text) => !/ERR_FAILED/.test(text));
    assert.deepEqual(rest, []);
    view.troubles.length = 0;
    await closeView(view);
  });

  test("a hostile text is refused in words and shown inert", async () => {
    const it = stand();
    const view = await signedIn(browser(), it, "/create");
    const { page } = view;
    await page
      .getByLabel("Configuration (YAML)")
      .fill('"<img src=x onerror=alert(1)>": \u202e1\n&a [*a, *a]\n');
    await page.getByText("This cannot be submitted yet").waitFor();
    assert.equal(await page.locator("main img").count(), 0);
    await page
      .getByLabel("Configuration (YAML)")
      .fill(JSON.stringify(curveSearch({ name: "nope" })));
    await page.getByRole("list", { name: "Faults" }).getByText(/nope/).waitFor();
    await closeView(view);
  });

  test("nobody is kept out by how it looks", async () => {
    await isForEverybody(browser(), stand(), "/create", async (page) => {
      await page.getByText("trials at most").waitFor();
      await page.getByLabel("Configuration (YAML)").fill("nam: x\n");
      await page.getByText("This cannot be submitted yet").waitFor();
    });
  });
});
