/** Looking into a network: what is drawn is what the weights say. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { decode } from "fast-png";
import { DOMParser } from "linkedom";
import { embedding, inside, outputHead } from "../../lib/analysis/network/weights.ts";
import { weightNormCurve } from "../../lib/figures/curves.ts";
import { dashboard } from "../../lib/figures/dashboard.ts";
import { embeddingFigure, headFigure, inOrder, insideFigure, insideFinding, isCircle } from "../../lib/figures/inside.ts";
import { TRAIN, VALIDATION } from "../../lib/figures/theme.ts";
import { initialise, layout } from "../../lib/run/layout.ts";
import { type RunSpec, runSpec, sizes } from "../../lib/run/spec.ts";

/** Coordinates are rounded to hundredths of a pixel. */
const ROUNDED = 0.05;

/** Very small, with tokens before the elements. */
const SPEC = runSpec({ model: { layers: 1, dModel: 8, heads: 1 }, data: { prime: 7 }, seed: 3 });

/** Flat parameters with a value at one place of a named tensor, zero elsewhere. */
function only(spec: RunSpec, name: string, put: (at: readonly number[]) => number): Float32Array<ArrayBuffer> {
  const { length, tensors } = layout(spec), flat = new Float32Array(length);
  const { dims: [rows, columns], strides, offset } = tensors.find((tensor) => tensor.name === name)!;
  for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) flat[offset + i * strides[0] + j * strides[1]] = put([i, j]);
  return flat;
}

Deno.test("the embedding is that of the elements alone, the head has a column an answer", () => {
  const { C, D, firstElement } = sizes(SPEC);
  const E = embedding(SPEC, only(SPEC, "embed.W_E", ([token, d]) => 100 * token + d));
  assertEquals([E.rows, E.columns, E.values[0], E.values[D * C - 1]], [C, D, 100 * firstElement, 100 * (firstElement + C - 1) + D - 1]);
  const U = outputHead(SPEC, only(SPEC, "unembed.W_U", ([d, c]) => 10 * d + c));
  assertEquals([U.rows, U.columns, U.values[C], U.values[D * C - 1]], [D, C, 10, 10 * (D - 1) + C - 1]);
});

Deno.test("numbers follow each other on their circle by the angle 2πka / p", () => {
  assertEquals(inOrder(1, 5), [0, 1, 2, 3, 4]);
  assertEquals(inOrder(2, 7), [0, 4, 1, 5, 2, 6, 3]);
});

