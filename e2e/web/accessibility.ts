/** What axe finds on a page, as far as it is serious, and whether the page fits its window. */
import assert from "node:assert/strict";
import axe from "axe-core";
import type { Browser, Page } from "playwright-core";
import type { Stand } from "../support.ts";
import { closeView, signedIn } from "./browser.ts";

/** Serious and critical ones, each with what it is about. */
export async function accessibilityFaults(page: Page): Promise<string[]> {
  // Through the debugger, which the page's policy does not bind.
  await page.evaluate(axe.source);
  return await page.evaluate(async () => {
    const { axe } = globalThis as unknown as {
      axe: {
        run: () => Promise<{
          violations: { id: string; impact: string; nodes: { html: string }[] }[];
        }>;
      };
    };
    const { violations } = await axe.run();
    return violations
      .filter(({ impact }) => impact === "serious" || impact === "critical")
      .flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html.slice(0, 200)}`));
  });
}

/** The page is for everybody, and scrolls sideways on no screen. @param what where and how it is looked at */
export async function assertUsable(page: Page, what: string): Promise<void> {
  assert.deepEqual(await accessibilityFaults(page), [], what);
  const [wide, window] = await page.evaluate<[number, number]>(
    "[document.documentElement.scrollWidth, document.documentElement.clientWidth]",
  );
  assert.ok(wide <= window, `${what}: ${wide} pixels wide of ${window}`);
}

/**
 * The same at both widths and in both schemes, each in a profile of its own.
 * @param ready brings the page into the state that is to be judged
 */
export async function isForEverybody(
  browser: Browser,
  it: Stand,
  path: string,
  ready: (page: Page) => Promise<void> = async () => undefined,
): Promise<void> {
  for (const scheme of ["light", "dark"] as const)
    for (const width of [1280, 390]) {
      const view = await signedIn(browser, it, path, { scheme, width });
      const { page } = view;
      await page.locator("main h1").waitFor();
      await page.getByText(" …").first().waitFor({ state: "hidden" });
      await ready(page);
      await assertUsable(page, `${path} ${scheme} ${width}`);
      await closeView(view);
    }
}
