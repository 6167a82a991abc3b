/** The figures of sweeps, from constructed runs and rows: which marks and words they draw, in every state that a sweep can be in. */
import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { DOMParser } from "linkedom";
import { boardTitle, medianWord, shareWord } from "../../lib/figures/settings.ts";
import { type MapRow, successMap } from "../../lib/figures/success_map.ts";
import { sweepBoard } from "../../lib/figures/sweep.ts";
import type { Figure } from "../../lib/figures/theme.ts";
import { type Grid, grid, range } from "../../lib/lab/experiment.ts";
import type { RunSpec } from "../../lib/run/spec.ts";
import { type BoardRun, outcome } from "../../lib/analysis/runs/run.ts";
import { grokkingQuantile } from "../../lib/analysis/runs/times.ts";
import { type Setting, settingsOf } from "../../lib/analysis/runs/settings.ts";

const STEPS = 2000;

/** What became of a run: how far it is, and when it memorised and grokked. */
type Fate = Partial<Omit<BoardRun, "spec">>;
const waits: Fate = {};
const trains = (step: number, memorisationStep: number | null = null): Fate => ({ status: "training", step, memorisationStep });
const groks = (grokkingStep: number): Fate => ({ status: "finished", step: STEPS, memorisationStep: 100, grokkingStep });
const never: Fate = { status: "finished", step: STEPS, memorisationStep: 100 };
const fails: Fate = { status: "failed", step: 40 };

const board = (specs: readonly RunSpec[], fate: (spec: RunSpec, i: number) => Fate): BoardRun[] =>
  specs.map((spec, i) => ({ spec, status: "waiting", step: 0, memorisationStep: null, grokkingStep: null, ...fate(spec, i) }));
const runs = (lists: Grid) => grid({ preset: "boundaries", schedule: { steps: STEPS }, ...lists });

const decays = runs({ optim: { weightDecay: [1, 0.1, 0.5] }, seed: range(5) });
/** 0.1: none of five. 0.5: three of five. 1: all, around step 500. */
const finished = board(
  decays,
  ({ optim: { weightDecay }, seed }) =>
    weightDecay === 1 ? groks(300 + 100 * seed) : weightDecay === 0.5 && seed < 3 ? groks(1000 + 10 * seed) : never,
);

