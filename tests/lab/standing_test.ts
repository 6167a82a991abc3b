/** How runs stand in experiments that didn't train them: the same in the view, in `standing`, in figures, in the status and in exports. */
import { assert, assertEquals } from "@std/assert";
import { followUp } from "../../lib/analysis/runs/follow_up.ts";
import { hasEnded, isOpen, outcome } from "../../lib/analysis/runs/run.ts";
import { timesTo } from "../../lib/analysis/runs/times.ts";
import { surfaceOf } from "../../lib/analysis/boundary/surface.ts";
import { knownMap } from "../../lib/lab/boundary.ts";
import type { Experiment } from "../../lib/lab/experiment.ts";
import { finalInfo } from "../../lib/lab/final_info.ts";
import { exportRecorded } from "../../lib/lab/record/export.ts";
import { importRecorded } from "../../lib/lab/record/import.ts";
import { MIGRATIONS } from "../../lib/lab/schema.ts";
import { left, standing } from "../../lib/lab/standing.ts";
import { labStatus, stateOf } from "../../lib/lab/status.ts";
import { Lab } from "../../lib/lab/store.ts";
import { sweep } from "../../lib/lab/sweep.ts";
import { RECORDED } from "../../lib/notebook/sweep.ts";
import { Random } from "../../lib/run/random.ts";
import { type RunSpec, runSpec } from "../../lib/run/spec.ts";
import { knobWeightDecay } from "../../lib/studies/lessons/knobs.ts";
import { SHORTCUTS_TUNING } from "../../lib/studies/shortcuts/experiments.ts";
import { fakeEngine } from "../fake_engine.ts";
import { scratch } from "./lab_files.ts";
import { runs, small } from "./small_lab.ts";

const withSteps = (all: readonly RunSpec[], steps: number) => all.map((spec) => ({ ...spec, schedule: { ...spec.schedule, steps } }));
const count = <T>(all: readonly T[], is: (each: T) => boolean) => all.filter(is).length;
const bySpec = { x: { field: "optim.weightDecay" }, y: { field: "model.dModel" } };

/** What everything says of an experiment that the lab has: it must be one thing. @returns how many of its runs are in each state. */
function states(lab: Lab, experiment: Experiment): Record<string, number> {
  const { name } = experiment, stored = lab.runs(name).sort((a, b) => a.id - b.id), all = standing(lab, experiment);
  const rows = lab.query<
    { run: number; state: string; ended: number; grokking_step: number | null; watched_until: number; known_until: number }
  >(
    "SELECT run, state, ended, grokking_step, watched_until, known_until FROM run_summary WHERE experiment = ? ORDER BY run",
    name,
  );
  const found = stored.map((run) => run.id), hashes = lab.query<{ id: number; hash: string }>("SELECT id, hash FROM runs");
  const ids = new Map(hashes.map(({ id, hash }) => [hash, id])), open = new Set(left(lab, experiment).map(({ spec }) => spec));
  assertEquals(rows.map(({ run }) => run), found);
  for (const { run, hash, ended } of all) {
    const at = found.indexOf(ids.get(hash)!), row = rows[at], seen = stored[at], { state, known, watched } = outcome(seen);
    const said = isOpen(outcome(seen)) ? "open" : state, live = stateOf(run);
    assertEquals([said, live === "waiting" ? "open" : live], [row.state, row.state], `state of ${hash}`);
    assertEquals([ended, hasEnded(seen), hasEnded(run), !open.has(run.spec)], Array(4).fill(row.ended === 1), `end of ${hash}`);
    assertEquals([run.grokkingStep, seen.grokkingStep], [row.grokking_step, row.grokking_step]);
    assertEquals([watched, seen.step], [row.watched_until, row.watched_until]);
    if (state !== "diverged") assertEquals([known, run.known], [row.known_until, row.known_until]);
    assert(row.grokking_step === null || row.grokking_step <= seen.spec.schedule.steps);
  }
  const { grokked, never, diverged, waiting } = labStatus(lab, experiment).states;
  const tally = Object.fromEntries(
    ["grokked", "never", "diverged", "open"].map((state) => [state, count(rows, (row) => row.state === state)]),
  );
  assertEquals({ grokked, never, diverged, open: waiting }, tally);
  return tally;
}

