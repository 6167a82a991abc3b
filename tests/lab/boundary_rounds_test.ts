/** What holds over all rounds of a boundary: its limit, and the progress that is shown of it. */
import { assert, assertEquals } from "@std/assert";
import { sweepBoundary } from "../../lib/lab/boundary.ts";
import { type Experiment, grid, range } from "../../lib/lab/experiment.ts";
import { Lab } from "../../lib/lab/store.ts";
import type { SweptRun } from "../../lib/lab/sweep.ts";
import { SweepProgress } from "../../lib/cli/sweep_progress.ts";
import { Meter } from "../../lib/train/meter.ts";
import { fakeEngine } from "../fake_engine.ts";
import { scratch } from "./lab_files.ts";

const experiment: Experiment = {
  name: "line",
  margin: 0,
  runs: grid({
    model: { heads: 1, dModel: 1 },
    data: { prime: 5, trainFraction: range(1, 10).map((i) => i / 20) },
    schedule: { steps: 100, evalEvery: 20 },
    seed: range(3),
  }),
};
const axes = { x: "data.trainFraction" }, engine = () => fakeEngine({ groksAt: ({ data }) => data.trainFraction > 0.22 ? 40 : 1000 });
const trained = (lab: Lab) => lab.query<{ n: number }>("SELECT count(*) AS n FROM runs WHERE step > 0")[0].n;

Deno.test("the limit of a boundary holds for all its rounds together, and the next one goes on from there", () =>
  scratch(async (path) => {
    using lab = Lab.open(path("lab.db"));
    const rounds: number[] = [];
    for (const limit of [2, 9]) {
      const before = trained(lab);
      await sweepBoundary(experiment, { lab, engine: engine(), axes, limit, onRound: ({ wanted }) => rounds.push(wanted.length) });
      assertEquals(trained(lab) - before, limit);
    }
    assert(rounds.length > 2, `9 runs are more than one round's: ${rounds}`);
    const map = await sweepBoundary(experiment, { lab, engine: engine(), axes });
    assertEquals([map.wanted, trained(lab) < experiment.runs.length], [[], true]);
  }));

Deno.test("the progress of a boundary is that of the runs of all its rounds: each in its place, and what is left is never negative", () =>
  scratch(async (path) => {
    using lab = Lab.open(path("lab.db"));
    const lines: string[] = [], seen: (readonly SweptRun[])[] = [];
    const screen = { terminal: true, columns: 200, draw: (text: string) => lines.push(text), line: () => {}, done: () => {} };
    const on = engine(), progress = new SweepProgress(on, { name: "line", mayEndEarly: true, screen });
    await sweepBoundary(experiment, {
      lab,
      engine: on,
      axes,
      onProgress: (news, runs) => {
        seen.push([...runs]);
        progress.update(news, runs);
      },
      onRound: () => progress.line("next"),
    });
    progress.done();
    const last = seen.at(-1)!;
    for (const runs of seen) assertEquals(runs.map(({ spec }) => spec), last.slice(0, runs.length).map(({ spec }) => spec));
    assert(new Set(seen.map(({ length }) => length)).size > 1, "there is more than one round");
    assert(lines.at(-1)!.startsWith(`line: ${trained(lab)} runs on webgpu`), lines.at(-1));
    assertEquals(lines.filter((line) => /-\d+:|-\d+ %|NaN/.test(line)), []);
  }));

Deno.test("another run in a place is no progress of the one before", async () => {
  const [a, b] = experiment.runs, meter = new Meter();
  const look = (spec: typeof a, step: number) => meter.look([{ spec, status: "training", step }]);
  look(a, 90);
  await new Promise((resolve) => setTimeout(resolve, 5));
  look(b, 10);
  assertEquals(meter.total.runSteps, 0);
  await new Promise((resolve) => setTimeout(resolve, 5));
  look(b, 30);
  assert(meter.total.runSteps > 0);
});
