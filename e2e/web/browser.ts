/**
 * A real browser on the real server: Debian's Chromium, driven by playwright-core. Each page that is opened here
 * gathers what its console said, and a test that ends with an error in it has failed.
 */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { after, before } from "node:test";
import type { Browser, BrowserContext, Page } from "playwright-core";
import { CHROMIUM, launch } from "../../bench/web/chromium.ts";
import { type Stand, within } from "../support.ts";

export { CHROMIUM, launch };

export interface View {
  readonly page: Page;
  readonly context: BrowserContext;
  /** Errors of the console and of scripts. What a server that is away causes is taken out by `forgiveAway`. */
  readonly troubles: string[];
}

/**
 * One browser for all the tests of a `describe`. To be asked for before the stand: node:test runs no hook after one that
 * failed, and a browser that stays open holds the whole process until somebody kills it. So it goes first, which also
 * ends the page's streams before their server is stopped.
 */
export function sharedBrowser(): () => Browser {
  let shared: Browser | undefined;
  before(async () => {
    assert.ok(
      existsSync(CHROMIUM),
      `${CHROMIUM} is not installed; npm test does that where it can`,
    );
    shared = await launch();
  });
  after(async () => {
    if (!shared) return;
    try {
      await within("the browser is closed", shared.close());
    } catch (error) {
      killBrowsers();
      throw error;
    }
  });
  return () => {
    assert.ok(shared, "the browser did not start");
    return shared;
  };
}

/** Those that this very process started. */
function killBrowsers(): void {
  for (const name of readdirSync("/proc").filter((pid) => /^\d+$/.test(pid)))
    try {
      const [, parent] = /^PPid:\t(\d+)$/m.exec(readFileSync(`/proc/${name}/status`, "utf8")) ?? [];
      const isBrowser = readFileSync(`/proc/${name}/cmdline`, "utf8").includes("chromium");
      if (Number(parent) === process.pid && isBrowser) process.kill(Number(name), "SIGKILL");
    } catch {
      // It has gone by itself.
    }
}

export interface ViewOptions {
  readonly width?: number;
  readonly height?: number;
  readonly scheme?: "light" | "dark";
}

/** A fresh profile at the server, signed out. */
export async function openView(browser: Browser, options: ViewOptions = {}): Promise<View> {
  const opening = browser.newContext({
    viewport: { width: options.width ?? 1280, height: options.height ?? 860 },
    colorScheme: options.scheme ?? "light",
    reducedMotion: "reduce",
  });
  const context = await within("the browser has a new profile", opening);
  // Of the pages that open others, too.
  context.setDefaultTimeout(120_000);
  const page = await within("the browser has a new tab", context.newPage());
  // The one question to a page that playwright waits for without a limit.
  const evaluate = page.evaluate.bind(page) as (...args: unknown[]) => Promise<unknown>;
  Object.assign(page, {
    evaluate: (...args: unknown[]) => within("the page answers a script", evaluate(...args)),
  });
  const troubles: string[] = [];
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning")
      troubles.push(`${message.text()} ${message.location().url}`);
  });
  page.on("pageerror", (error) => troubles.push(String(error.stack ?? error)));
  return { page, context, troubles };
}

/** The link that `contrail web` prints. */
export async function signInLink(it: Stand): Promise<string> {
  const { one_time_token: token } = await it.client.signInLink();
  return `${it.server.url}/sign-in#${token}`;
}

/** A fresh profile, signed in by a link and looking at `path`. */
export async function signedIn(
  browser: Browser,
  it: Stand,
  path: string,
  options: ViewOptions = {},
): Promise<View> {
  const view = await openView(browser, options);
  await view.page.goto(await signInLink(it));
  await view.page.getByRole("heading", { name: "Experiments" }).waitFor();
  if (path !== "/experiments") await view.page.goto(`${it.server.url}${path}`);
  return view;
}

/** Ends a test's look: no error may have been in the console. */
export async function closeView({ context, troubles }: View): Promise<void> {
  await within("the profile is closed", context.close());
  assert.deepEqual(troubles, []);
}

/** From one place to another with the button held, as a hand does: not in one leap. */
export async function drag(
  page: Page,
  from: readonly [number, number],
  to: readonly [number, number],
): Promise<void> {
  await page.mouse.move(...from);
  await page.mouse.down();
  await page.mouse.move((from[0] + to[0]) / 2, (from[1] + to[1]) / 2, { steps: 4 });
  await page.mouse.move(...to, { steps: 4 });
  await page.mouse.up();
}

/** Says to the page what a browser says when another tab is chosen, or this one again. */
export const setSeen = (page: Page, isSeen: boolean): Promise<void> =>
  page.evaluate(`
    Object.defineProperty(document, "visibilityState", {
      configurable: true,
      value: "${isSeen ? "visible" : "hidden"}",
    });
    document.dispatchEvent(new Event("visibilitychange", { bubbles: true }));
  `);
