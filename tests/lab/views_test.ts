/** What a lab's tables and views say of runs: a column for every field, cells of the map, and counts of what never grokked. */
import { assertEquals } from "@std/assert";
import { grid, range } from "../../lib/lab/experiment.ts";
import { OVERVIEW } from "../../lib/lab/overview.ts";
import { findRun } from "../../lib/lab/probe.ts";
import { Lab } from "../../lib/lab/store.ts";
import { columnOf, ENTRIES } from "../../lib/run/fields.ts";
import { parameterCount } from "../../lib/run/layout.ts";
import { runSpec, specHash } from "../../lib/run/spec.ts";
import { scratch } from "./lab_files.ts";

Deno.test("every field of a run is a column", () =>
  scratch((path) => {
    using lab = Lab.open(path("a.db"));
    const spec = runSpec({ preset: "boundaries", model: { dModel: 144 }, seed: 5 });
    lab.declare({ name: "one", runs: [spec] });
    const [row] = lab.query("SELECT * FROM runs");
    const snake = (name: string) => name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
    for (const part of [spec.model, spec.data, spec.optim, { evalEvery: 10, seed: 5 }]) {
      for (const [field, value] of Object.entries(part)) {
        const column = field === "rule" ? "optimiser" : snake(field);
        assertEquals(row[column], typeof value === "boolean" ? Number(value) : value, field);
      }
    }
    assertEquals([row.hash, row.ratio, row.parameters], [specHash(spec), 1.4845, parameterCount(spec)]);
    assertEquals(lab.spec(1, spec.schedule.steps), spec);
  }));

/**
 * A lab with runs of one cell that grok at these steps; `null`: watched to step 1000 and didn't; `undefined`: not there yet, seen to step
 * 20; NaN: its loss broke after that.
 */
function cell(path: string, steps: readonly (number | null | undefined)[]): Lab {
  const lab = Lab.open(path);
  const specs = grid({
    preset: "boundaries",
    data: { prime: 23 },
    model: { dModel: 32 },
    schedule: { steps: 1000 },
    seed: range(steps.length),
  });
  for (const [i, id] of lab.declare({ name: "cell", rule: "sustained", runs: specs }).entries()) {
    const grok = steps[i], begun = grok === undefined || Number.isNaN(grok);
    lab.putMetrics(
      id,
      range(begun ? 3 : 101).map((n) => ({
        ...{ step: 10 * n, trainLoss: 1, trainAcc: n >= 2 ? 1 : 0, valLoss: 1, valAcc: 10 * n >= (grok ?? Infinity) ? 1 : 0 },
        ...{ weightNorm: 1, gradNorm: 1, batchLoss: NaN, batchAcc: NaN, noisyAcc: NaN },
      })),
    );
    lab.putMilestones(id);
    lab.run("UPDATE runs SET step = ?, status = ? WHERE id = ?", begun ? 20 : 1000, Number.isNaN(grok) ? "failed" : "finished", id);
  }
  return lab;
}

Deno.test("a cell of the map holds runs of one model, one rule and one horizon", () =>
  scratch((path) => {
    using lab = Lab.open(path("a.db"));
    const one = { data: { prime: 23 }, model: { dModel: 32 }, optim: { weightDecay: 1, lr: 1e-3 }, schedule: { steps: 1000 } } as const;
    const [encoder] = grid({ preset: "boundaries", ...one }), [decoder] = grid({ preset: "ai-scientist", ...one });
    lab.declare({ name: "encoder", rule: "sustained", runs: [encoder, { ...encoder, seed: 1 }] });
    lab.declare({ name: "decoder", runs: [decoder] });
    const rows = lab.query("SELECT n_runs, setting ->> '$.model.mask' AS mask, rule FROM phase_boundary ORDER BY n_runs");
    assertEquals(rows.map((row) => Object.values(row)), [[1, "causal", "first"], [2, "none", "sustained"]]);
  }));

