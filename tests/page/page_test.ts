/** The page as a student meets it, in headless Chromium: it trains to a grok, controls, links and exports hold, whatever host serves it. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { checksum } from "../../lib/run/files.ts";
import { fragmentOf } from "../../lib/page/settings.ts";
import { folder, train } from "../cli/train_process.ts";
import { canBrowse, launch } from "../chromium.ts";
import { files, ISOLATED, LONG, LONGER, open, PLAIN, saved, says, serve, SMALL } from "./browser.ts";

const steps: { readonly name: string; readonly fn: (chrome: Browser) => Promise<void> }[] = [];
/** What is to be tested in the one browser that is started. */
const test = (name: string, fn: (chrome: Browser) => Promise<void>) => void steps.push({ name, fn });

/** The step that the line beside the buttons names. */
const stepOf = async (page: Page) => Number((await page.innerText("#speed")).match(/[Ss]tep ([\d,]+)/)?.[1].replaceAll(",", "") ?? NaN);

test("less than a megabyte, compressed, that asks for nothing of Node's", async () => {
  let bytes = 0;
  for (const [name, file] of await files()) {
    const packed = new Blob([file]).stream().pipeThrough(new CompressionStream("gzip"));
    bytes += (await new Response(packed).arrayBuffer()).byteLength;
    if (name.endsWith(".js")) assertEquals(new TextDecoder().decode(file).match(/"(node|npm|jsr):[^"]*"/g), null, name);
  }
  assert(bytes < 1e6, `${bytes} bytes`);
});

test("trains to a grok, shows the network inside, and exports what the command line trains to the same bits", async (chrome) => {
  await using server = serve(await files(), ISOLATED);
  const { page, errors, hosts } = await open(chrome, server.address + fragmentOf(SMALL));
  await page.click("#start");
  await says(page, "engine", /^WebAssembly, \d+ threads?$/);
  await says(page, "finding", /^The network memorises around step \d+ but generalises|^The network generalises as/, LONG);
  await says(page, "which", /Seed 0\s*grokked at \d+/);
  await page.locator("#neurons figure:nth-child(6) svg").waitFor();
  assertEquals(await page.locator("#accuracy svg, #loss svg, #spectrum svg, #attention svg, #circle-0 svg, #neurons svg").count(), 5 + 6);
  await says(page, "answers-words", /422 of the 423 pairs that train|423 of the 423/, LONG);

  // The network before its first update guesses; the newest one adds.
  await page.fill("#ask-a", "20");
  await page.fill("#ask-b", "9");
  await says(page, "reply", /20 \+ 9 → 6\s*with (> )?\d+/);
  await page.locator("#when").press("Home");
  await says(page, "when-words", /^step 0 of/);
  await says(page, "answers-words", /answers \d{1,2} of the 423/);
  for (let i = 0; i < 3; i++) await page.locator("#when").press("ArrowRight");
  await says(page, "when-words", /^step 60 of/);

  const setting = await saved(page, "#save-setting"),
    weights = await saved(page, "#save-weights"),
    curves = await saved(page, "#save-curves");
  assertEquals(setting.name, "grokbook-x_plus_y-23-seed-0-step-60-setting.json");
  await folder(async (path) => {
    await Deno.writeFile(path(setting.name), setting.bytes);
    const { code, stderr } = await train(
      "--config",
      path(setting.name),
      "--engine",
      "cpu",
      "--save",
      path("weights"),
      "--metrics",
      path("m.csv"),
    );
    assertEquals(code, 0, stderr);
    assertEquals(checksum(await Deno.readFile(join(path("weights"), "seed_0.safetensors"))), checksum(weights.bytes));
    const rows = (await Deno.readTextFile(path("m.csv"))).trim();
    assert(new TextDecoder().decode(curves.bytes).startsWith(rows), "the first evaluations are the same, digit for digit");
  });
  assertMatch(
    await page.innerText("#command"),
    /^deno task train --config grokbook-x_plus_y-23-seed-0-step-60-setting\.json --engine cpu --save weights\n# run [0-9a-f]{16}$/,
  );
  assertEquals([...hosts], [new URL(server.address).host]);
  assertEquals(errors, []);
});

test("start, pause, step and reset; a control counts from the next start, a link restores the setting", async (chrome) => {
  await using server = serve(await files(), ISOLATED);
  const { page, errors } = await open(chrome, server.address + fragmentOf(LONGER));
  await page.click("#start");
  await says(page, "speed", /^Step [1-9][\d,]* of 20,000/, LONG);
  await page.click("#start");
  await says(page, "speed", /paused$/);
  // What was under way arrives, on a busy machine after seconds; then it stands still, long before its end.
  let paused = -1;
  for (const end = performance.now() + 20_000; performance.now() < end && paused !== await stepOf(page);) {
    paused = await stepOf(page);
    await page.waitForTimeout(1000);
  }
  assertEquals(await stepOf(page), paused);
  assert(paused < 20_000, "paused before its end");
  await page.click("#step");
  await page.waitForFunction(`!document.querySelector("#speed").textContent.startsWith("Step ${paused.toLocaleString("en")} ")`);
  assertMatch(await page.innerText("#speed"), /paused$/);

  await page.locator("#decay").press("Home");
  await page.locator("#pending").waitFor();
  assertMatch(page.url(), /decay=0(&|$)/);
  await page.click("#reset");
  await says(page, "speed", /^1 network, 20,000 steps at most$/);
  await page.click("#preset-random");
  assertEquals(await page.inputValue("#operation"), "random");
  assertEquals(await page.getAttribute("#preset-random", "aria-pressed"), "true");

  const other = await page.context().newPage();
  await other.goto(page.url());
  assertEquals(await other.inputValue("#operation"), "random");
  await other.locator("#decay").press("ArrowRight");
  await page.goto(other.url());
  assertEquals(await page.getAttribute("#decay", "aria-valuetext"), "1.5");
  assertEquals(errors, []);
});

test("a broken link, and a modulus that the operation refuses, are said in a sentence, with a way on", async (chrome) => {
  await using server = serve(await files(), ISOLATED);
  const { page } = await open(chrome, `${server.address}#prime=many`);
  await says(page, "notice-text", /^Cannot use this link: prime must be a number, current value is "many"$/);
  await page.click("#notice-ways button");
  assert(await page.locator("#notice").isHidden());

  await page.selectOption("#operation", "x_div_y");
  await page.locator("#prime").press("ArrowRight");
  await says(page, "refused", /^Cannot use this run: prime must be a prime number for x_div_y, current value is 48\./);
  await page.getByRole("button", { name: "Use 47" }).click();
  assert(await page.locator("#refused").isHidden());
  assertEquals(await page.getAttribute("#prime", "aria-valuetext"), "47: 2,162 pairs");
});

test("a host without headers: the service worker isolates the page, and serves it when the host is gone", async (chrome) => {
  const server = serve(await files(), PLAIN);
  const { page } = await open(chrome, server.address + fragmentOf(LONGER));
  // On a busy machine the page doesn't wait until its service worker has kept all files; it is isolated the next time.
  if (!await page.evaluate("crossOriginIsolated")) {
    assert(await page.evaluate<number>("performance.now()") >= 5000, "its patience ran out");
    await page.waitForFunction("navigator.serviceWorker.ready");
    await page.reload();
    await page.locator("#engine").filter({ hasNotText: /^Loading/ }).waitFor();
  }
  assert(await page.evaluate("crossOriginIsolated"));
  await page.waitForFunction("navigator.serviceWorker.controller !== null");
  await server[Symbol.asyncDispose]();
  await page.reload();
  await page.click("#start");
  await says(page, "engine", /^WebAssembly, \d+ threads?$/);
  await says(page, "speed", /^Step [1-9][\d,]* of 20,000/, LONG);
});

test("without service workers and headers one thread trains; without WebAssembly a sentence says what is needed", async (chrome) => {
  await using server = serve(await files(), PLAIN);
  const { page, errors } = await open(chrome, server.address + fragmentOf(LONGER), {
    serviceWorkers: "block",
    viewport: { width: 360, height: 740 },
  });
  await page.click("#start");
  await says(page, "engine", /^WebAssembly, 1 thread$/);
  await says(page, "speed", /^Step [1-9][\d,]* of 20,000/, LONG);
  await page.locator("#views:not([hidden])").waitFor();
  assertEquals(await page.evaluate("document.documentElement.scrollWidth - innerWidth"), 0);
  assertEquals(errors, []);

  const { page: without } = await open(chrome, server.address, { serviceWorkers: "block" }, "delete globalThis.WebAssembly");
  await says(without, "notice-text", /^Cannot train here: this browser must have WebAssembly with threads and SIMD, it has not\./);
});

Deno.test({
  name: "page: in Chromium",
  ignore: !canBrowse,
  fn: async (t) => {
    await using chrome = await launch();
    for (const { name, fn } of steps) await t.step(name, () => fn(chrome));
  },
});
