/** Tokens, password, and the log of changes with its verification, in a real browser. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Page } from "playwright-core";
import { realClock } from "../../src/base/real-clock.ts";
import { Client } from "../../src/sdk/client.ts";
import { stand as newStand, sharedStand } from "../support.ts";
import { assertUsable, isForEverybody } from "./accessibility.ts";
import { closeView, openView, sharedBrowser, signedIn, type View } from "./browser.ts";
import { exampleSearch } from "./searches.ts";

describe("settings and the log of changes", () => {
  const browser = sharedBrowser();
  const stand = sharedStand({ slots: 2 });

  test("a token is made, shown once, works, and is refused once it is revoked", async () => {
    const it = stand();
    const view = await signedIn(browser(), it, "/settings");
    const { page } = view;
    const tokens = page.getByRole("region", { name: "Tokens" });
    await tokens.getByLabel("Name", { exact: true }).fill("for ci");
    await tokens.getByText("contrail token create 'for ci' --scope user --days 90").waitFor();
    await tokens.getByRole("button", { name: "Make a token" }).click();
    const token = (await tokens.locator(".token").textContent()) ?? "";
    const { url } = it.server;
    const other = new Client({ url, token, clock: realClock, newKey: () => crypto.randomUUID() });
    assert.equal((await other.me()).scope, "user");
    await page.reload();
    const row = tokens.getByRole("row").filter({ hasText: "for ci" });
    await row.waitFor();
    assert.equal(await tokens.locator(".token").count(), 0, "once, and never again");
    await row.getByRole("button", { name: "Revoke" }).click();
    await page
      .getByRole("dialog")
      .getByText(/contrail token revoke [0-9a-f]+/)
      .waitFor();
    await page.getByRole("dialog").getByRole("button", { name: "Revoke", exact: true }).click();
    await row.waitFor({ state: "hidden" });
    await assert.rejects(other.me(), { status: 401 });
    await closeView(view);
  });

  test("a password that was set signs in, and the server says what it is", async () => {
    const it = stand();
    const view = await signedIn(browser(), it, "/settings");
    const { page } = view;
    const { version, data_dir: dataDir, user } = await it.client.server();
    const server = page.getByRole("region", { name: "Server" });
    await server.getByText(version, { exact: true }).waitFor();
    await server.getByText(dataDir, { exact: true }).waitFor();
    await page.getByLabel("New password").fill("correct horse battery");
    await page.getByLabel("Once more").fill("correct horse");
    await page.getByText("The two differ.").waitFor();
    await page.getByLabel("Once more").fill("correct horse battery");
    await page.getByRole("button", { name: "Set the password" }).click();
    await page.getByText("The password is set.").waitFor();
    const fresh = await openView(browser());
    await fresh.page.goto(`${it.server.url}/settings`);
    await fresh.page.getByRole("button", { name: "Sign in" }).waitFor();
    await assertUsable(fresh.page, "sign-in");
    await signInWith(fresh.page, user, "wrong horse battery");
    await fresh.page.getByRole("alert").getByText("the user or the password is wrong").waitFor();
    assert.deepEqual(await fresh.context.cookies(), []);
    await signInWith(fresh.page, user, "correct horse battery");
    await fresh.page.getByRole("heading", { name: "Settings" }).waitFor();
    // Nothing of it is for scripts, or for other sites.
    const [cookie, ...others] = await fresh.context.cookies(`${it.server.url}/api/v1/session`);
    assert.deepEqual(
      [cookie?.httpOnly, cookie?.sameSite, cookie?.path, others],
      [true, "Strict", "/api/v1", []],
    );
    assert.equal(await fresh.page.evaluate("document.cookie"), "");
    forgiveRefusals(fresh, [401]);
    await closeView(fresh);
    await closeView(view);
  });

  test("whoever guesses passwords has to wait, and is told for how long", async () => {
    await using it = await newStand({ slots: 1 });
    const view = await openView(browser());
    const { page } = view;
    await page.goto(it.server.url);
    const late = page.getByRole("alert").getByText(/sign-ins failed; the next may come in \d+ s/);
    for (let i = 0; i < 30 && !(await late.isVisible()); i++) {
      await signInWith(page, "somebody", `guess number ${i}`);
      await page.getByRole("alert").waitFor();
    }
    await late.waitFor();
    assert.deepEqual(await view.context.cookies(), []);
    forgiveRefusals(view, [401, 429]);
    await closeView(view);
  });

  test("the log is filtered, grows at the top, shows one change whole, and is verified", async () => {
    const it = stand();
    const { id } = await exampleSearch(it, { name: "to be logged", activate: false });
    const view = await signedIn(browser(), it, `/audit?thing=${id}`);
    const { page } = view;
    const table = page.getByRole("table", { name: "Changes" });
    await table.getByText("created", { exact: true }).first().waitFor();
    await page.getByText(`contrail audit list ${id}`).waitFor();
    await it.client.updateExperiment(id, { priority: 9 });
    await table.getByText("changed priority").waitFor();
    await page.getByLabel("What begins with").fill("changed");
    await page.getByText("1 shown", { exact: true }).waitFor();
    await table.getByRole("button").first().click();
    const [change] = (await it.client.audit({ experiment: id, what: "changed" })).items;
    await page.getByText(change?.hash ?? "", { exact: true }).waitFor();
    assert.equal(new URL(page.url()).searchParams.get("event"), String(change?.seq));
    await page.getByRole("button", { name: "Verify" }).click();
    await page.getByText(/The log is whole: all \d+ changes fit/).waitFor();
    await page.getByLabel("Experiment or trial").fill("nonsense");
    await page
      .getByText("A thing is an experiment, such as 3, or a trial, such as 3.12.")
      .waitFor();
    await it.client.changeExperiment(id, "kill");
    await closeView(view);
  });

  test("nobody is kept out by how they look", async () => {
    const it = stand();
    for (const path of ["/settings", "/audit", "/audit?event=1"])
      await isForEverybody(browser(), it, path);
  });
});

async function signInWith(page: Page, user: string, password: string): Promise<void> {
  await page.getByLabel("User").fill(user);
  await page.locator('input[type="password"]').fill(password);
  await page.getByRole("button", { name: "Sign in" }).click();
}

/** The browser itself writes down that the server refused. */
function forgiveRefusals(view: View, statuses: readonly number[]): void {
  const own = new RegExp(`status of (?:${statuses.join("|")})\\b.*/api/v1/session`);
  assert.deepEqual(
    view.troubles.filter((text) => !own.test(text)),
    [],
  );
  view.troubles.length = 0;
}
