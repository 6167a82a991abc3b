/**
 * The lesson as a newcomer meets it: `deno task lab`, a click on 01, Kernel → Restart & Run All, in headless Chromium. The figure moves
 * while the networks train, all is right in the end, and the button ■ stops training but nothing else.
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { decode } from "fast-png";
import type { Locator, Page } from "playwright-core";
import { joined, projectNotebooks } from "../../lib/cli/notebooks.ts";
import { duration } from "../../lib/cli/progress.ts";
import { TRAIN, VALIDATION } from "../../lib/figures/theme.ts";
import { launch, SOON } from "../chromium.ts";
import { canBrowse, inJupyter, LONG, type OpenNotebook } from "./jupyter.ts";
import { book, committed, LESSON, shortfalls } from "./notebook_checks.ts";

/** The title of a live figure while it moves. */
const MOVING = /^Step ([\d,]+) of ([\d,]+): /;
/** The step that a title says, and of how many; NaN where it says none. */
const stepIn = (title: string) => (title.match(MOVING)?.slice(1) ?? []).map((number) => Number(number.replaceAll(",", "")));

/** One look at a live figure. */
interface Look {
  readonly title: string;
  /** What is drawn of the curves, and of the network from within. */
  readonly curves: string;
  readonly inside: string;
  /** What the figure says of the network from within: at which step it is shown; empty where there is none yet. */
  readonly words: string;
}

/** ms between two looks at a moving figure. */
const LOOK = 200;

/** The figure below a cell as it stands, all of it at one moment: it is replaced while it moves. `null` where there is none. */
const lookAt = (cell: Locator): Promise<Look | null> =>
  cell.evaluate((element) => {
    const figure = element.querySelector(".output_svg svg"), panels = [...figure?.querySelectorAll("svg") ?? []];
    if (!figure || panels.length === 0) return null;
    return {
      title: figure.querySelector(":scope > title")?.textContent ?? "",
      curves: panels[0].innerHTML,
      inside: panels.at(-1)!.innerHTML,
      // Without spaces: where a line breaks in between, there is none.
      words: figure.textContent!.replace(/\s+/g, "").match(/insideseed\d+atstep[\d,]+/)?.[0] ?? "",
    };
  });

/** Watches the figure below a cell until the cell has run: how it looked at each step that was seen, and the steps. */
async function film(cell: Locator): Promise<{ readonly steps: number[]; readonly looks: Look[] }> {
  const steps: number[] = [], looks: Look[] = [], prompt = cell.locator(".input_prompt"), until = performance.now() + LONG;
  for (; /\*/.test(await prompt.innerText()); await new Promise((resolve) => setTimeout(resolve, LOOK))) {
    if (performance.now() > until) {
      throw new Error(`The cell must have run within ${duration(LONG / 1000)}, seen at steps ${steps.join(", ")}`);
    }
    const look = await lookAt(cell), [step] = stepIn(look?.title ?? "");
    if (!look || step === undefined || step === steps.at(-1)) continue;
    steps.push(step);
    looks.push(look);
  }
  return { steps, looks };
}

/** Where a notebook's page has figures, and where it has tables. */
const FIGURES = ".output_svg", TABLES = ".output_html";

/** What of the figures and tables on a page can't be seen as it should; empty where nothing. */
async function hidden({ page }: OpenNotebook, which: string): Promise<string[]> {
  return await page.locator(which).evaluateAll((areas) =>
    areas.flatMap((area, i) => {
      const thing = area.querySelector("svg, table") ?? area, name = `output ${i + 1}, ${thing.localName}`;
      const [box, room] = [thing, area].map((element) => element.getBoundingClientRect());
      const within = (inner: typeof box, outer: typeof box) =>
        inner.left >= outer.left - 1 && inner.right <= outer.right + 1 && inner.top >= outer.top - 1 && inner.bottom <= outer.bottom + 1;
      const least = thing.localName === "svg" ? [500, 200] : [100, 40];
      const texts = [...area.querySelectorAll("svg text")].filter((text) => !within(text.getBoundingClientRect(), box));
      return [
        ...(box.width >= least[0] && box.height >= least[1] ? [] : [`${name}: ${box.width} × ${box.height} pixels`]),
        ...(within(box, room) ? [] : [`${name}: reaches out of the cell`]),
        ...(area.scrollWidth > area.clientWidth + 1 || area.scrollHeight > area.clientHeight + 1 ? [`${name}: has to be scrolled`] : []),
        ...(area.closest(".output_scroll") ? [`${name}: folded into a box that scrolls`] : []),
        ...texts.map((text) => `${name}: its words "${text.textContent}" reach out of it`),
      ];
    })
  );
}

