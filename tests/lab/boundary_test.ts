/** Sweeps that seek a boundary: they train what it needs, go on where they were, and find what the full grid has. */
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { boundaryMap, edgesOf, knownMap, replay, sweepBoundary } from "../../lib/lab/boundary.ts";
import { type Experiment, grid, range } from "../../lib/lab/experiment.ts";
import { Lab } from "../../lib/lab/store.ts";
import { sweep } from "../../lib/lab/sweep.ts";
import { type RunSpec, specHash } from "../../lib/run/spec.ts";
import { fakeEngine } from "../fake_engine.ts";
import { scratch } from "./lab_files.ts";

const FRACTIONS = range(1, 18).map((i) => i / 20), DECAYS = [0.1, 0.3, 1, 3, 10];
const experiment: Experiment = {
  name: "edge",
  margin: 0,
  runs: grid({
    model: { heads: 1, dModel: 1 },
    optim: { weightDecay: DECAYS },
    data: { prime: 5, trainFraction: FRACTIONS },
    schedule: { steps: 100, evalEvery: 20 },
    seed: range(5),
  }),
};
const axes = { x: "data.trainFraction", y: "optim.weightDecay" };

/** More data helps, and so does decay; one seed in five always, one never. */
const groks = ({ data, optim, seed }: RunSpec) =>
  seed === 0 || (seed !== 1 && data.trainFraction > 0.5 - 0.15 * Math.log10(optim.weightDecay) && optim.weightDecay < 10);
const engine = (options = {}) => fakeEngine({ groksAt: (spec) => groks(spec) ? 40 : 1000, ...options });

Deno.test("the boundary is the full grid's, for a part of its runs; both sides of it were trained", () =>
  scratch(async (path) => {
    using lab = Lab.open(path("lab.db"));
    const map = await sweepBoundary(experiment, { lab, engine: engine(), axes });
    assertEquals([map.xs, map.ys, map.wanted.length], [FRACTIONS, DECAYS, 0]);
    map.cells.forEach((row) =>
      row.forEach(({ x, y, groks: verdict, asked, grokked, failed }, i) => {
        const some = experiment.runs.filter(({ data, optim }) => data.trainFraction === x && optim.weightDecay === y);
        assertEquals(verdict, some.filter(groks).length >= 3, `${x} ${y}`);
        if (asked) assert(grokked >= 3 || failed >= 3);
        else assertEquals(grokked + failed, 0);
        const next = row[i + 1];
        if (next && next.groks !== verdict) assert(asked && next.asked);
      })
    );
    const [{ n }] = lab.query<{ n: number }>("SELECT count(*) AS n FROM runs WHERE status IN ('finished', 'grokked')");
    assert(n < 0.5 * experiment.runs.length, `${n} of ${experiment.runs.length}`);
    // Asked again, it trains nothing.
    const again = engine();
    assertEquals((await sweepBoundary(experiment, { lab, engine: again, axes })).cells, map.cells);
    assertEquals(again.log, []);

    // The same search on the full grid, which knows all of it, says how much was saved.
    await sweep(experiment, { lab, engine: engine() });
    const saving = replay(experiment.runs, axes, experiment.runs.map((spec) => ({ groks: groks(spec), updates: 100 })));
    assertEquals([saving.runs, saving.ofRuns, saving.updates, saving.wrong], [n, experiment.runs.length, 100 * n, 0]);
    assertEquals(saving.map.cells, map.cells);
    // What the lab now knows of the grid agrees with what was inferred.
    assertEquals(
      knownMap(lab, experiment, axes).cells.map((row) => row.map((cell) => cell.groks)),
      map.cells.map((row) => row.map((cell) => cell.groks)),
    );
  }));

Deno.test("edges: where it turns at each y, and which way", () => {
  const runs = grid({
    model: { heads: 1, dModel: 1 },
    data: { prime: 5, trainFraction: [0.2, 0.3, 0.4, 0.5] },
    optim: { weightDecay: [1, 2] },
  });
  const map = boundaryMap(
    runs,
    axes,
    runs.map(({ data, optim }) => data.trainFraction > 0.25 && (optim.weightDecay === 1 || data.trainFraction < 0.45)),
  );
  assertEquals(edgesOf(map), [
    { y: 1, from: 0.2, to: 0.3, rises: true },
    { y: 2, from: 0.2, to: 0.3, rises: true },
    { y: 2, from: 0.4, to: 0.5, rises: false },
  ]);
});

Deno.test("stopped, it goes on where it was, and ends the same", () =>
  scratch(async (path) => {
    using whole = Lab.open(path("whole.db"));
    using parts = Lab.open(path("parts.db"));
    const map = await sweepBoundary(experiment, { lab: whole, engine: engine(), axes });
    const stop = new AbortController();
    let updates = 0;
    const first = await sweepBoundary(experiment, {
      lab: parts,
      engine: engine({ fit: 4, onUpdate: () => ++updates === 60 && stop.abort() }),
      axes,
      signal: stop.signal,
    });
    assert(first.wanted.length > 0);
    assertEquals((await sweepBoundary(experiment, { lab: parts, engine: engine(), axes })).cells, map.cells);
  }));

Deno.test("what the engine refuses ends the search, and is still wanted", () =>
  scratch(async (path) => {
    using lab = Lab.open(path("lab.db"));
    const refusing = { ...engine(), open: () => Promise.reject(new Error("too large")) };
    const said: string[] = [];
    const map = await sweepBoundary(experiment, { lab, engine: refusing, axes, say: (line) => said.push(line) });
    assert(map.wanted.length > 0 && said.length > 0);
  }));

Deno.test("a grid with holes, cells of two settings, an axis that is no number: said before anything is trained", () =>
  scratch(async (path) => {
    const { runs } = experiment, none = runs.map(() => null);
    assertThrows(
      () => boundaryMap(runs.slice(1), axes, none),
      Error,
      "each of 17 × 5 cells must have the same number of seeds and one setting, data.trainFraction 0.05,",
    );
    const other = runs.map((run, i) => i === 0 ? { ...run, optim: { ...run.optim, lr: 0.5 } } : run);
    assertThrows(() => boundaryMap(other, axes, none), Error, "optim.weightDecay 0.1 has 5 runs of 2");
    using lab = Lab.open(path("lab.db"));
    await assertRejects(
      () => sweepBoundary(experiment, { lab, engine: engine(), axes: { x: "data.operation" } }),
      Error,
      "an axis must be a field that is a number, like model.dModel, current value is data.operation",
    );
    assertThrows(() => replay(runs, axes, none), Error, "all runs must have ended");
    assertEquals(new Set(runs.map(specHash)).size, runs.length);
  }));