const CELLS = ["ratio_sweep_stats", "phase_boundary"];

Deno.test("runs that differ in what usually follows from the width, in their steps or in their evaluations share no cell", () => {
  const base = { preset: "one-layer", model: { dModel: 8, heads: 1 }, data: { prime: 5 }, schedule: { steps: 60, evalEvery: 10 } } as const;
  const cases: [column: string, values: number[], more: object][] = [
    ["d_mlp", [8, 64], { model: { ...base.model, dMlp: [8, 64] } }],
    ["init_sigma", [0.1, 0.2], { model: { ...base.model, initSigma: [0.1, 0.2] } }],
    ["position_sigma", [1, 2], { model: { ...base.model, positionSigma: [1, 2] } }],
    ["eval_every", [10, 20], { schedule: { steps: 60, evalEvery: [10, 20] } }],
  ];
  for (const [column, values, more] of cases) {
    using lab = Lab.scratch();
    lab.declare({ name: "one", runs: grid({ ...base, ...more, seed: range(3) }) });
    for (const view of CELLS) {
      const rows = lab.query(`SELECT ${column}, n_runs, setting FROM ${view} ORDER BY ${column}`);
      assertEquals(rows.map((row) => [row[column], row.n_runs]), values.map((value) => [value, 3]), `${view} ${column}`);
      assertEquals(rows[0].setting, rows[1].setting);
    }
  }
  using lab = Lab.scratch();
  lab.declare({ name: "one", runs: grid({ ...base, seed: range(3) }, { ...base, schedule: { steps: 100, evalEvery: 10 }, seed: [3, 4] }) });
  for (const view of CELLS) {
    assertEquals(lab.query(`SELECT max_steps, n_runs FROM ${view} ORDER BY max_steps`), [{ max_steps: 60, n_runs: 3 }, {
      max_steps: 100,
      n_runs: 2,
    }]);
  }
});

Deno.test("a cell has every field of its runs in a column or in its setting, which is the same all over a map of widths", () => {
  using lab = Lab.scratch();
  const runs = grid({ preset: "one-layer", model: { dModel: [8, 16], heads: 1 }, data: { prime: [5, 7] }, optim: { weightDecay: [0, 1] } });
  lab.declare({ name: "map", runs });
  for (const view of CELLS) {
    const rows = lab.query(`SELECT * FROM ${view}`), [row] = rows, setting = JSON.parse(row.setting as string);
    assertEquals([rows.length, new Set(rows.map((row) => row.setting)).size], [8, 1]);
    const missing = ENTRIES.filter((entry) => {
      const { path, part, name, field: { extent, neutral } } = entry;
      const column = extent ? "max_steps" : columnOf(entry);
      return path !== "seed" && !Object.hasOwn(row, column) && neutral === undefined && !Object.hasOwn(setting[part!] ?? {}, name);
    });
    assertEquals(missing.map(({ path }) => path), [], view);
  }
});

Deno.test("a run of several experiments counts once in the map, as the one with the most steps sees it, and is found so", () => {
  using lab = Lab.scratch();
  const runs = (steps: number) => grid({ preset: "one-layer", model: { dModel: 8, heads: 1 }, data: { prime: 5 }, schedule: { steps } });
  const seen = () => [...lab.query("SELECT max_steps, rule, n_runs FROM phase_boundary"), findRun(lab, 1).memorisationStep];
  const [id] = lab.declare({ name: "short", rule: "sustained", runs: runs(500) });
  lab.putMetrics(
    id,
    range(11).map((n) => ({
      ...{ step: 100 * n, trainLoss: 1, trainAcc: n < 8 ? 0 : 1, valLoss: 1, valAcc: 0 },
      ...{ weightNorm: 1, gradNorm: 1, batchLoss: 1, batchAcc: 1, noisyAcc: NaN },
    })),
  );
  lab.putMilestones(id);
  lab.run("UPDATE runs SET step = 1000, status = 'finished'");
  assertEquals(seen(), [{ max_steps: 500, rule: "sustained", n_runs: 1 }, null]);
  lab.declare({ name: "long", rule: "first", runs: runs(1000) });
  assertEquals(seen(), [{ max_steps: 1000, rule: "first", n_runs: 1 }, 800]);
  lab.declare({ name: "as_long", rule: "sustained", runs: runs(1000) });
  assertEquals(seen(), [{ max_steps: 1000, rule: "sustained", n_runs: 1 }, 800]);
});

