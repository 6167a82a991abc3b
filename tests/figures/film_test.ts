/**
 * The film of attention: what its page holds, and, where there is a browser, that it plays there by mouse and by keys, and shows its still
 * without scripts.
 */
import { assert, assertEquals, assertMatch, assertStringIncludes, assertThrows } from "@std/assert";
import { canBrowse, launch, SOON } from "../chromium.ts";
import { attentionFilm } from "../../lib/figures/attention/film.ts";
import { shade } from "../../lib/figures/attention/shared.ts";
import type { Reel } from "../../lib/figures/attention/player.ts";
import { made, several } from "../studies/attention_runs.ts";

/** A weight is a byte: half of its step, and as much for rounding a colour. */
const BYTE = 1.01 / 255;
/** What the page's script gets. */
const reelOf = (html: string): Reel => JSON.parse(html.match(/\{"svg":.*?\}(?=, \(\(exports)/)![0]);

Deno.test("film: as many frames as are asked for, the first and the last reading among them; their weights, and what is said of each", () => {
  const run = made({ seed: 2 }), { html, still } = attentionFilm([run], { frames: 12 }), { frames, weights, title } = reelOf(html);
  assertEquals([frames.length, title], [12, still.title]);
  assertEquals(frames[0].words, "Step 0 · before memorisation · training 0 %, validation 0 %");
  assertMatch(frames.at(-1)!.words, /^Step 2,000 · generalised · training 100 %, validation 100 %$/);
  assert(frames.every(({ x }, i) => i === 0 || x >= frames[i - 1].x), "the cursor goes on");
  const bytes = Array.from(atob(weights), (letter) => letter.charCodeAt(0)), each = 4 * 10;
  assertEquals(bytes.length, 12 * each);
  // The last query of layer 0 head 1, in the last frame: key 1 has nearly all.
  const { mean } = run.readings.at(-1)!, at = (1 * 4 + 3) * 4, last = bytes.slice(11 * each + 10 + 6, 11 * each + 10 + 10);
  last.forEach((byte, key) => assert(Math.abs(byte / 255 - mean[at + key]) < BYTE, `${byte} for ${mean[at + key]}`));
  assert(last[1] > 250);
  assertEquals(reelOf(attentionFilm([made({ preset: "boundaries" })], { frames: 2 }).html).frames.length, 2);
});

Deno.test("film: small, whole in itself, of the run asked for", () => {
  const runs = several(3, { model: { heads: 4 } }), film = attentionFilm(runs, { seed: 2 });
  const shown = (film as unknown as Record<symbol, () => Record<string, string>>)[Symbol.for("Jupyter.display")]();
  assert("text/html" in shown && shown["text/html"].length < 300_000, `${shown["text/html"].length}`);
  assert(!/(src|href)="(?!data:)|https?:\/\/(?!www\.w3\.org)|import\(/.test(film.html), "asks nothing of a server");
  assertStringIncludes(film.still.svg, "Seed 2 of 3");
  assertStringIncludes(reelOf(film.html).svg, "Seed 2 of 3");
  assertEquals(attentionFilm(runs).html, attentionFilm(runs).html);
  assertThrows(() => attentionFilm(runs, { seed: 9 }), Error, "Cannot film attention: seed must be one of 0, 1, 2, current value is 9");
  assertThrows(() => attentionFilm(runs, { frames: 1 }), Error, "frames must be a whole number from 2 on, current value is 1");
});

Deno.test({
  name: "film in Chromium: two on a page, each with its own slider and button; a still without scripts",
  ignore: !canBrowse,
  fn: async () => {
    const run = made({ seed: 2 }), film = attentionFilm([run], { frames: 12 }), { frames } = reelOf(film.html);
    await using stack = new AsyncDisposableStack();
    const chrome = await launch();
    stack.defer(() => chrome.close());
    const open = async (scripts: boolean) => {
      const page = await (await chrome.newContext({ javaScriptEnabled: scripts, viewport: { width: 900, height: 700 } })).newPage();
      const errors: string[] = [];
      page.setDefaultTimeout(SOON);
      page.on("pageerror", ({ message }) => errors.push(message));
      await page.setContent(`<!doctype html><meta charset="utf-8">${film.html}<p>and again</p>${film.html}`);
      return { page, errors };
    };

    const { page, errors } = await open(true);
    const [first, second] = [0, 1].map((i) => page.getByRole("slider", { name: "Moment of training" }).nth(i));
    const value = async (slider: typeof first) => Number(await slider.inputValue());
    assertEquals([await page.getByRole("button", { name: "Play" }).count(), await value(first)], [2, 0]);
    await first.focus();
    await page.keyboard.press("End");
    assertEquals([await value(first), await first.getAttribute("aria-valuetext"), await value(second)], [11, frames[11].words, 0]);
    const square = page.locator("[aria-description=attention] rect");
    assertEquals(await square.nth(10 + 7).getAttribute("fill"), shade(Math.round(255 * run.readings.at(-1)!.mean[29]) / 255));
    await page.getByText(frames[11].words).waitFor();

    // The second, moved by its button alone: it plays to its end, and then can be played again.
    // It plays for a second and a half, which a busy machine may not see in time: so the page itself keeps what its button was called.
    const button = page.getByRole("button", { name: "Play" }).nth(1);
    const called = await button.evaluateHandle((element) => {
      const names: (string | null)[] = [];
      const { MutationObserver } = globalThis as unknown as {
        MutationObserver: new (look: () => void) => { observe(element: unknown, options: object): void };
      };
      new MutationObserver(() => names.push(element.getAttribute("aria-label"))).observe(element, { attributes: true });
      return names;
    });
    await button.focus();
    await page.keyboard.press("Enter");
    await page.waitForFunction(() => {
      const { document } = globalThis as unknown as {
        document: { querySelectorAll(s: string): ArrayLike<{ shadowRoot: { querySelector(s: string): { value: string } } }> };
      };
      return document.querySelectorAll("[data-grokbook]")[1].shadowRoot.querySelector("input").value === "11";
    });
    await page.getByRole("button", { name: "Pause" }).waitFor({ state: "detached" });
    assertEquals([...new Set(await called.jsonValue())], ["Pause", "Play"]);
    assertEquals([await value(first), await value(second), errors], [11, 11, []]);

    const plain = (await open(false)).page.locator("img").first();
    assertEquals(await plain.getAttribute("alt"), film.still.title);
    const { width, height } = (await plain.boundingBox())!;
    assertEquals([Math.round(width), Math.round(height)], [film.still.width, film.still.height]);
  },
});