/** How many pixels of a picture have a colour of the house exactly, and which share isn't white. */
function colours(png: Uint8Array) {
  const { data, channels, width, height } = decode(png);
  const hex = (at: number) => "#" + [0, 1, 2].map((c) => data[at + c].toString(16).padStart(2, "0")).join("");
  const all = Array.from({ length: width * height }, (_, i) => hex(channels * i)),
    is = (colour: string) => all.filter((one) => one === colour).length;
  return { train: is(TRAIN.color), validation: is(VALIDATION.color), inked: 1 - is("#ffffff") / all.length };
}

Deno.test({
  name: `${LESSON} in Chromium: Run All, the figure moves, and in the end everything is in its place`,
  ignore: !canBrowse,
  fn: async () => {
    const lesson = committed(LESSON), watched = lesson.cells.findIndex(({ source }) => joined(source).includes("await watch("));
    await inJupyter({ [LESSON]: lesson }, async (open) => {
      const notebook = await open(LESSON), { page } = notebook, cell = notebook.cell(watched);
      const began = performance.now();
      await notebook.restartAndRunAll();
      const { steps, looks } = await film(cell);
      await notebook.finished();
      console.log(
        `Run All took ${duration((performance.now() - began) / 1000)}; the first figure was seen at ${steps.length} steps from ${
          steps[0]
        } to ${steps.at(-1)}`,
      );

      const code = lesson.cells.filter((cell) => cell.cell_type === "code");
      assertEquals(await notebook.prompts(), code.map((_, i) => i + 1));
      assertEquals(shortfalls(LESSON, await notebook.save()), []);
      assert(steps.length >= 5 && steps.every((step, i) => i === 0 || step > steps[i - 1]), `seen at steps ${steps}`);
      assert(steps[0] < steps.at(-1)! / 2, `only seen from step ${steps[0]}`);
      // However fast it trains: the curves have grown from look to look, and the network from within changes with its words alone.
      assertEquals(new Set(looks.map(({ curves }) => curves)).size, looks.length, "different curves at each step");
      const states = Map.groupBy(looks.filter(({ words }) => words !== ""), ({ words }) => words);
      assert(states.size > 0, "the network from within was never seen");
      const within = [...states.values()].map((looks) => new Set(looks.map(({ inside }) => inside)));
      assert(within.every(({ size }) => size === 1), `one drawing of the network at each of ${[...states.keys()].join("; ")}`);
      assertEquals(new Set(within.flatMap((drawings) => [...drawings])).size, states.size, "different drawings of the network");
      const titles = await page.locator(".output_svg svg > title").allTextContents();
      assertEquals(titles.filter((title) => MOVING.test(title)), []);
      assertMatch(await cell.locator(".output_svg svg > title").first().textContent() ?? "", /^All 10 networks memorise/);

      // In a narrow window figures shrink; a wide table may have to be scrolled there. 1300: the dashboard fits.
      for (const [width, which] of [[1280, `${FIGURES}, ${TABLES}`], [800, FIGURES]] as const) {
        await page.setViewportSize({ width, height: 1300 });
        assertEquals(await hidden(notebook, which), [], `in a window of ${width} pixels`);
      }
      const { train, validation, inked } = colours(await cell.locator(".output_svg").screenshot());
      assert(train > 100 && validation > 100 && inked > 0.05, `the dashboard has ${train} blue, ${validation} vermilion pixels`);
    });
  },
});

/** Words in a figure that reach out of it, or that lie on others; numbers at ticks and points may touch. */
const crowded = (page: Page): Promise<string[]> =>
  page.locator("svg").first().evaluate((figure) => {
    const out = figure.getBoundingClientRect(),
      fields = [...figure.querySelectorAll("text")].map((text) => ({
        words: text.textContent ?? "",
        box: text.getBoundingClientRect(),
      })).filter(({ words }) => words.trim().length > 5);
    const beyond = fields.filter(({ box }) => box.left < out.left - 1 || box.right > out.right + 1 || box.bottom > out.bottom + 1);
    const onto = fields.flatMap((a, i) =>
      fields.slice(0, i).filter((b) =>
        Math.min(a.box.right, b.box.right) - Math.max(a.box.left, b.box.left) > 3 &&
        Math.min(a.box.bottom, b.box.bottom) - Math.max(a.box.top, b.box.top) > 6
      ).map((b) => `"${b.words}" and "${a.words}" lie on each other`)
    );
    return [...beyond.map(({ words }) => `"${words}" reaches out of the figure`), ...onto];
  });

