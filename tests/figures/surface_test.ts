/** The surface that a reader can turn: its scene, its drawing, and its page in a real browser. */
import { assert, assertAlmostEquals, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { polygons3D } from "d3-3d";
import { canBrowse, launch, SOON } from "../chromium.ts";
import { drawScene, type Scene, type Shape } from "../../lib/figures/boundary/scene.ts";
import { goodView, sceneOf } from "../../lib/figures/boundary/surface_scene.ts";
import { surfaceView } from "../../lib/figures/boundary/surface_view.ts";
import { grid, range } from "../../lib/lab/experiment.ts";
import type { BoardRun } from "../../lib/analysis/runs/run.ts";
import { surfaceOf } from "../../lib/analysis/boundary/surface.ts";

const DIMS = [96, 192, 384], DECAYS = [0.1, 1, 10];
/** Medians by decay (rows, from 0.1 up) and width; `null`: none of five groks within the steps. */
const runsOf = (medians: readonly (readonly (number | null)[])[], steps = 20_000): BoardRun[] =>
  grid({
    preset: "boundaries",
    model: { dModel: DIMS.slice(0, medians[0].length) },
    optim: { weightDecay: DECAYS.slice(0, medians.length) },
    schedule: { steps },
    seed: range(5),
  }).map((spec) => {
    const median = medians[DECAYS.indexOf(spec.optim.weightDecay)][DIMS.indexOf(spec.model.dModel)];
    return {
      spec,
      status: "finished",
      step: steps,
      memorisationStep: 10,
      grokkingStep: median === null ? null : median + 10 * (spec.seed - 2),
    };
  });
const MEDIANS = [[null, null, 8000], [null, 4000, 2000], [2000, 1000, 500]];
const scene = (medians: readonly (readonly (number | null)[])[]) => sceneOf(surfaceOf(runsOf(medians)));
const of = ({ shapes }: Scene, kind: Shape["kind"]) => shapes.filter((shape) => shape.kind === kind);

Deno.test("a dot at each median, at its height; a triangle where most had not grokked, at the step they were watched to", () => {
  const drawn = scene(MEDIANS), dots = of(drawn, "dot"), flags = of(drawn, "flag");
  assertEquals([dots.length, flags.length], [6, 3]);
  const height = (step: number) => dots.find(({ says }) => says!.endsWith(`median step ${step.toLocaleString("en-US")}`))!.points[0][2];
  // Thousandths of the box are drawn. Logarithmic: each doubling as high as the other, and nothing above what was watched.
  assertAlmostEquals(height(1000) - height(500), height(8000) - height(4000), 0.0021);
  for (const { points: [[, , z]], says } of flags) {
    assertMatch(says!, /: 0 of 5 grok within 20,000 steps$/);
    assertAlmostEquals(z, height(500) + (height(1000) - height(500)) * Math.log2(40), 0.01);
    assert(z > Math.max(...dots.map(({ points: [[, , z]] }) => z)));
  }
  assertEquals(drawn.floor.filter(({ kind }) => kind === "face").length, 3);
  assertEquals(drawn.floor.filter(({ kind }) => kind === "line").length, 4);
});

Deno.test("the surface has no holes: it goes through every median and every triangle, grey and see-through where one is near", () => {
  const grey = (face: Shape) => face.fill!.startsWith("rgba");
  const tops = (medians: readonly (readonly (number | null)[])[]) => {
    const drawn = scene(medians), faces = of(drawn, "face"), points = faces.flatMap(({ points }) => points.map(String));
    const marks = [...of(drawn, "dot"), ...of(drawn, "flag")];
    return { through: marks.every(({ points: [top] }) => points.includes(String(top))), faces };
  };
  for (
    const medians of [MEDIANS, [[100, 200], [300, 700]], [[null, 200], [300, 700]], [[null, 200], [300, null]], [[100, null], [null, null]]]
  ) {
    assert(tops(medians).through, JSON.stringify(medians));
  }
  // It covers the whole floor: the areas of its faces, seen from above, are those of the box.
  const area = ({ points: [[x1, y1], , [x2, y2]] }: Shape) => Math.abs((x2 - x1) * (y2 - y1));
  assertAlmostEquals(tops(MEDIANS).faces.reduce((sum, face) => sum + area(face), 0), 4, 0.02);
  assertEquals(tops([[100, 200], [300, 700]]).faces.filter(grey).length, 0);
  assert(tops([[null, 200], [300, 700]]).faces.every(grey));
  // Where nothing was watched there is nothing to lay.
  const waiting = runsOf([[100, 200], [300, 700]]).map((run) =>
    run.spec.optim.weightDecay === 1 && run.spec.model.dModel === 192 ? { ...run, status: "waiting", step: 0, grokkingStep: null } : run
  );
  assertEquals(of(sceneOf(surfaceOf(waiting)), "face").length, 0);
});

Deno.test("what is nearer is drawn later, from whichever side it is seen; the axes stand before it", () => {
  const wall = (y: number, fill: string): Shape => ({ kind: "face", points: [[-1, y, -1], [1, y, -1], [1, y, 1], [-1, y, 1]], fill });
  const axis = (name: string) => ({ name, ticks: [{ at: -0.6, text: `${name} low` }, { at: 0.6, text: `${name} high` }] });
  const two: Scene = {
    size: { width: 400, height: 300 },
    scale: 80,
    axes: { x: axis("x"), y: axis("y"), z: axis("z") },
    floor: [],
    shapes: [wall(-0.5, "red"), wall(0.5, "blue")],
    colors: { ink: "#000", faint: "#666", grid: "#ddd" },
  };
  const order = (azimuth: number) =>
    [...drawScene(two, { azimuth, tilt: 0.5 }, polygons3D).matchAll(/fill="(red|blue)"/g)].map(([, color]) => color);
  assertEquals([order(0), order(Math.PI)], [["blue", "red"], ["red", "blue"]]);
  const at = (azimuth: number, text: string) => {
    const [, x, y] = drawScene(two, { azimuth, tilt: 0.5 }, polygons3D).match(
      new RegExp(`<text x="([\\d.-]+)" y="([\\d.-]+)"[^>]*>${text}<`),
    )!;
    return [Number(x), Number(y)];
  };
  // From the front, x runs to the right below the box, and seen from behind to the left.
  assert(at(0.1, "x low")[0] < at(0.1, "x high")[0] && at(0.1 + Math.PI, "x low")[0] > at(0.1 + Math.PI, "x high")[0]);
  for (const azimuth of [0.1, 1.7, 3.3, 4.9]) {
    assert(at(azimuth, "z low")[1] > at(azimuth, "z high")[1]);
    for (const name of ["x", "y", "z"]) {
      const [x, y] = at(azimuth, name);
      assert(x >= 0 && x <= 400 && y >= 0 && y <= 300);
    }
  }
  assert(!/NaN|undefined/.test(drawScene(two, { azimuth: 0, tilt: 0 }, polygons3D)));
});

Deno.test("the first view has what is high at the back", () => {
  for (const medians of [MEDIANS, MEDIANS.toReversed(), MEDIANS.map((row) => row.toReversed())]) {
    const drawn = scene(medians), svg = drawScene(drawn, goodView(drawn), polygons3D);
    const y = (mark: RegExp) => [...svg.matchAll(mark)].map(([, y]) => Number(y));
    const highest = Math.min(...y(/<circle cx="[\d.]+" cy="([\d.]+)"/g)), triangles = y(/<path d="M[\d.]+,([\d.]+)l5\.2/g);
    assert(triangles.every((each) => each < highest + 40), `${highest}: ${triangles}`);
  }
});

Deno.test("the figure: its finding, its picture, and less than 200 KB, alone and on a map of 153 cells", () => {
  const view = surfaceView(runsOf(MEDIANS));
  assertEquals(
    String(view).replaceAll("\u00a0", " "),
    "Networks grok earliest with d_model / p 3.96 and weight decay 10, median step 500, and latest with 3.96 and 0.1, step 8,000",
  );
  // With a run that hasn't ended, the setting with the earliest median is drawn, but isn't compared.
  const open = runsOf(MEDIANS).map((run): BoardRun =>
    run.grokkingStep === 480 ? { ...run, status: "waiting", step: 0, memorisationStep: null, grokkingStep: null } : run
  );
  assertEquals(
    String(surfaceView(open)).replaceAll("\u00a0", " "),
    "Of 8 finished settings, networks grok earliest with d_model / p 1.98 and weight decay 10, median step 1,000, " +
      "and latest with 3.96 and 0.1, step 8,000; 1 setting not done",
  );
  assertMatch(view.still.svg, /Triangle, at 3 of 9 settings/);
  assertEquals(Object.keys((view as unknown as Record<symbol, () => object>)[Symbol.for("Jupyter.display")]()), ["text/html"]);
  assert(!/(src|href)="(?!data:)|import\(|fetch\(/.test(view.html));
  assert(view.html.includes("Redistribution and use in source and binary forms"), "the library's licence travels with it");
  const many = grid({
    preset: "one-layer",
    model: { dModel: range(17).map((i) => 8 + 4 * i) },
    optim: { weightDecay: range(9).map((j) => 0.05 * 1.8 ** j) },
  })
    .map((spec): BoardRun => {
      const step = Math.round(40_000 / spec.model.dModel / (1 + spec.optim.weightDecay));
      return { spec, status: "finished", step: 900, memorisationStep: 10, grokkingStep: step < 900 ? step : null };
    });
  assert(surfaceView(many).page.length < 200_000, `${surfaceView(many).page.length}`);
});

Deno.test("what has no surface is refused", () => {
  assertThrows(
    () => surfaceView(runsOf([[1, 2, 3]])),
    Error,
    "Cannot draw a surface: weight decay must have at least two values, current value is 1",
  );
  const waiting = runsOf(MEDIANS).map((run) => ({ ...run, status: "waiting", step: 0, grokkingStep: null }));
  assertThrows(() => surfaceView(waiting), Error, "a setting must have been watched for long enough to judge, current value is none");
});

Deno.test({
  name:
    "in a browser: it turns by pointer and keys, two on a page by themselves, and asks nothing of a server; without scripts it is a picture",
  ignore: !canBrowse,
  fn: async () => {
    await using stack = new AsyncDisposableStack();
    const chrome = await launch();
    stack.defer(() => chrome.close());
    const view = surfaceView(runsOf(MEDIANS)), html = view.page.replace("</body>", `${view.html}</body>`);
    const page = await chrome.newPage({ viewport: { width: 760, height: 1200 } }), wrong: string[] = [];
    page.setDefaultTimeout(SOON);
    page.on("pageerror", (error) => wrong.push(String(error)));
    page.on("request", (request) => /^(data|about):/.test(request.url()) ? undefined : wrong.push(request.url()));
    await page.setContent(html);
    const scenes = () => page.locator("[data-scene]").evaluateAll((all) => all.map((each) => each.innerHTML));
    const svg = page.locator("[data-grokbook] > svg").first(), box = (await svg.boundingBox())!, [start] = await scenes();
    assertEquals(await scenes(), [start, start]);
    assertMatch((await svg.getAttribute("aria-label"))!, /Arrow keys turn it/);
    const [x, y] = [box.x + 300, box.y + 300];
    await page.mouse.move(x, y);
    await page.mouse.down();
    await page.mouse.move(x + 120, y + 30, { steps: 3 });
    await page.mouse.up();
    const [dragged, other] = await scenes();
    assert(dragged !== start && other === start);
    await page.mouse.move(x, y, { steps: 3 });
    assertEquals((await scenes())[0], dragged);
    await svg.focus();
    for (const key of ["ArrowLeft", "ArrowUp", "ArrowRight", "ArrowDown"]) {
      const [before] = await scenes();
      await page.keyboard.press(key);
      assert((await scenes())[0] !== before, key);
    }
    await page.keyboard.press("Home");
    assertEquals(await scenes(), [start, start]);
    assertEquals(
      await page.locator("[data-scene] circle title").first().textContent(),
      "d_model / p 3.96, weight decay 0.1: 5 of 5 grok, median step 8,000",
    );
    assertEquals(wrong, []);

    const still = await (await chrome.newContext({ javaScriptEnabled: false })).newPage();
    await still.setContent(html);
    assertEquals([await still.locator("img").count(), await still.locator("[data-grokbook] svg").count()], [2, 0]);
    const size = await still.locator("img").first().boundingBox();
    assertEquals([size!.width, size!.height], [view.still.width, view.still.height]);
  },
});
