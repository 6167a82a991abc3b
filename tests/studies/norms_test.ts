/** The study of norms: its questions put to runs whose answers are known. */
import { assertEquals } from "@std/assert";
import { contrastTimes } from "../../lib/analysis/statistics/contrasts.ts";
import type { Metrics } from "../../lib/run/metrics.ts";
import type { RunSpec } from "../../lib/run/spec.ts";
import * as norms from "../../lib/studies/norms/mod.ts";

const STEPS = 1000;
/** A run that passes at a step, or never; its norm is 1 for the start and 2 for that evaluation. */
const ran = (spec: RunSpec, grokkingStep: number | null) => ({
  ...{ spec, status: "finished", step: STEPS, memorisationStep: 50, grokkingStep },
  metrics: [0, grokkingStep ?? STEPS].map((step, i) => ({ step, weightNorm: 1 + i, trainAcc: 1, valAcc: i / 2 }) as Metrics),
});

Deno.test("norms: scales and weight decays against 1, within strata, at the width with ten seeds", () => {
  const runs = norms.NORMS_MAP.runs.map((spec) => {
    const { model: { initScale, dModel }, optim: { weightDecay }, seed } = spec;
    // At the other widths the order is the opposite: they must not count.
    return ran(spec, dModel !== 32 ? 50 : initScale === 4 ? null : 100 * initScale + 10 * seed + (weightDecay === 0.3 ? 300 : 0));
  });
  const rows = contrastTimes([...norms.byScale(runs), ...norms.byDecay(runs)]);
  assertEquals(rows.map(({ of, first, second, n, events, verdict }) => [of, first, second, n, events, verdict]), [
    ["Initial scale", "0.5", "1", [30, 30], [30, 30], -1],
    ["Initial scale", "2", "1", [30, 30], [30, 30], 1],
    ["Initial scale", "4", "1", [30, 30], [0, 30], 1],
    ["Weight decay", "0.3", "1", [40, 40], [30, 30], 1],
    ["Weight decay", "3", "1", [40, 40], [30, 30], 0],
  ]);
  const [cell] = norms.normsAtGrokking(runs.filter(({ spec }) => spec.model.dModel === 32));
  assertEquals(cell, {
    ...{ scale: 0.5, decay: 0.3, n: 10, memorised: 10, grokked: 10, step: 50 + 45 + 300, start: 1, atGrokking: 2, range: [2, 2] },
    others: { end: [null, null], best: null },
  });
  assertEquals(contrastTimes(norms.byDecayAtScales(runs)).map(({ of, first, second, n, verdict }) => [of, first, second, n, verdict]), [
    ["Weight decay at initial scale 0.5", "0.3", "1", [10, 10], 1],
    ["Weight decay at initial scale 1", "0.3", "1", [10, 10], 1],
    ["Weight decay at initial scale 2", "0.3", "1", [10, 10], 1],
    ["Weight decay at initial scale 4", "0.3", "1", [10, 10], 0],
  ]);
});

Deno.test("norms: what one weight decay does isn't told of the others, and networks that collapse are in the table of norms", () => {
  // With weight decay 1 and 3, networks that start four times as large learn nothing and their weights shrink away; else scales are alike.
  const runs = norms.NORMS_MAP.runs.map((spec) => {
    const { model: { initScale, dModel }, optim: { weightDecay }, seed } = spec, isLost = initScale === 4 && weightDecay !== 0.3;
    const run = ran(spec, dModel !== 32 ? 50 : isLost ? null : 100 + 10 * seed);
    const lost = [0, 500, STEPS].map((step, i) => ({ step, weightNorm: 30 / (1 + i + seed), trainAcc: 0.05 * i * (2 - i), valAcc: 0 }));
    return isLost ? { ...run, memorisationStep: null, metrics: lost as unknown as Metrics[] } : run;
  });
  const told = (rows: ReturnType<typeof contrastTimes>): unknown[][] =>
    rows.map(({ of, first, second, n, verdict }) => [of, first, second, n, verdict]);
  assertEquals(told(contrastTimes(norms.byScale(runs))).at(-1), ["Initial scale", "4", "1", [30, 30], 1]);
  assertEquals(
    told(contrastTimes(norms.byScaleAtDecays(runs))),
    norms.DECAYS.flatMap((decay) => {
      const row = (scale: string, verdict: number) => [`Initial scale at weight decay ${decay}`, scale, "1", [10, 10], verdict];
      return [row("0.5", 0), row("2", 0), row("4", decay === 0.3 ? 0 : 1)];
    }),
  );
  const cells = norms.normsAtGrokking(runs.filter(({ spec }) => spec.model.dModel === 32));
  // Norms at the end from 30 / 12 to 30 / 3, and 5 % of the training pairs right in between.
  assertEquals(
    cells.filter(({ grokked }) => grokked === 0),
    [1, 3].map((decay): norms.NormRow => ({
      ...{ scale: 4, decay, n: 10, memorised: 0, grokked: 0, step: null, start: 5.5 },
      ...{ atGrokking: null, range: [null, null], others: { end: [2.5, 10], best: 5 } },
    })),
  );
});

