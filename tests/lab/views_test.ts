/** What a lab's tables and views say of runs: a column for every field, cells of the map, and counts of what never grokked. */
import { assertEquals } from "@std/assert";
import { grid, range } from "../../lib/lab/experiment.ts";
import { Lab } from "../../lib/lab/store.ts";
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

/** A lab with runs of one cell that grok at these steps; `null`: watched to step 1000 and didn't; `undefined`: not there yet. */
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
    const grok = steps[i];
    lab.putMetrics(
      id,
      range(grok === undefined ? 3 : 101).map((n) => ({
        ...{ step: 10 * n, trainLoss: 1, trainAcc: n >= 2 ? 1 : 0, valLoss: 1, valAcc: 10 * n >= (grok ?? Infinity) ? 1 : 0 },
        ...{ weightNorm: 1, gradNorm: 1, batchLoss: NaN, batchAcc: NaN, noisyAcc: NaN },
      })),
    );
    lab.putMilestones(id);
    lab.run("UPDATE runs SET step = ? WHERE id = ?", grok === undefined ? 20 : 1000, id);
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

Deno.test("the views count what never grokked: in the median as later, in the restricted mean with the steps it is known for", () =>
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
      }],
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
