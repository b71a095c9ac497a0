/** The one browser that tests, pictures and figures of the web page are taken with: Debian's Chromium. */
import { type Browser, chromium } from "playwright-core";

export const CHROMIUM = "/usr/bin/chromium";

/** A machine that cannot start a browser in a minute and a half is not going to. */
const LAUNCH_MS_MAX = 90_000;

export const launch = (): Promise<Browser> =>
  chromium.launch({
    executablePath: CHROMIUM,
    timeout: LAUNCH_MS_MAX,
    args: [
      ...["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"],
      ...["--disable-background-networking", "--disable-component-update", "--disable-sync"],
    ],
  });
