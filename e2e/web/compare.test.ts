/** Trials side by side in a real browser: what differs, and nothing else. */
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import { curveSearch, sharedStand } from "../support.ts";
import { assertUsable } from "./accessibility.ts";
import { closeView, sharedBrowser, signedIn } from "./browser.ts";
import { exampleSearch } from "./searches.ts";

describe("the comparison of trials", () => {
  const browser = sharedBrowser();
  const stand = sharedStand({ slots: 2 });

  test("trials of one experiment, chosen in its tab: one hyperparameter differs, and the curves lie on one axis", async () => {
    const it = stand();
    const { id } = await exampleSearch(it, { name: "chosen from" });
    await it.ended(id);
    const view = await signedIn(browser(), it, `/experiments/${id}?tab=compare`);
    const { page } = view;
    const chosen = [`${id}.3`, `${id}.1`];
    for (const trial of chosen)
      await page.getByRole("checkbox", { name: `Compare trial ${trial}`, exact: true }).check();
    await page.getByRole("link", { name: "Compare 2" }).click();
    await page.getByRole("heading", { name: "Compare trials" }).waitFor();
    assert.equal(new URL(page.url()).searchParams.get("trials"), chosen.join(","));
    const table = page.getByRole("table", { name: "Differences: Hyperparameters" });
    await table.waitFor();
    const trials = await Promise.all(chosen.map((trial) => it.client.trial(trial)));
    const rates = trials.map(({ hyperparameters }) =>
      String(Number(Number(hyperparameters.rate).toPrecision(8))),
    );
    assert.deepEqual(await table.getByRole("row").nth(1).getByRole("cell").allTextContents(), [
      "rate",
      ...rates,
    ]);
    assert.equal(await table.getByRole("row").count(), 2);
    await page.getByText(/^\d+ hyperparameters are the same\.$/).waitFor();
    await page
      .getByText(/No difference: \d+ fields are the same/)
      .first()
      .waitFor();
    await page.getByText(/all ran the snapshot/).waitFor();
    await page.getByText(/loss ends lowest with .* in trial/).waitFor();
    const [worse] = trials.toSorted(
      (a, b) => Number(b.best?.objective) - Number(a.best?.objective),
    );
    assert.ok(worse);
    await page
      .getByRole("table", { name: "What came out" })
      .getByRole("link", { name: worse.id, exact: true })
      .waitFor();
    await page.getByText(`contrail trial show ${worse.id}`).waitFor();
    await page.getByRole("textbox", { name: "Add a trial" }).fill(`${id}.2`);
    await page.keyboard.press("Enter");
    await page
      .getByRole("table", { name: "What came out" })
      .getByRole("link", { name: `${id}.2`, exact: true })
      .waitFor();
    await page.getByRole("button", { name: `Take ${id}.3 out` }).click();
    await page.waitForURL(new RegExp(`trials=${id}.1(?:,|%2C)${id}.2$`));
    await closeView(view);
  });

  test("trials of two experiments: code line by line, files that came and went, fields by path", async () => {
    const it = stand();
    const single = { name: "single", max_length: { epochs: 2 } };
    const one = await it.codeFolder({ "notes.txt": "a\nb\nc\n", "gone.txt": "old\n" }, [
      "curve.ts",
    ]);
    const two = await it.codeFolder(
      { "notes.txt": "a\n<b>x</b>\u202e\nc\n", "new.bin": "\0\x01" },
      ["curve.ts"],
    );
    const data = await it.codeFolder({ "a.csv": "1\n" });
    for (const text of ["1\n", "2\n"]) {
      await writeFile(join(data, "a.csv"), text);
      const added = await it.contrail(["data", "add", "numbers", data]);
      assert.equal(added.code, 0, added.stderr);
    }
    const a = await it.submit(
      curveSearch(single, {
        ...{ name: "first", labels: ["x"], data: { train: "numbers@1" } },
        environment: { OMP_NUM_THREADS: "1" },
      }),
      one,
    );
    const b = await it.submit(
      curveSearch(single, {
        ...{ name: "second", max_restarts: 3, data: { train: "numbers@2" } },
        environment: { OMP_NUM_THREADS: "<b>2</b>", ONLY_HERE: "1" },
      }),
      two,
    );
    for (const { id } of [a, b]) await it.ended(id);
    const path = `/compare?trials=${a.id}.1,${b.id}.1`;
    const view = await signedIn(browser(), it, `${path}&file=notes.txt`);
    const { page } = view;
    const files = page.getByRole("table", { name: "Files that differ" });
    await files.waitFor();
    const rows = await files.getByRole("row").allTextContents();
    assert.deepEqual(
      rows
        .slice(1)
        .map((text) =>
          /^(gone\.txt|new\.bin|notes\.txt).*(removed|added|changed)$/.exec(text)?.slice(1),
        ),
      [
        ["gone.txt", "removed"],
        ["new.bin", "added"],
        ["notes.txt", "changed"],
      ],
    );
    const lines = page.locator(".diff-line");
    await lines.first().waitFor();
    assert.deepEqual(await lines.locator(".diff-sign, bdi").allTextContents(), [
      ...[" ", "a", "−", "b", "+", "<b>x</b>\\u202e", " ", "c"],
    ]);
    await page.getByText("1 line added, 1 removed").waitFor();
    await files.getByRole("button", { name: "new.bin" }).click();
    await page.getByText("One of them is no text").waitFor();
    const fields = page.getByRole("table", { name: "Differences: Configuration" });
    await fields.getByText("max_restarts").waitFor();
    await fields.getByText("name", { exact: true }).waitFor();
    const differing = async (title: string): Promise<(string | null)[][]> => {
      const table = page.getByRole("table", { name: `Differences: ${title}` });
      await table.waitFor();
      const rows = await table.getByRole("row").all();
      return await Promise.all(rows.slice(1).map((row) => row.getByRole("cell").allTextContents()));
    };
    assert.deepEqual((await differing("Data"))[0], ["train", "numbers@1", "numbers@2"]);
    // Of what they ran in, exactly what the records have it differently in.
    assert.deepEqual(
      (await differing("Environment")).filter(([path]) => !/SEED/.test(path ?? "")),
      [
        ["determinism.OMP_NUM_THREADS", "1", "<b>2</b>"],
        ["variables.OMP_NUM_THREADS", "1", "<b>2</b>"],
        ["variables.ONLY_HERE", "not there", "1"],
      ],
    );
    await page
      .getByRole("list", { name: "Completeness of the records" })
      .getByRole("link", { name: `${b.id}.1` })
      .waitFor();
    await page.getByText(`contrail diff ${a.id}.1 ${b.id}.1`).waitFor();
    for (const [scheme, width] of [
      ["light", 1280],
      ["dark", 390],
    ] as const) {
      const other = await signedIn(browser(), it, `${path}&file=notes.txt`, { scheme, width });
      await other.page.locator(".diff-line").first().waitFor();
      await assertUsable(other.page, `${scheme}, ${width}`);
      await closeView(other);
    }
    await closeView(view);
  });

  test("what cannot be compared is said, and nothing breaks", async () => {
    const it = stand();
    const { id } = await exampleSearch(it, { name: "too few", activate: false });
    const view = await signedIn(browser(), it, "/compare");
    const { page } = view;
    await page.getByText("Name 2 to 10 trials").waitFor();
    await page.goto(`${it.server.url}/compare?trials=nonsense,%3Cb%3E`);
    await page.getByText("No ids of trials: nonsense, <b>.").waitFor();
    const many = Array.from({ length: 12 }, (_, i) => `${id}.${i + 900}`).join(",");
    await page.goto(`${it.server.url}/compare?trials=${many}`);
    await page.getByText("At most 10 trials are compared").waitFor();
    for (let i = 0; i < 10; i++)
      await page.getByText(`there is no trial ${id}.${900 + i}`).waitFor();
    // The browser writes down each refusal of the server.
    const rest = view.troubles.filter((text) => !/status of 404/.test(text));
    assert.deepEqual(rest, []);
    view.troubles.length = 0;
    await it.client.changeExperiment(id, "kill");
    await closeView(view);
  });
});
