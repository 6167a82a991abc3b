/** Headless Chromium, as the tests of the page, of notebooks and of figures start it. */
import { type Browser, chromium } from "playwright-core";
import { browser } from "../lib/cli/setup.ts";

const BROWSER = await browser();

/** Whether there is a browser. */
export const canBrowse = BROWSER !== null;

/** How long a step may take that should come at once, in ms: the machine may be slow, and busy with other tests. */
export const SOON = 180_000;

/** What it would do in the background, and what it would ask of a graphics card, is not for a test. @param args flags of its own. */
export const launch = (args: readonly string[] = ["--disable-gpu"]): Promise<Browser> =>
  chromium.launch({
    executablePath: BROWSER!,
    args: ["--disable-quic", "--disable-sync", ...args],
    timeout: SOON,
  });