Deno.test("of runs whose evaluations aren't there, as much is known as of others: how long they were watched, and which never grokked", () =>
  scratch(async (path) => {
    using whole = Lab.open(path("whole.db"));
    await importRecorded(whole, `${RECORDED}/knob_weight_decay`);
    await exportRecorded(whole, "knob_weight_decay", path("none"), { metrics: "none", command: "test" });
    using bare = Lab.open(path("bare.db"));
    await importRecorded(bare, path("none"));
    const experiment = knobWeightDecay(), [some, none] = [whole, bare].map((lab) => lab.runs(experiment.name));
    assertEquals([none.length, none[0].metrics], [35, []]);
    assertEquals(none.map(({ step }) => step), some.map(({ step }) => step));
    for (const moment of ["memorised", "grokked", "delay"] as const) assertEquals(timesTo(moment, none), timesTo(moment, some));
    assertEquals(timesTo("grokked", none).length, 35);
    assertEquals(surfaceOf(none, bySpec).cells, surfaceOf(some, bySpec).cells);
    assertEquals(surfaceOf(none, bySpec).cells[0].map(({ open }) => open), Array(7).fill(0));
    assertEquals(states(bare, experiment), states(whole, experiment));
  }));

Deno.test("what came after an experiment's last step isn't its own: ten of the runs grok within 1500 steps, and two later", () =>
  scratch(async (path) => {
    using lab = Lab.open(path("lab.db"));
    await importRecorded(lab, `${RECORDED}/knob_weight_decay`);
    const { margin: _, ...rest } = knobWeightDecay(), short = { ...rest, name: "short", runs: withSteps(rest.runs, 1500) };
    lab.declare(short);
    assertEquals(lab.query("SELECT count(*) AS n FROM milestones WHERE rule = 'first' AND grokking_step > 1500"), [{ n: 2 }]);
    assertEquals(states(lab, short).grokked, 10);
    const cells = knownMap(lab, short, { x: "optim.weightDecay" }).cells[0];
    const sum = (of: (cell: typeof cells[number]) => number) => cells.reduce((all, cell) => all + of(cell), 0);
    const [ended] = lab.query<{ n: number }>("SELECT sum(ended AND grokked) AS n FROM run_summary WHERE experiment = 'short'");
    assertEquals(sum(({ grokked }) => grokked), ended.n);
    // Of a rule of ten evaluations in a row, all ten lie within the steps.
    lab.declare({ ...short, name: "ten", rule: "sustained" });
    states(lab, { ...short, name: "ten", rule: "sustained" });
  }));

Deno.test("a run that another experiment ended goes on for one of another rule and a margin, wherever it is counted", () =>
  scratch(async (path) => {
    using lab = Lab.open(path("lab.db"));
    await importRecorded(lab, `${RECORDED}/knob_weight_decay`);
    const stay = { ...knobWeightDecay(), name: "stay", rule: "sustained" as const, margin: 500 };
    lab.declare(stay);
    states(lab, stay);
    const all = lab.runs("stay"), stopped = all.filter((run) => !hasEnded(run));
    // Twelve were ended at their grokking steps; one of these had grokked by the other rule 920 steps before.
    assertEquals([left(lab, stay).length, stopped.length], [11, 11]);
    assertEquals((await exportRecorded(lab, "stay", path("stay"), { metrics: "none", ended: true, command: "test" })).runs, 24);
    // deno-lint-ignore no-explicit-any
    assertEquals((finalInfo(lab, "stay") as any)._conventions.open_runs_left_out, 11);
    assertEquals(new Set(stopped.map(({ status }) => status)), new Set(["stopped"]));
    // It was watched for no longer than it was, for the other one stopped it because it grokked by its rule.
    for (const { time, event, until } of timesTo("grokked", stopped)) if (!event) assertEquals(until, time);
    assert(timesTo("grokked", stopped).some(({ event }) => !event));
  }));

