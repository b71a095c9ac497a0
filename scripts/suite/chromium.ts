/**
 * Debian's Chromium for the tests of the web page. Installed where that is possible (root, apt-get); elsewhere the
 * tests are skipped by name, because a browser is nothing that a test run may demand of somebody's machine.
 */
import { existsSync } from "node:fs";
import { CHROMIUM } from "../../e2e/web/browser.ts";
import { runProgram } from "./child.ts";

const INSTALL_TIMEOUT_MS = 10 * 60_000;

/** @returns why there is none, undefined when there is one */
export async function missingChromium(): Promise<string | undefined> {
  if (existsSync(CHROMIUM)) return undefined;
  const byHand = "install it with: apt-get install chromium";
  if (process.getuid?.() !== 0 || !existsSync("/usr/bin/apt-get"))
    return `${CHROMIUM} is not there, and only root on Debian installs it by itself; ${byHand}`;
  console.log("  installing Chromium with apt-get (once; some 300 MB) …");
  const env = { DEBIAN_FRONTEND: "noninteractive" };
  for (const args of [
    ["update", "-qq"],
    ["install", "-y", "-qq", "--no-install-recommends", "chromium"],
  ]) {
    const program = { command: "apt-get", args, env, timeoutMs: INSTALL_TIMEOUT_MS };
    const { status, output } = await runProgram(program);
    if (status !== 0) return `apt-get ${args[0]}: ${output.trim().split("\n").at(-1)}; ${byHand}`;
  }
  return existsSync(CHROMIUM) ? undefined : `apt-get installed no ${CHROMIUM}`;
}
