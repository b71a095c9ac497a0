/** Tasks in a real browser: apart from experiments, live, and stopped from their row. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { sharedStand } from "../support.ts";
import { isForEverybody } from "./accessibility.ts";
import { closeView, sharedBrowser, signedIn } from "./browser.ts";

describe("tasks", () => {
  const browser = sharedBrowser();
  const stand = sharedStand({ slots: 1 });

  test("a command stands among the tasks and not among the experiments, and is killed from its row", async () => {
    const it = stand();
    const words = ["command", "run", "--no-code", "--detach", "--name", "sleeper"];
    const start = await it.contrail(["--json", ...words, "--", "sleep", "1000"]);
    assert.equal(start.code, 0, start.stderr);
    const { id } = JSON.parse(start.stdout) as { id: number };
    await it.trialWhen(`${id}.1`, "runs", ({ state }) => state === "running");
    const view = await signedIn(browser(), it, "/experiments");
    const { page } = view;
    await page.getByText("There are no experiments yet").waitFor();
    assert.equal(await page.getByText("sleeper").count(), 0);
    await page.goto(`${it.server.url}/tasks`);
    const row = page.getByRole("table", { name: "Tasks" }).getByRole("row", { name: /sleeper/ });
    await row.getByText("running").waitFor();
    await row.getByRole("button", { name: "Kill" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Kill", exact: true }).click();
    await page.getByText("No command, shell or notebook is at work").waitFor();
    assert.equal((await it.ended(id)).state, "canceled");
    await closeView(view);
    await isForEverybody(browser(), it, "/tasks");
  });
});