Deno.test("to memorising, a run that ended because it grokked is censored where it ended", () => {
  const spec = runSpec({ schedule: { steps: 3000 } });
  const ended = { spec, status: "grokked", step: 500, known: 500, memorisationStep: null, grokkingStep: 400 };
  assertEquals(timesTo("memorised", [ended]), [{ time: 500, event: false, until: 500 }]);
  assertEquals(timesTo("memorised", [{ ...ended, memorisationStep: 100 }]), [{ time: 100, event: true, until: 3000 }]);
});

Deno.test("a loss that broke after an experiment's last step is none of its business", () =>
  scratch(async (path) => {
    using lab = Lab.open(path("lab.db"));
    await importRecorded(lab, `${RECORDED}/shortcuts_tuning`);
    const broke = "SELECT run FROM members JOIN runs ON id = run WHERE status = 'failed'";
    const { margin: _, ...rest } = SHORTCUTS_TUNING, short = { ...rest, name: "short", runs: withSteps(rest.runs, 20) };
    lab.declare(short);
    assertEquals(states(lab, short), { grokked: 0, never: short.runs.length, diverged: 0, open: 0 });
    const eight = lab.runs("short").filter(({ id }) => lab.query(broke).some(({ run }) => run === id));
    assertEquals(eight.map(({ status, step }) => [status, step]), Array(8).fill(["finished", 20]));
    assertEquals(outcome({ ...eight[0], status: "failed", step: 60 }).state, "never");
    const until60 = { ...short, name: "until60", runs: withSteps(rest.runs, 60) };
    lab.declare(until60);
    assert(states(lab, until60).diverged > 0);
  }));

Deno.test("in a lab where all was trained to the end, runs stand as if the experiment had trained them itself", () =>
  scratch(async (path) => {
    const engine = () =>
      fakeEngine({
        groksAt: ({ seed }) => [45, 160, Infinity][seed],
        dips: (_, step) => step === 120,
        breaksAt: ({ seed }) => seed === 1 ? 290 : Infinity,
      });
    using whole = Lab.open(path("whole.db"));
    await sweep(small({ runs: runs(400).slice(0, 3) }), { lab: whole, engine: engine() });
    for (const rule of ["first", "sustained"] as const) {
      for (const margin of [null, 0, 60]) {
        for (const steps of [130, 250, 310, 400]) {
          const experiment = { name: `${rule}-${margin}-${steps}`, rule, margin, runs: runs(steps).slice(0, 3) };
          using alone = Lab.open(path(`${experiment.name}.db`));
          const own = await sweep(experiment, { lab: alone, engine: engine() });
          whole.declare(experiment);
          states(whole, experiment);
          const there = standing(whole, experiment);
          assertEquals(there.map(({ ended }) => ended), [true, true, true], experiment.name);
          assertEquals(
            there.map(({ run: { status, grokkingStep } }) => [status === "failed", grokkingStep]),
            own.map(({ status, grokkingStep, spec }) => {
              // The view says of the last nine evaluations before the end that they aren't known.
              const late = grokkingStep !== null && rule === "sustained" && grokkingStep + 90 > spec.schedule.steps;
              return [status === "failed", late ? null : grokkingStep];
            }),
            experiment.name,
          );
        }
      }
    }
  }));