Deno.test("the list of experiments counts as ended what has nothing left to do, and not what has grokked and goes on", () =>
  scratch((path) => {
    using lab = cell(path("a.db"), [300, null, undefined, NaN]);
    lab.run("UPDATE runs SET step = 500, status = 'stopped' WHERE id = 1");
    const [{ runs, ended, grokked, never, diverged, open }] = lab.query(OVERVIEW);
    assertEquals({ runs, ended, grokked, never, diverged, open }, { runs: 4, ended: 2, grokked: 1, never: 1, diverged: 1, open: 1 });
    for (const view of CELLS) assertEquals(lab.query(`SELECT n_ended FROM ${view}`), [{ n_ended: 2 }]);
  }));

Deno.test("the views count what never grokked: in the median as later, in the restricted mean with the steps all are known for", () =>
  scratch((path) => {
    const cases: [readonly (number | null | undefined)[], Record<string, number | null>][] = [
      [[300, 100, 200], {
        n_grokked: 3,
        n_never: 0,
        pct_grokked: 100,
        median_grokking_step: 200,
        mean_grokked_step: 200,
        restricted_mean_step: 200,
      }],
      [[300, null, 100, 200], {
        n_grokked: 3,
        n_never: 1,
        pct_grokked: 75,
        median_grokking_step: 250,
        mean_grokked_step: 200,
        restricted_mean_step: 377.5,
        restricted_to: 910,
      }],
      // What diverged never groks: that is known up to the end, but the mean has one limit.
      [[300, NaN, 800, null], { n_grokked: 2, n_never: 1, n_diverged: 1, restricted_mean_step: 730, restricted_to: 910 }],
      [[300, NaN, 800], { n_grokked: 2, n_diverged: 1, restricted_mean_step: 700, restricted_to: 1000 }],
      [[300, null, 100, null], {
        n_grokked: 2,
        n_never: 2,
        pct_grokked: 50,
        median_grokking_step: null,
        mean_grokked_step: 200,
        restricted_mean_step: 555,
      }],
      [[null, 500, null], {
        n_grokked: 1,
        n_never: 2,
        pct_grokked: 33.3,
        median_grokking_step: null,
        mean_grokked_step: 500,
        restricted_mean_step: 2320 / 3,
      }],
      [[undefined, 500, undefined], {
        n_grokked: 1,
        n_never: 0,
        n_open: 2,
        pct_grokked: null,
        median_grokking_step: null,
        mean_grokked_step: 500,
        restricted_mean_step: null,
        restricted_to: null,
      }],
      // Most have grokked, and the one that is open, seen to step 20, may yet be sooner.
      [[100, undefined, 500], { n_grokked: 2, n_open: 1, pct_grokked: null, median_grokking_step: null }],
      [[undefined], { n_grokked: 0, n_never: 0, n_open: 1, pct_grokked: null, median_grokking_step: null, restricted_mean_step: null }],
    ];
    for (const [i, [steps, expected]] of cases.entries()) {
      using lab = cell(path(`${i}.db`), steps);
      for (const view of ["ratio_sweep_stats", "phase_boundary", "experiment_overview"]) {
        const [row] = lab.query(`SELECT * FROM ${view}`);
        for (const [column, value] of Object.entries(expected)) {
          assertEquals(row[column], value, `${view} ${column} of ${JSON.stringify(steps)}`);
        }
        assertEquals(row.n_runs, steps.length);
      }
    }
  }));
