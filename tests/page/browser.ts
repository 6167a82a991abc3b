/** The page in headless Chromium, from a server of its own. */
import type { Browser, BrowserContext, BrowserContextOptions, Page } from "playwright-core";
import { answering, ISOLATING } from "../../lib/cli/page.ts";
import { buildPage, type Files } from "../../lib/page/build.ts";
import { FIRST, type Settings } from "../../lib/page/settings.ts";
import { SOON } from "../chromium.ts";

let built: Promise<Files> | null = null;
/** The page's files, built once. */
export const files = (): Promise<Files> => built ??= buildPage();

/** What a server says beside the files: that the page is isolated, or nothing. */
export const PLAIN = {}, ISOLATED = ISOLATING;

/** Serves files until the end of its scope. */
export function serve(all: Files, headers: Readonly<Record<string, string>>) {
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, answering(all, headers));
  return {
    address: `http://localhost:${server.addr.port}/`,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

/** How long training may take on a slow and busy machine, in ms. */
export const LONG = 300_000;

/** The page, open in a window of its own; what went wrong in it, and which hosts it asked. */
export interface Opened {
  readonly page: Page;
  readonly context: BrowserContext;
  readonly errors: readonly string[];
  readonly hosts: ReadonlySet<string>;
}

export async function open(chrome: Browser, address: string, options: BrowserContextOptions = {}, before = ""): Promise<Opened> {
  const context = await chrome.newContext({ viewport: { width: 1280, height: 900 }, acceptDownloads: true, ...options });
  context.setDefaultTimeout(SOON);
  if (before) await context.addInitScript(before);
  const page = await context.newPage(), errors: string[] = [], hosts = new Set<string>();
  page.on("pageerror", ({ message }) => errors.push(message));
  page.on("console", (message) => message.type() === "error" && errors.push(message.text()));
  context.on("request", (request) => /^https?:/.test(request.url()) && hosts.add(new URL(request.url()).host));
  await page.goto(address);
  await page.locator("#engine").filter({ hasNotText: /^Loading/ }).waitFor();
  return { page, context, errors, hosts };
}

/** One network, small enough to grok within some hundred updates. */
export const SMALL: Settings = { ...FIRST, prime: 23, share: 0.8, networks: 1, steps: 1000 };
/** One that trains for long, so that it is still at it whatever the machine. */
export const LONGER: Settings = { ...SMALL, share: 0.3, steps: 20_000 };

/** Waits until an element says this. */
export const says = (page: Page, id: string, text: RegExp, timeout?: number) =>
  page.locator(`#${id}`).filter({ hasText: text }).waitFor(timeout === undefined ? {} : { timeout });

/** A download by a button. */
export async function saved(page: Page, button: string): Promise<{ name: string; bytes: Uint8Array }> {
  const [download] = await Promise.all([page.waitForEvent("download"), page.click(button)]);
  return { name: download.suggestedFilename(), bytes: await Deno.readFile(await download.path()) };
}
