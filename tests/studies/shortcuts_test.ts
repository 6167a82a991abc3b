/** The study of shortcuts: the same budget for every method, and its questions put to runs whose answers are known, and to the record. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { join } from "node:path";
import { differenceFigure } from "../../lib/figures/differences.ts";
import { recordedRuns } from "../../lib/notebook/sweep.ts";
import type { Metrics } from "../../lib/run/metrics.ts";
import type { RunSpec } from "../../lib/run/spec.ts";
import * as study from "../../lib/studies/shortcuts/mod.ts";

const METHODS = [study.BASELINE, ...study.SHORTCUT_METHODS, study.TOGETHER];

/** A run that passes at a step, or never, with a validation accuracy at the end. */
const ran = (spec: RunSpec, grokkingStep: number | null, valAcc = 0) => ({
  ...{ spec, status: "finished", step: study.HORIZON, memorisationStep: 50, grokkingStep },
  metrics: [{ step: study.HORIZON, valAcc } as Metrics],
});

Deno.test("shortcuts: every method is tuned with as many runs, on seeds that aren't tested on", () => {
  for (const method of METHODS) {
    assertEquals(study.cellsOf(method).length, study.CELLS, method.name);
    for (const cell of study.cellsOf(method)) {
      const runs = study.SHORTCUTS_TUNING.runs.map((spec) => ran(spec, null));
      assertEquals(study.runsAt(runs, method, cell).map(({ spec }) => spec.seed), study.TUNING_SEEDS, method.name);
    }
  }
  assertEquals(study.TUNING_SEEDS.filter((seed) => study.TEST_SEEDS.includes(seed)), []);
  assertEquals([...new Set(study.SHORTCUTS.runs.map(({ seed }) => seed))], study.TEST_SEEDS);
});

Deno.test("shortcuts: tuning prefers the sooner cell, then the higher accuracy, and says where one stands at an edge", () => {
  const tuned = (step: (spec: RunSpec) => number | null) =>
    study.tuning(
      study.SHORTCUTS_TUNING.runs.map((spec) => ran(spec, step(spec), spec.optim.weightDecay === 3 ? 0.9 : 0.1)),
      study.BASELINE,
    );
  const best = tuned(({ optim, seed }) => optim.lr === 0.03 && optim.weightDecay === 1 ? 200 + seed : null)[0];
  // Steps 300 and 301 of two seeds.
  assertEquals([best.lr, best.weightDecay, best.n, best.grokked, best.mean, best.edge], [0.03, 1, 2, 2, 300.5, false]);
  const none = tuned(() => null)[0];
  assertEquals([none.lr, none.weightDecay, none.grokked, none.mean, none.edge], [0.01, 3, 0, study.HORIZON, true]);
});

Deno.test("shortcuts: sooner, later and not told apart, nevers counted with the horizon", () => {
  const steps: Record<string, (seed: number) => number | null> = {
    AdamW: (seed) => 300 + 10 * seed,
    Muon: (seed) => 100 + 10 * seed,
    SGD: () => null,
    Lion: (seed) => 310 + 10 * seed,
  };
  const named = METHODS.filter(({ name }) => name in steps).map(study.chosen);
  const runs = study.SHORTCUTS.runs.map((spec) => {
    const method = named.find((each) => study.runsAt([ran(spec, null)], each.method, each.cell).length > 0)?.method.name;
    return ran(spec, method === undefined ? null : steps[method](spec.seed));
  });
  const rows = study.shortcuts(runs, named[0], named.slice(1));
  assertEquals(rows.map(({ name, n, grokked, verdict }) => [name, n, grokked, verdict]), [
    ["Muon", 12, 12, "sooner"],
    ["Lion", 12, 12, "not told apart"],
    ["SGD", 12, 0, "later"],
  ]);
  assertEquals(rows.map(({ means, difference }) => [...means, difference]), [[155, 355, -200], [365, 355, 10], [1000, 355, 645]]);
  // Memorised at 50; of 300, 310, … 410 the middle.
  assertEquals(study.waits(runs, named[0]), {
    ...{ name: "AdamW", n: 12, memorised: { count: 12, median: 50 }, grokked: { count: 12, median: 355 } },
  });
  assertEquals(study.differenceFinding(rows, "AdamW"), "Against AdamW: Muon sooner; SGD later; Lion not told apart");
  // What isn't told apart may still be sooner: no title says that none is.
  const titles = [["SGD", "Lion"], ["Muon", "SGD"]].map((some) =>
    study.differenceFinding(rows.filter(({ name }) => some.includes(name)), "AdamW")
  );
  assertEquals(titles, [
    "Against AdamW: SGD later; Lion not told apart",
    "Against AdamW: Muon sooner; SGD later",
  ]);
  const published = study.besidePublished(study.SHORTCUT_METHODS, rows).filter(({ method }) => method === "Muon");
  assertEquals(published.map(({ source }) => source), ["Tveit et al. 2025", "Essential AI 2025"]);
  assert(published.every(({ here }) => here.startsWith("sooner: −") && here.endsWith("12 of 12 grok")), published[0].here);
  const options = { of: "restricted mean", baseline: "AdamW", title: "x" };
  const { svg } = differenceFigure(rows.map((row) => ({ ...row, told: row.verdict !== "not told apart" })), options);
  assertEquals(svg.match(/aria-description="difference"[^]*?<\/g>/)![0].match(/<circle/g)!.length, 3);
  assert(svg.includes("−200 (") && svg.includes("645 ("));
});

