/**
 * A real browser on the real server: Debian's Chromium, driven by playwright-core. Each page that is opened here
 * gathers what its console said, and a test that ends with an error in it has failed.
 */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { after, before } from "node:test";
import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core";
import type { Stand } from "../support.ts";

export const CHROMIUM = "/usr/bin/chromium";

export interface View {
  readonly page: Page;
  readonly context: BrowserContext;
  /** Errors of the console and of scripts. What a server that is away causes is taken out by `forgiveAway`. */
  readonly troubles: string[];
}

export const launch = (): Promise<Browser> =>
  chromium.launch({
    executablePath: CHROMIUM,
    args: [
      ...["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"],
      ...["--disable-background-networking", "--disable-component-update", "--disable-sync"],
    ],
  });

/** One browser for all the tests of a `describe`. */
export function sharedBrowser(): () => Browser {
  let shared: Browser | undefined;
  before(async () => {
    assert.ok(
      existsSync(CHROMIUM),
      `${CHROMIUM} is not installed; npm test does that where it can`,
    );
    shared = await launch();
  });
  after(() => shared?.close());
  return () => {
    assert.ok(shared, "the browser did not start");
    return shared;
  };
}

export interface ViewOptions {
  readonly width?: number;
  readonly height?: number;
  readonly scheme?: "light" | "dark";
}

/** A fresh profile at the server, signed out. */
export async function openView(browser: Browser, options: ViewOptions = {}): Promise<View> {
  const context = await browser.newContext({
    viewport: { width: options.width ?? 1280, height: options.height ?? 860 },
    colorScheme: options.scheme ?? "light",
    reducedMotion: "reduce",
  });
  const page = await context.newPage();
  page.setDefaultTimeout(30_000);
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
  await context.close();
  assert.deepEqual(troubles, []);
}
