/** A new experiment from the page: written with mistakes, corrected, with code from a folder, and begun from another one. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { curveSearch, sharedStand, until } from "../support.ts";
import { isForEverybody } from "./accessibility.ts";
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

describe("creating an experiment", () => {
  const stand = sharedStand({ slots: 2 });
  const browser = sharedBrowser();

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
    await page.getByText("This cannot be submitted yet").waitFor();
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