Deno.test("shortcuts: a method that was added is tested once its cell is chosen, and until then refused by name", () => {
  const mine = { ...study.MUON, name: "Mine" };
  assertEquals(
    assertThrows(() => study.chosen(mine), Error).message,
    "Cannot test Mine: CHOSEN in lib/studies/shortcuts/experiments.ts must have the best cell of its tuning, current value is none",
  );
  assertEquals(study.testOf([mine, study.MUON]).map(({ optim }) => optim), [study.MUON.optim(study.CHOSEN.Muon)]);
  assertEquals(study.untested([study.MUON, mine]), [
    "Not tested: Mine. Add the best cell of the tuning to `CHOSEN` in `lib/studies/shortcuts/experiments.ts`.",
  ]);
  assertEquals(study.untested(study.SHORTCUT_METHODS), []);
});

Deno.test("shortcuts: of a sweep that isn't finished, methods with all of their runs are compared, and the others are named", () => {
  const halted = (spec: RunSpec, step: number) => ({ ...ran(spec, null), status: step > 0 ? "stopped" : "waiting", step, metrics: [] });
  // Of each cell one run has ended, the other hasn't; Lion's have all ended.
  const tuning = study.SHORTCUTS_TUNING.runs.map((spec) =>
    spec.optim.rule === "lion" || spec.seed === study.TUNING_SEEDS[0] ? ran(spec, 300) : halted(spec, 40)
  );
  const lion = study.SHORTCUT_METHODS.find(({ name }) => name === "Lion")!;
  const progress = [study.MUON, lion].map((method) => study.tuningProgress(tuning, method));
  assertEquals([study.unfinished("The tuning", progress), study.tuning(tuning, lion)[0].mean], [
    ["The tuning isn't finished: Muon (9 of 18 runs)."],
    300,
  ]);
  assertEquals(
    assertThrows(() => study.tuning(tuning, study.MUON), Error).message,
    "Cannot choose a cell for Muon: all 18 runs of its tuning must have ended, current value is 9",
  );
  const base = study.chosen(study.BASELINE), others = [study.MUON, lion].map(study.chosen);
  const compared = (isOpen: (spec: RunSpec) => boolean) =>
    study.shortcuts(study.SHORTCUTS.runs.map((spec) => isOpen(spec) ? halted(spec, 0) : ran(spec, 300 + spec.seed)), base, others);
  assertEquals(compared(({ optim, seed }) => optim.rule === "muon" && seed === 5).map(({ name, n }) => [name, n]), [["Lion", 12]]);
  assertEquals(compared(({ optim, seed }) => optim.rule === "adamw" && seed === 5), []);
});

Deno.test("shortcuts: the cells that are tested are those that the recorded tuning chose", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const runs = await recordedRuns([study.SHORTCUTS_TUNING], { db: join(folder, "lab.db") });
    const best = [...METHODS, ...study.WITHOUT_DECAY].map((method) => {
      const [{ lr, weightDecay }] = study.tuning(runs, method);
      return [method.name, { lr, weightDecay }];
    });
    assertEquals(Object.fromEntries(best), study.CHOSEN);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