Deno.test("the picture of the head: vermilion above zero, blue below, white at zero, the largest weight in full colour", () => {
  const head = { rows: 1, columns: 3, values: [2, -1, 0] };
  const url = insideFigure({ seed: 0, step: 0, embedding: { rows: 5, columns: 1, values: [1, 2, 3, 4, 5] }, head, reads: "neurons" }).svg
    .match(
      /data:image\/png;base64,([^"]+)/,
    );
  assert(url, "no picture");
  const { width, height, data, channels } = decode(Uint8Array.from(atob(url[1]), (letter) => letter.charCodeAt(0)));
  assertEquals([width % 3, height > 0, channels], [0, true, 3]);
  const pixel = (column: number) => Array.from(data.slice(3 * column * width / 3, 3 * column * width / 3 + 3));
  const hex = (color: string) => [1, 3, 5].map((at) => parseInt(color.slice(at, at + 2), 16));
  assertEquals(pixel(0), hex(VALIDATION.color));
  assertEquals(pixel(1), hex(TRAIN.color).map((full) => Math.round((255 + full) / 2)));
  assertEquals(pixel(2), [255, 255, 255]);
});

Deno.test("a network whose embedding is one circle is said to be, and every number stands on it", () => {
  const { C, firstElement } = sizes(SPEC);
  const circle = only(SPEC, "embed.W_E", ([token, d]) => {
    const angle = 2 * Math.PI * 2 * (token - firstElement) / C;
    return token < firstElement ? 9 : d === 1 ? Math.cos(angle) : d === 4 ? Math.sin(angle) : 0;
  });
  const seen = inside({ spec: SPEC, step: 40, params: circle });
  assertEquals([seen.seed, seen.step], [3, 40]);
  const finding = insideFinding(seen);
  assert(/^Two of 3 frequencies, 2 and [13], hold 100 % of the embedding$/.test(finding), finding);
  const { svg, title } = insideFigure(seen);
  assertEquals(title, finding);
  assertStringIncludes(svg, "100 % of the embedding");
  const dots = new DOMParser().parseFromString(svg, "image/svg+xml").querySelectorAll('[aria-description="frequency 2"] circle');
  const points = Array.from(
    dots as Iterable<{ getAttribute(name: string): string }>,
    (dot) => ["cx", "cy"].map((name) => Number(dot.getAttribute(name))),
  );
  assertEquals(points.length, C);
  const middle = [0, 1].map((axis) => points.reduce((sum, point) => sum + point[axis], 0) / C);
  const radii = points.map(([x, y]) => Math.hypot(x - middle[0], y - middle[1]));
  assert(Math.min(...radii) > 50 && Math.max(...radii) - Math.min(...radii) < ROUNDED, radii.join(" "));
});

Deno.test("the dashboard has the curves, and the weights where they are given", () => {
  const metrics = [0, 10, 20].map((step) => ({
    ...{ step, trainLoss: 1 / (step + 1), trainAcc: 1, valLoss: 1, valAcc: step / 20, weightNorm: 5 + step, gradNorm: 1 },
    ...{ batchLoss: 1, batchAcc: 1, noisyAcc: NaN },
  }));
  const runs = [{ spec: SPEC, metrics, memorisationStep: 0, grokkingStep: 20 }];
  const without = dashboard(runs), whole = dashboard(runs, { inside: inside({ spec: SPEC, step: 20, params: initialise(SPEC) }) });
  for (const label of ["Accuracy", "Loss (cross-entropy, nats)", "Norm of all weights"]) {
    assertStringIncludes(without.svg, `>${label}<`);
    assertStringIncludes(whole.svg, `>${label}<`);
  }
  assert(
    !without.svg.includes("Output head") && whole.svg.includes(">Output head W_U<") && whole.svg.includes("inside seed 3 at step 20"),
  );
  assertEquals(without.title, whole.title);
  // Each panel alone.
  const seen = inside({ spec: SPEC, step: 20, params: initialise(SPEC) }), head = headFigure(seen), embedding = embeddingFigure(seen);
  assert(head.svg.includes(">Output head W_U<") && !head.svg.includes(">frequency"));
  assert(!embedding.svg.includes("Output head") && embedding.title === insideFinding(seen));
  assertStringIncludes(weightNormCurve(runs).svg, ">Norm of all weights<");
  assertEquals(weightNormCurve(runs).title, without.title);
  assertEquals(dashboard([{ ...runs[0], metrics: [] }]).width, whole.width);
});

Deno.test("a line goes round where numbers form a circle, and through no tangle; names don't cover each other", () => {
  const p = 47,
    k = 5,
    at = (a: number, noise: number) => {
      const angle = 2 * Math.PI * k * a / p;
      return [Math.cos(angle) + noise * Math.sin(7 * a * a), Math.sin(angle) + noise * Math.cos(11 * a * a)];
    };
  const points = (noise: number) => inOrder(k, p).map((a) => ({ x: at(a, noise)[0], y: at(a, noise)[1] }));
  assertEquals([isCircle(points(0)), isCircle(points(0.05)), isCircle(points(1))], [true, true, false]);
  const drawn = (noise: number) => {
    const values = Array.from({ length: p }, (_, a) => at(a, noise)).flat(), head = { rows: 1, columns: 1, values: [1] };
    const svg = embeddingFigure({ seed: 0, step: 0, embedding: { rows: p, columns: 2, values }, head, reads: "neurons" }).svg;
    const document = new DOMParser().parseFromString(svg, "image/svg+xml");
    const places = [...document.querySelectorAll("text")].filter((text) => /^\d+$/.test(text.textContent)).map((text) => {
      // Its place in the panel, and its own shift from the dot.
      const [at, shift] = [text, text.parentElement!].map((each) =>
        (each.getAttribute("transform")?.match(/-?[\d.]+/g) ?? [0, 0]).map(Number)
      );
      return { panel: text.closest("svg"), x: at[0] + shift[0], y: at[1] + shift[1] };
    });
    const covered = places.some((a, i) =>
      places.slice(0, i).some((b) => a.panel === b.panel && Math.abs(a.x - b.x) < 14 && Math.abs(a.y - b.y) < 10)
    );
    return {
      circles: document.querySelectorAll('[aria-description="circle"]').length,
      said: svg.includes("no circle"),
      covered,
      names: places.length,
    };
  };
  const [circle, tangle] = [drawn(0), drawn(1)];
  assert(circle.names > 10 && !circle.covered && !tangle.covered);
  assertEquals([circle.circles > 0, tangle.circles, tangle.said], [true, 0, true]);
});
