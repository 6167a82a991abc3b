/**
 * The README's picture of the page: the first setting after its training.
 *
 *     deno run -A tests/page/picture.ts
 */
/// <reference lib="dom" />
import { decode } from "fast-png";
// @ts-types="@types/upng-js"
import UPNG from "upng-js";
import { ROOT } from "../../lib/cli/process.ts";
import { writeWhole } from "../../lib/run/files.ts";
import { launch } from "../chromium.ts";
import { files, ISOLATED, LONG, open, serve } from "./browser.ts";

/** The page has few colours: so many keep the picture small. */
const COLOURS = 64;

await using server = serve(await files(), ISOLATED);
await using chrome = await launch();
const { page } = await open(chrome, server.address, { viewport: { width: 1180, height: 1500 } });
await page.click("#tour-hide");
await page.click("#start");
await page.locator("#speed").filter({ hasText: /^Done/ }).waitFor({ timeout: 3 * LONG });
await page.waitForTimeout(3000); // the last figures
// What is to be seen is brought together.
await page.addStyleTag({ content: ".lead, .tour { display: none !important } .train { margin-top: 12px }" });
await page.evaluate(() => scrollTo(0, 0));
const box = (await page.locator(".stage").boundingBox())!; // the page has it
const png = decode(await page.screenshot({ clip: { x: 0, y: 0, width: 1180, height: Math.ceil(box.y + box.height + 10) } }));
const { width, height, data, channels } = png, pixels = new Uint8Array(4 * width * height).fill(255);
for (let at = 0; at < width * height; at++) for (let c = 0; c < 3; c++) pixels[4 * at + c] = data[channels * at + c];
const small = new Uint8Array(UPNG.encode([pixels.buffer], width, height, COLOURS)), path = `${ROOT}/data/recorded/demo/page.png`;
await writeWhole(path, small);
console.log(`${path}: ${width} × ${height}, ${Math.ceil(small.length / 1024)} KiB`);
