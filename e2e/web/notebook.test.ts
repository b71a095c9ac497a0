/** A real notebook in a real browser: a cell is run, and nothing of the app is within its reach (row S6 of the matrix). */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Page } from "playwright-core";
import { jupyterPython, NO_JUPYTER } from "../jupyter-python.ts";
import { sharedStand, until } from "../support.ts";
import { openView, sharedBrowser, signInLink } from "./browser.ts";

const skip = jupyterPython === undefined ? NO_JUPYTER : false;
const JUPYTER_MS = 180_000;

describe("a notebook", { skip }, () => {
  const browser = sharedBrowser();
  const stand = sharedStand({ slots: 1 });

  test("it is opened from its page, runs a cell, and reaches nothing of the app; what it wrote is kept", async () => {
    const it = stand();
    const cwd = await it.codeFolder({ "data.txt": "41" });
    const args = ["notebook", "start", "--python", jupyterPython ?? "", "--detach", "--json"];
    const { id } = JSON.parse((await it.contrail(args, { cwd })).stdout) as { id: number };
    const view = await openView(browser());
    // By this name the app's own host is the one below which tasks have theirs.
    const app = it.server.url.replace("127.0.0.1", "localhost");
    await view.page.goto((await signInLink(it)).replace(it.server.url, app));
    await view.page.getByRole("heading", { name: "Experiments" }).waitFor();
    await until(
      "it is ready",
      async () => (await it.client.taskReadiness(id)).state === "ready" || undefined,
      {
        limitMs: JUPYTER_MS,
      },
    );
    await view.page.goto(`${app}/experiments/${id}`);
    const opening = view.context.waitForEvent("page");
    await view.page.getByRole("button", { name: "Open notebook" }).click();
    const lab = await opening;
    lab.setDefaultTimeout(JUPYTER_MS);
    const cookies: string[] = [];
    lab.on("request", (request) => {
      void request.allHeaders().then(
        ({ cookie, authorization }) => cookies.push(`${cookie ?? ""} ${authorization ?? ""}`),
        () => undefined,
      );
    });
    await runCell(
      lab,
      "open('made.txt', 'w').write('by hand') and int(open('data.txt').read()) + 1",
    );
    const output = lab.locator(".jp-OutputArea-output").first();
    await output.waitFor();
    assert.equal((await output.textContent())?.trim(), "42");
    assert.match(new URL(lab.url()).host, new RegExp(`^task-${id}\\.localhost:\\d+$`));
    assert.ok(cookies.some((text) => text.includes("contrail_task")));
    assert.ok(
      !cookies.some((text) => /contrail_session|cu_/.test(text)),
      "the app's session went along",
    );

    // What a script in the notebook's page can do to the app, and one in the app's page to the notebook.
    const reach = (page: Page, url: string) =>
      page.evaluate(async (to) => {
        const tell = (how: RequestInit) =>
          fetch(to, { credentials: "include", ...how }).then(
            (answer) => `${answer.type} ${answer.status}`,
            () => "refused",
          );
        return [
          await tell({}),
          await tell({ method: "POST", body: "{}" }),
          await tell({ mode: "no-cors" }),
        ];
      }, url);
    assert.deepEqual(await reach(lab, `${app}/api/v1/me`), ["refused", "refused", "opaque 0"]);
    assert.equal(await lab.evaluate(() => document.cookie.includes("contrail")), false);
    const mine = await view.page.evaluate(() => fetch("/api/v1/me").then(({ status }) => status));
    assert.equal(mine, 200, "who is signed in is");

    await lab.keyboard.press("Control+S");
    const stopped = await it.contrail(["notebook", "stop", String(id)]);
    assert.equal(stopped.code, 0, stopped.stderr);
    await it.ended(id);
    const [kept] = (await it.client.trialCheckpoints(`${id}.1`)).items;
    assert.ok(kept);
    const { tree } = await it.client.checkpoint(kept.id);
    assert.ok(
      tree.some(({ path }) => path.endsWith("made.txt")),
      JSON.stringify(tree),
    );
    await lab.reload();
    await lab.getByText("Open it from Contrail").waitFor();
    await view.context.close();
  });
});

/** In a new notebook of the launcher. */
async function runCell(lab: Page, code: string): Promise<void> {
  await lab.locator('.jp-LauncherCard[data-category="Notebook"]').first().click();
  // What is run before its kernel is there is not run.
  await lab.getByText("Python 3 (ipykernel) | Idle").waitFor();
  const cell = lab.locator(".jp-Notebook .jp-Cell .cm-content").first();
  await cell.click();
  await lab.keyboard.type(code);
  await lab.keyboard.press("Shift+Enter");
}