Deno.test({
  name: "the words in every notebook's figures have room, in the fonts that this machine has",
  ignore: !canBrowse,
  fn: async () => {
    await using chrome = await launch();
    const page = await chrome.newPage({ viewport: { width: 1000, height: 900 } });
    page.setDefaultTimeout(SOON);
    const shown = async (svg: string) => {
      await page.setContent(svg);
      return await crowded(page);
    };
    const words = (x: number, words: string) => `<text x="${x}" y="40">${words}</text>`;
    const figure = (...texts: string[]) => `<svg xmlns="http://www.w3.org/2000/svg" width="300" height="60">${texts.join("")}</svg>`;
    assertEquals(await shown(figure(words(5, "a title"), words(200, "its end"))), []);
    assertEquals(await shown(figure(words(5, "a title"), words(280, "its end"))), ['"its end" reaches out of the figure']);
    assertEquals(await shown(figure(words(5, "a title"), words(20, "its end"))), ['"a title" and "its end" lie on each other']);

    const found: string[] = [];
    for (const name of projectNotebooks()) {
      for (const [i, { outputs = [] }] of committed(name).cells.entries()) {
        for (const { data = {} } of outputs) {
          const svg = data["image/svg+xml"];
          if (svg) found.push(...(await shown(joined(svg as string))).map((wrong) => `${name}, cell ${i + 1}: ${wrong}`));
        }
      }
    }
    assertEquals(found, []);
  },
});

Deno.test({
  name: "the button ■ stops training, keeps what was measured, and leaves the kernel alive",
  ignore: !canBrowse,
  fn: async () => {
    const scratch = book(
      'import { watch } from "../lib/mod.ts";\nimport { firstGrok } from "../lib/studies/lessons/mod.ts";',
      "const runs = await watch([firstGrok({ schedule: { steps: 100_000 } })]);",
      "console.log(runs[0].status, runs[0].metrics.length, runs[0].metrics.at(-1)?.step);",
    );
    await inJupyter({ "scratch.ipynb": scratch }, async (open) => {
      const notebook = await open("scratch.ipynb");
      await notebook.runAll();
      const title = notebook.cell(1).locator(".output_svg svg > title").first();
      // First that it gets ready, then how it comes on.
      await title.filter({ hasText: MOVING }).waitFor({ state: "attached", timeout: LONG });
      const began = await title.textContent() ?? "", [first] = stepIn(began);
      await title.filter({ hasNotText: began }).waitFor({ state: "attached", timeout: LONG });
      const status = notebook.cell(1).locator(".output_svg svg > text").last();
      assertMatch(await status.textContent() ?? "", /^(Training: step [\d,]+ of 100,000|Getting ready)/);
      await notebook.interrupt();
      await notebook.finished();

      const told = await notebook.cell(2).locator(".output_stdout").innerText();
      const [state, evaluations, last] = told.trim().split(" ");
      assertEquals(state, "stopped", told);
      assert(Number(evaluations) > 0 && Number(last) > first && Number(last) < 100_000, told);
      assertMatch(await status.textContent() ?? "", /^Stopped at step [\d,]+ of 100,000\. Run the cell again/);
      assertEquals(await notebook.prompts(), [1, 2, 3], "a kernel that was started again counts from 1");
      assertEquals(await notebook.cell(1).locator(".output_stderr, .output_error").count(), 0);
    });
  },
});

Deno.test({
  name: "a sweep says above its figure how far it is and what is left, and, stopped, that the cell goes on from there",
  ignore: !canBrowse,
  fn: async () => {
    const scratch = book(
      'import { grid, sweep } from "../lib/mod.ts";\nconst db = "lab.db"; // in the notebook\'s folder, which goes with it',
      `const runs = grid({ preset: "one-layer", model: { dModel: 16, heads: 2 }, data: { prime: 7 }, schedule: { steps: 2_000_000, evalEvery: 100 }, seed: [0, 1] });
await sweep({ name: "scratch", runs }, { db, recorded: false });`,
    );
    await inJupyter({ "scratch.ipynb": scratch }, async (open) => {
      const notebook = await open("scratch.ipynb"), status = notebook.cell(1).locator(".output_svg svg > text").last();
      await notebook.runAll();
      await status.filter({ hasText: /^Training: step [\d,]+ of 2,000,000 · [\d.]+ steps per second · \d+:\d\d(:\d\d)? left$/ })
        .waitFor({ state: "attached", timeout: LONG });
      await notebook.interrupt();
      await notebook.finished();
      assertMatch(
        await status.textContent() ?? "",
        /^Stopped at step [\d,]+ of 2,000,000\. Run the cell again, and it goes on from here$/,
      );
      assertEquals(await notebook.cell(1).locator(".output_stderr, .output_error").count(), 0);
    });
  },
});