Deno.test("it is known up to the last evaluation that the rule can judge, wherever the steps end", () => {
  using lab = Lab.scratch();
  const random = new Random(1, "probe"), whole = (from: number, to: number) => from + Math.floor(random.uniform() * (to + 1 - from));
  for (const seed of Array.from({ length: 60 }, (_, i) => i)) {
    // Evaluations at 0, 20, 40 and 45, and a rule of two, to begin with.
    const [evalEvery, trained, times] = seed === 0 ? [20, 45, 2] : [whole(1, 25), whole(0, 150), whole(1, 4)];
    const spec = runSpec({ ...runs()[0], schedule: { steps: trained, evalEvery }, seed });
    const steps = Array.from({ length: Math.floor(trained / evalEvery) + 1 }, (_, i) => i * evalEvery);
    // Every third run breaks off at its next evaluation.
    const broke = seed % 3 === 2, end = broke ? steps.at(-1)! + evalEvery : trained;
    if (!broke && steps.at(-1) !== trained) steps.push(trained);
    const id = lab.enter(spec), rule = { name: `of_${times}`, accuracy: 0.9, inclusive: true, times };
    const metrics = steps.map((step) => ({
      ...{ step, trainLoss: 1, trainAcc: 1, valLoss: 1, valAcc: 0, weightNorm: 1, gradNorm: 1, batchLoss: 1, batchAcc: 1, noisyAcc: NaN },
    }));
    lab.putMetrics(id, metrics);
    lab.run("UPDATE runs SET step = ?, status = ? WHERE id = ?", end, broke ? "failed" : "finished", id);
    for (const asked of new Set([trained, end, whole(0, trained), trained + whole(0, 30)])) {
      const experiment = { name: `${seed}-${asked}`, rule, runs: withSteps([spec], asked) };
      lab.declare(experiment);
      lab.putMilestones(id);
      const within = metrics.filter(({ step }) => step <= asked);
      const { known } = followUp({ grokkingStep: null, known: within.at(-times)?.step ?? 0, metrics: within });
      const [row] = lab.query("SELECT known_until FROM run_summary WHERE experiment = ?", experiment.name),
        [run] = lab.runs(experiment.name);
      const says = `every ${evalEvery} up to ${end}, ${times} in a row, ${asked} asked for`;
      assertEquals([row.known_until, run.known, followUp(run).known], [known, known, known], says);
      assertEquals(standing(lab, experiment)[0].run.known, known, says);
      if (seed === 0 && asked === 45) assertEquals(known, 40);
    }
  }
});

Deno.test("a rule that the lab doesn't have yet judges what it has all evaluations of; of what it has a part of, nothing is known by it", () =>
  scratch(async (path) => {
    using lab = Lab.open(path("lab.db"));
    await sweep(small(), { lab, engine: fakeEngine({ groksAt: () => 45 }) });
    const rule = { name: "half", accuracy: 0.5, inclusive: true, times: 2 }, half = small({ name: "half", rule, margin: 0 });
    const before = standing(lab, half).map(({ run }) => run.grokkingStep);
    assertEquals([before, left(lab, half)], [Array(6).fill(50), []]);
    lab.run("UPDATE runs SET thinned = 1");
    assertEquals(left(lab, half).length, 6);
    lab.declare(half);
    assertEquals(states(lab, half), { grokked: 0, never: 0, diverged: 0, open: 6 });
  }));

Deno.test("a lab with the views of the version before gets the new ones", () =>
  scratch(async (path) => {
    {
      using lab = Lab.open(path("lab.db"));
      await sweep(small(), { lab, engine: fakeEngine() });
      for (const view of ["provenance", "experiment_overview", "phase_boundary", "ratio_sweep_stats", "run_summary"]) {
        lab.run(`DROP VIEW ${view}`);
      }
      lab.run("CREATE VIEW run_summary AS SELECT id AS run, 'open' AS state FROM runs");
      lab.run(`PRAGMA user_version = ${MIGRATIONS.length - 1}`);
    }
    using lab = Lab.open(path("lab.db"), { readOnly: true });
    assertEquals(lab.query("SELECT state, status, ended, count(*) AS n FROM run_summary"), [
      { state: "never", status: "finished", ended: 1, n: 6 },
    ]);
  }));