Deno.test("norms: held against free, and held scales against each other", () => {
  const runs = norms.NORMS_HELD.runs.map((spec) => ran(spec, norms.isHeld(spec) ? 200 * spec.model.initScale + spec.seed : null));
  const rows = contrastTimes([...norms.heldOrFree(runs), ...norms.byHeldScale(runs)]);
  assertEquals(rows.map(({ of, first, events, verdict }) => [of, first, events, verdict]), [
    ["Initial scale 0.5", "held norm", [10, 0], -1],
    ["Initial scale 1", "held norm", [10, 0], -1],
    ["Initial scale 2", "held norm", [10, 0], -1],
    ["Initial scale 4", "held norm", [10, 0], -1],
    ["Held norm", "initial scale 1", [10, 10], 1],
    ["Held norm", "initial scale 2", [10, 10], 1],
    ["Held norm", "initial scale 4", [10, 10], 1],
  ]);
});

Deno.test("norms: every control has its ten runs, and is compared with the plain network", () => {
  const groups = norms.controlGroups(norms.NORMS_CONTROLS.runs.map((spec) => ran(spec, spec.model.mixer === "none" ? 100 : null)));
  assertEquals(groups.map(({ name, runs }) => [name, runs.length]), norms.CONTROLS.map(({ name }) => [name, 10]));
  const rows = contrastTimes(norms.controls(groups.flatMap(({ runs }) => runs)));
  assertEquals(rows.map(({ first, verdict }) => [first, verdict]).at(-1), ["no attention", -1]);
  assertEquals(rows.map(({ second }) => second), Array(5).fill("the plain network"));
  const end = { name: "no attention", n: 10, memorised: 10, memorisedAt: 50, grokked: 10, trainAcc: 100, valAcc: 50 };
  assertEquals(norms.endOfControls(groups).at(-1), end);
});

Deno.test("norms: of a sweep that isn't finished, no median is told that open runs may change, and a control has its row once all have ended", () => {
  const halted = (spec: RunSpec, step: number) => ({ ...ran(spec, null), status: step > 0 ? "stopped" : "waiting", step, metrics: [] });
  const groups = norms.controlGroups(norms.NORMS_CONTROLS.runs.map((spec) => {
    return spec.model.mixer === "none" ? ran(spec, 100) : halted(spec, spec.model.mixer === "uniform" ? 0 : 40);
  }));
  assertEquals(norms.endOfControls(groups).map(({ name, n }) => [name, n]), [["no attention", 10]]);
  const cell = norms.NORMS_MAP.runs.filter(({ model, optim }) => model.dModel === 32 && model.initScale === 1 && optim.weightDecay === 1);
  // Six of ten grok at 100 or 300; the median of all is 300 if the four that are open take longer, and 100 if they grok next.
  const step = (open: number) =>
    norms.normsAtGrokking(cell.map((spec) => spec.seed < open ? halted(spec, 40) : ran(spec, spec.seed < 8 ? 100 : 300)))[0].step;
  assertEquals([step(0), step(4)], [100, null]);
});
