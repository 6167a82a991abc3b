/**
 * How soon the page shows a curve after its button is pressed, and how smoothly it draws while it trains, in headless Chromium. Speed is
 * measured, not tested.
 *
 *     deno run -A tests/page/speed.ts [SECONDS]
 */
/// <reference lib="dom" />
import { launch } from "../chromium.ts";
import { files, ISOLATED, open, serve } from "./browser.ts";

/** What the page's window saw: frames of so many milliseconds each. */
interface Seen {
  readonly firstCurve: number;
  readonly frames: readonly number[];
}

/** In the page: presses the button, waits for a curve of two evaluations, then notes every frame. */
const watch = async (seconds: number): Promise<Seen> => {
  const frame = () => new Promise<number>(requestAnimationFrame);
  const began = performance.now();
  document.getElementById("start")!.click();
  while (!document.querySelector('#accuracy [aria-description="validation median"] path')) await frame();
  const firstCurve = performance.now() - began, frames: number[] = [];
  for (let last = await frame(), end = last + 1000 * seconds; last < end;) {
    const now = await frame();
    frames.push(now - last);
    last = now;
  }
  return { firstCurve, frames };
};

const seconds = Number(Deno.args[0] ?? 10);
await using server = serve(await files(), ISOLATED);
await using chrome = await launch();
for (const [name, viewport] of [["desktop", { width: 1280, height: 900 }], ["phone", { width: 390, height: 844 }]] as const) {
  const { page, context } = await open(chrome, server.address, { viewport });
  const { firstCurve, frames } = await page.evaluate(watch, seconds), sorted = frames.toSorted((a, b) => a - b);
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))].toFixed(0);
  console.log(
    `${name}: first curve after ${(firstCurve / 1000).toFixed(2)} s; ${
      (frames.length / seconds).toFixed(1)
    } frames a second while training, ` +
      `median ${at(0.5)} ms, 95 % within ${at(0.95)} ms, longest ${at(1)} ms; ${await page.innerText("#speed")}`,
  );
  await context.close();
}