/** The figure as XML; fails where it isn't well-formed or holds a coordinate that isn't a number. */
function parsed(figure: Figure) {
  const tags = figure.svg.replaceAll(/<(\w+)((?:\s+[\w:-]+="[^"<]*")*)\s*\/>/g, "").match(/<\/?[a-zA-Z]+/g) ?? [];
  const open: string[] = [];
  for (const tag of tags) {
    if (tag.startsWith("</")) assertEquals(open.pop(), tag.slice(2));
    else open.push(tag.slice(1));
  }
  assertEquals(open, []);
  assert(!/NaN|Infinity|undefined|null/.test(figure.svg), "a coordinate that is not a number");
  return new DOMParser().parseFromString(figure.svg, "image/svg+xml");
}

/** How many shapes the marks of this description have. */
const marks = (figure: Figure, description: string) =>
  [...parsed(figure).querySelectorAll(`[aria-description="${description}"]`)]
    .flatMap((group) => [...group.querySelectorAll("path, line, circle, rect")]).length;

/** The words of a figure, words of several lines joined. */
const texts = (figure: Figure) =>
  [...parsed(figure).querySelectorAll("text")].map((text) => {
    const lines = [...text.querySelectorAll("tspan")].map((line) => line.textContent);
    return (lines.length > 0 ? lines.join(" ") : text.textContent).replaceAll("\u00a0", " ");
  });
const title = (settings: readonly Setting[]) => boardTitle(settings).replaceAll("\u00a0", " ");
const titled = (runs: readonly BoardRun[]) => title(settingsOf(runs).settings);

Deno.test("a run is what its own steps show of it", () => {
  const [spec] = decays;
  const state = (fate: Fate) => outcome(board([spec], () => fate)[0]).state;
  assertEquals([waits, trains(10), { status: "stopped", step: 10 }, groks(300), never, fails].map(state), [
    "waiting",
    "training",
    "stopped",
    "grokked",
    "never",
    "diverged",
  ]);
  assertEquals(state({ status: "elsewhere", step: 10 }), "training");
  // It went on for another experiment, and grokked there: within these steps it never did.
  const longer = outcome(board([spec], () => ({ status: "finished", step: 9000, memorisationStep: 100, grokkingStep: 8000 }))[0]);
  assertEquals([longer.state, longer.grokked, longer.memorised, longer.watched], ["never", null, 100, STEPS]);
});

Deno.test("settings are what differs besides the seed, sorted by size; what follows from another field isn't named", () => {
  const { fields, settings } = settingsOf(board(decays, () => waits));
  assertEquals(fields.map(({ name, distinct, numeric }) => [name, distinct, numeric]), [["weight decay", ["0.1", "0.5", "1"], true]]);
  assertEquals(settings.map(({ runs }) => runs.map(({ seed }) => seed)), Array(3).fill([0, 1, 2, 3, 4]));
  const named = (specs: readonly RunSpec[]) =>
    settingsOf(board(specs, () => waits)).settings.map(({ name }) => name.replaceAll("\u00a0", " "));
  assertEquals(named(runs({ model: { dModel: [64, 32] }, optim: { lr: [1e-3] } })), ["d_model 32", "d_model 64"]);
  assertEquals(named(runs({ data: { operation: ["x_minus_y", "x_plus_y"] }, optim: { weightDecay: [1, 0.1] } })), [
    "operation x − y · weight decay 0.1",
    "operation x − y · weight decay 1",
    "operation x + y · weight decay 0.1",
    "operation x + y · weight decay 1",
  ]);
  assertEquals(named(runs({ seed: range(3) })), [""]);
  const pairs = [[23, 32], [47, 64]].map(([prime, dModel]): Grid => ({
    data: { prime },
    model: { dModel, dMlp: 2 * dModel, initSigma: 1 / dModel },
  }));
  assertEquals(named(grid(...pairs)), ["d_model 32 · p 23", "d_model 64 · p 47"]);
  // A width that is swept by itself is named.
  assertEquals(named(runs({ model: { dMlp: [128, 256] } })), ["d_mlp 128", "d_mlp 256"]);
});

Deno.test("quantiles count what never grokked as later than all, and wait for runs that may change them", () => {
  const of = (...fates: Fate[]) => board(decays.slice(0, fates.length), (_, i) => fates[i]).map(outcome);
  assertEquals(grokkingQuantile(of(groks(300), groks(400), groks(500)), 0.5), 400);
  assertEquals(grokkingQuantile(of(groks(300), groks(400), never), 0.5), 400);
  assertEquals(grokkingQuantile(of(groks(300), never, never), 0.5), Infinity);
  assertEquals(grokkingQuantile(of(groks(300), never, fails), 0.5), Infinity);
  // Watched to step 350, the third may still grok before the second did; at step 450 no more.
  assertEquals(grokkingQuantile(of(groks(300), groks(400), trains(350)), 0.5), null);
  assertEquals(grokkingQuantile(of(groks(300), groks(400), trains(450)), 0.5), 400);
  assertEquals(grokkingQuantile(of(groks(300), waits, never), 0.5), null);
  assertEquals(grokkingQuantile([], 0.5), null);
  assertEquals([of(groks(300), groks(1400), never), of(groks(300), never, never), of(trains(10), waits), of(fails)].map(medianWord), [
    "1,400",
    "> 2,000",
    "",
    "–",
  ]);
  assertEquals([of(groks(300), never), of(trains(10), waits), of(waits, waits)].map(shareWord), ["1 of 2", "0 of 2", ""]);
});

Deno.test("the title says how far a sweep is while it goes on, and what it found at its end", () => {
  const first = (n: number, fate: Fate, rest: Fate = waits) => board(decays, (_, i) => i < n ? fate : rest);
  assertEquals(titled(first(0, waits)), "None of 15 runs has begun");
  assertEquals(titled(first(5, trains(10))), "None of 15 runs has grokked so far; 5 in training, 10 waiting");
  assertEquals(titled(first(5, groks(300), trains(500))), "5 of 15 runs have grokked so far; 10 in training");
  assertEquals(titled(first(1, groks(300), { status: "stopped", step: 500 })), "1 of 15 runs has grokked so far; 14 stopped");
  assertEquals(
    titled(board(decays, (_, i) => [groks(300), never, fails, waits][Math.min(i, 3)])),
    "1 of 15 runs has grokked so far; 12 waiting, 1 ended without, 1 diverged",
  );
  assertEquals(titled(first(15, { ...groks(300), status: "training", step: 900 })), "15 of 15 runs have grokked; 15 train on");
  assertEquals(titled(finished), "8 of 15 networks grok, earliest median with weight decay 1: step 500; with weight decay 0.1 none does");
  assertEquals(
    titled(first(5, groks(300), never)),
    "5 of 15 networks grok, earliest median with weight decay 1: step 300; at 2 of 3 settings none does",
  );
  assertEquals(
    titled(first(5, groks(300), groks(400))),
    "All 15 networks grok, earliest median with weight decay 1: step 300, latest with weight decay 0.1 and weight decay 0.5: step 400",
  );
  assertEquals(titled(first(0, waits, never)), "None of 15 networks groks within 2,000 steps");
  assertEquals(titled(first(14, never, fails)), "None of 15 networks groks within 2,000 steps; 1 diverged");
  assertEquals(titled(first(1, groks(300), never)), "1 of 15 networks groks; at no setting more than half of them, within 2,000 steps");
  assertEquals(titled(first(0, waits, groks(300)).slice(0, 5)), "All 5 networks grok, around step 300");
  assertEquals(titled(first(0, waits, groks(300)).slice(0, 1)), "The network groks, at step 300");
  assertEquals(titled([]), "No runs");
});

Deno.test("a row a setting: a line as far as each seed is trained, its marks, and the counts at the right", () => {
  const figure = sweepBoard(finished);
  assertEquals(["memorised", "grokked", "not grokked", "trained", "in training"].map((mark) => marks(figure, mark)), [15, 8, 7, 15, 0]);
  // A median where at least half grokked; a band where three quarters did.
  assertEquals([marks(figure, "median grokked"), marks(figure, "middle half")], [2, 1]);
  const words = texts(figure);
  for (const word of ["Weight decay", "0.1", "0.5", "1", "Grokked", "0 of 5", "3 of 5", "5 of 5", "Median", "> 2,000", "1,020", "500"]) {
    assert(words.includes(word), word);
  }
  assertMatch(words.join(" "), /x \+ y mod 97, trained on 50 % of all pairs\. One row per setting, one line per seed\./);
});

Deno.test("while it goes on, what waits has no mark, what trains has a tick at its step, and the axis stays", () => {
  const going = board(
    decays,
    ({ optim: { weightDecay }, seed }) => weightDecay === 1 ? trains(600 + seed, 100) : weightDecay === 0.5 && seed === 0 ? fails : waits,
  );
  const figure = sweepBoard(going);
  assertEquals(["memorised", "grokked", "not grokked", "diverged", "trained", "in training"].map((mark) => marks(figure, mark)), [
    5,
    0,
    0,
    1,
    6,
    5,
  ]);
  assert(texts(figure).includes("0 of 5") && texts(figure).includes("2,000"));
  const next = sweepBoard(going.map((run) => run.status === "training" ? { ...run, step: run.step + 500 } : run));
  const axis = (figure: Figure) => texts(figure).filter((word) => /^[\d,]+$/.test(word));
  assertEquals([axis(next), next.height], [axis(figure), figure.height]);
  // Lines are longer, in pixels, by what was trained.
  const ends = (figure: Figure) =>
    [...parsed(figure).querySelectorAll('[aria-description="trained"] line')].map((line) => Number(line.getAttribute("x2")));
  assertEquals(ends(next).filter((end, i) => end > ends(figure)[i]).length, 5);
});

Deno.test("several fields make a table of names, in which values that repeat are said once", () => {
  const specs = runs({ model: { layers: [1, 2], dModel: [32, 64] }, optim: { lr: [1e-3, 3e-3] }, seed: range(2) });
  const figure = sweepBoard(board(specs, () => groks(300)));
  const words = texts(figure);
  for (const head of ["Layers", "d_model", "Learning rate"]) assert(words.includes(head), head);
  // Decimals of words are not rounded as coordinates are.
  assertEquals([words.filter((word) => word === "0.001").length, words.filter((word) => word === "0.003").length], [4, 4]);
  assertEquals([words.filter((word) => word === "32").length, words.filter((word) => word === "64").length], [2, 2]);
});

Deno.test("with many settings: a cell a setting where a field makes columns, else thin rows", () => {
  const specs = runs({ model: { dModel: [32, 64, 96, 128, 192] }, optim: { weightDecay: range(1, 13) }, seed: range(3) });
  const cells = sweepBoard(
    board(specs, ({ model, seed }, i) => i === 0 ? trains(50) : model.dModel === 32 && seed > 0 ? never : groks(300)),
  );
  assertEquals(["setting", "grokked", "not grokked", "open"].map((mark) => marks(cells, mark)), [60, 155, 24, 1]);
  assertEquals(texts(cells).filter((word) => word === "300").length, 48);
  for (const word of ["d_model", "192", "Weight decay", "12"]) assert(texts(cells).includes(word), word);

  const decay = sweepBoard(board(runs({ optim: { weightDecay: range(60).map((i) => i / 10) }, seed: range(3) }), () => groks(300)));
  assertEquals([marks(decay, "grokked"), marks(decay, "median grokked")], [180, 60]);
  assert(
    texts(decay).includes("Weight decay") && texts(decay).filter((word) => /^\d\.\d$/.test(word)).length >= 20,
    "every other row is named",
  );

  const random = range(60).map((i): Grid => ({ optim: { lr: 1e-4 * (1 + i), weightDecay: ((i * 37) % 60) / 10 } }));
  const fast = (i: number) => 100 + 10 * ((i * 17) % 60);
  const sorted = sweepBoard(board(grid(...random), (_, i) => groks(fast(i))));
  assert(texts(sorted).includes("60 settings, by median"));
  const heights = [...parsed(sorted).querySelectorAll('[aria-description="grokked"] circle')].map((dot) => [
    Number(dot.getAttribute("cy")),
    Number(dot.getAttribute("cx")),
  ]).sort(([a], [b]) => a - b);
  assert(heights.every(([, x], i) => i === 0 || x >= heights[i - 1][1]), "in the order of grokking");
});

Deno.test("boards of no runs, of one, and of each state are whole, on either axis, and the same runs give the same bytes", () => {
  for (const specs of [[], decays.slice(0, 1), decays]) {
    for (const fate of [waits, trains(0), trains(900, 100), groks(300), never, fails]) {
      for (const x of ["log", "linear"] as const) parsed(sweepBoard(board(specs, () => fate), { x }));
    }
  }
  assertEquals(sweepBoard(finished).svg, sweepBoard(finished).svg);
  assertEquals(sweepBoard(finished, { title: "<mine> & yours" }).title, "<mine> & yours");
});

const row = (weight_decay: number, ratio: number, grokked: number, median: number | null, open = 0): MapRow => ({
  weight_decay,
  ratio,
  n_runs: 5,
  n_grokked: grokked,
  n_open: open,
  median_grokking_step: median,
  pct_grokked: open === 5 ? null : Math.round(1000 * grokked / (5 - open)) / 10,
});
const cells = [row(0.1, 0.7423, 0, null), row(0.1, 1.2371, 2, null), row(1, 0.7423, 4, 3400), row(1, 1.2371, 5, 1200)];

Deno.test("a map of success: the share by colour, the median as text, never and open cells marked", () => {
  const map = successMap(cells, { x: "ratio", y: "weight_decay" });
  const shares = [...parsed(map).querySelectorAll('[aria-description="share"] rect')].map((cell) =>
    Number(cell.getAttribute("fill-opacity"))
  );
  assertEquals(shares.length, 3);
  assert(shares[0] < shares[1] && shares[1] < shares[2], "the fuller, the more grok");
  const words = texts(map);
  for (
    const word of ["none", "–", "3,400", "1,200", "0 of 5", "2 of 5", "4 of 5", "5 of 5", "0.742", "1.24", "Weight decay", "d_model / p →"]
  ) {
    assertEquals(words.filter((each) => each === word).length, word === "none" ? 2 : 1, word); // in the key, too
  }
  assertEquals(marks(map, "not done"), 0);
  assertEquals(
    map.title.replaceAll("\u00a0", " "),
    "Every network groks at 1 of 4 settings, none at 1; earliest median with weight decay 1 · d_model / p 1.24: step 1,200",
  );

  const open = successMap([...cells, row(3, 0.7423, 2, 900, 3), row(3, 1.2371, 0, null, 5)], { x: "ratio", y: "weight_decay" });
  assertEquals([marks(open, "not done"), marks(open, "setting")], [2, 6]);
  assert(texts(open).includes("2 of 5") && open.title.endsWith("2 settings not done"));
  // The view alone, without the column that tells how many are open.
  const { n_open: _, ...without } = row(3, 1.2371, 0, null, 5);
  assertEquals(marks(successMap([without], { x: "ratio", y: "weight_decay" }), "not done"), 1);
});

Deno.test("larger values are higher, and maps of any size are whole", () => {
  const map = successMap(cells, { x: "ratio", y: "weight_decay" });
  const place = (word: string) => {
    const text = [...parsed(map).querySelectorAll("text")].find((text) => text.textContent === word)!;
    return text.getAttribute("transform")!.match(/-?[\d.]+/g)!.map(Number);
  };
  const [[xSmall], [xLarge], [, ySmall], [, yLarge]] = ["0.742", "1.24", "0.1", "1"].map(place);
  assert(xLarge > xSmall && yLarge < ySmall);
  for (const [n, m] of [[1, 1], [30, 3], [3, 40]]) {
    const rows = range(n).flatMap((x) => range(m).map((y) => row(y, x, (x + y) % 6, (x + y) % 6 > 2 ? 100 * x : null)));
    const whole = successMap(rows, { x: "ratio", y: "weight_decay", task: "x + y mod 97" });
    assertEquals(marks(whole, "setting"), n * m);
  }
  parsed(successMap([], { x: "ratio", y: "weight_decay" }));
});

Deno.test("a map refuses rows that it can't place, each in one line", () => {
  const message = (rows: MapRow[], x = "ratio") => assertThrows(() => successMap(rows, { x, y: "weight_decay" }), Error).message;
  assertMatch(
    message(cells, "width"),
    /^Cannot draw this map: its rows must have a column width, current value is weight_decay, ratio, .*$/,
  );
  assertMatch(message([{ ...cells[0], ratio: "wide" }]), /ratio must be a number, current value is "wide"$/);
  assertMatch(message([cells[0], cells[0]]), /two rows with ratio 0\.7423, weight_decay 0\.1; choose among them with WHERE$/);
});
