/** How far a sweep is: runs by state, shares of the work, rates, and who has fallen silent. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { SweepProgress } from "../../lib/cli/sweep_progress.ts";
import { sweepStatus } from "../../lib/cli/sweep_status.ts";
import { asPlanned } from "../../lib/lab/standing.ts";
import { labStatus, openRuns, progressOf, timeLeft, together } from "../../lib/lab/status.ts";
import { updateCost } from "../../lib/lab/shards.ts";
import { Session } from "../../lib/lab/session.ts";
import { Lab } from "../../lib/lab/store.ts";
import { fakeEngine } from "../fake_engine.ts";
import { scratch } from "./lab_files.ts";
import { runs, small, train } from "./small_lab.ts";

const session = { info: fakeEngine().info, command: "deno task sweep", say: () => {} };
const metrics = (step: number) => ({
  ...{ step, trainLoss: 1, trainAcc: 0.5, valLoss: 1, valAcc: 0.1, weightNorm: 1, gradNorm: 1, batchLoss: 1, batchAcc: 0, noisyAcc: NaN },
});

Deno.test("a sweep that has ended, one for more steps, and one of a lab that has nothing of it", () =>
  scratch(async (path) => {
    await train(path("a.db"));
    using lab = Lab.open(path("a.db"), { readOnly: true });
    const { states, updates, work, workers } = labStatus(lab, small());
    // Two widths: seed 0 groks, seed 1 never, seed 2 breaks off, which leaves nothing of it to do.
    assertEquals(states, { grokked: 2, never: 2, diverged: 2, running: 0, elsewhere: 0, waiting: 0 });
    assertEquals([updates, work.done, workers], [{ done: 1200, of: 1200 }, work.of, []]);
    const longer = small({ runs: runs(400) }), { states: then, updates: of } = labStatus(lab, longer);
    assertEquals([then.waiting, then.grokked, of], [2, 2, { done: 4 * 200 + 2 * 400, of: 2400 }]);
    assertEquals(openRuns(lab, longer).map(({ updates }) => updates), [200, 200, 200, 200]);
    assertEquals(openRuns(lab, small()), []);
    assertEquals(labStatus(lab, small({ runs: runs().map((spec) => ({ ...spec, seed: spec.seed + 9 })) })).states.waiting, 6);
  }));

Deno.test("asked for fewer steps than the lab has, the status counts to the lab's and says so; with --steps, to those", () =>
  scratch(async (path) => {
    const asked = small({ runs: runs(40) }), mixed = small({ runs: [...runs(40).slice(0, 1), ...runs(400).slice(1)] });
    await train(path("a.db"));
    using lab = Lab.open(path("a.db"), { readOnly: true });
    assertEquals(asPlanned(lab, asked), small());
    // Not where the lab has as many, or fewer; and of each run its own.
    for (const same of [small(), small({ runs: runs(400) }), { ...asked, name: "other" }]) assertEquals(asPlanned(lab, same), same);
    assertEquals(asPlanned(lab, mixed).runs.map(({ schedule }) => schedule.steps), [200, 400, 400, 400, 400, 400]);

    const whole = (await sweepStatus(small(), path("a.db"))).split("\n"), says = "The lab has this experiment to step 200";
    const [head, bar, updates, line, ...rest] = (await sweepStatus(asked, path("a.db"))).split("\n");
    assertEquals([head, bar, updates, ...rest], whole);
    assertEquals(line, `${says}: these counts are those at step 200, not 40; --steps N gives those at step N.`);
    const exactly = await sweepStatus(asked, path("a.db"), true);
    assertMatch(exactly, /100 % of the work {2}grokked 0 {2}never 6 {2}running 0 {2}waiting 0\n240 of 240 updates\n/);
    assertEquals(exactly.split("\n").at(-1), `${says}: these counts are those at step 40, its views count to step 200.`);
  }));

Deno.test("a run in training counts as far as its evaluations go; its session's rate; killed, it waits for somebody else", () =>
  scratch(async (path) => {
    using lab = Lab.open(path("a.db"));
    const experiment = small(), [id] = lab.declare(experiment), [spec] = experiment.runs;
    const own = await Session.open(lab, session);
    await own.claim(id, 200, () => true);
    own.record(id, metrics(50));
    own.flush(true);
    lab.run("UPDATE sessions SET started_at = ?, seen_at = ?", "2020-01-01T00:00:00.000Z", "2020-01-01T00:00:10.000Z");
    const { states, updates, work, workers: [worker] } = labStatus(lab, experiment);
    assertEquals([states.running, states.waiting, updates], [1, 5, { done: 50, of: 1200 }]);
    assertEquals(work.done, 50 * updateCost(spec));
    assertEquals([worker.state, worker.name, worker.rate.updates], ["silent", "session 1 (deno task sweep)", 5]);
    assertEquals(worker.rate.work, 5 * updateCost(spec));
    assertEquals(openRuns(lab, experiment).length, 5);
    lab.run("UPDATE sessions SET seen_at = ?", new Date().toISOString());
    assertEquals(labStatus(lab, experiment).workers[0].state, "running");
    // As if its process were gone: nobody holds its lock, and it has no end.
    own.close();
    lab.run("UPDATE sessions SET ended_at = NULL");
    lab.run("UPDATE runs SET session = 1, status = 'training' WHERE id = ?", id);
    const after = labStatus(lab, experiment);
    assertEquals([after.states.running, after.states.waiting, after.workers[0].state], [0, 6, "killed"]);
    assertEquals(openRuns(lab, experiment).length, 6);
  }));

Deno.test("in a log, a run hasn't grokked by a step that its rule can judge", () => {
  const lines: string[] = [],
    screen = { terminal: false, columns: 200, draw: () => {}, line: (text: string) => lines.push(text), done: () => {} };
  const progress = new SweepProgress(fakeEngine(), { name: "small", mayEndEarly: false, screen });
  const [one, other] = runs(), never = { memorisationStep: 20, grokkingStep: null };
  progress.update(
    [],
    [one, other].map((spec) => ({ spec, status: "waiting" as const, step: 0, memorisationStep: null, grokkingStep: null })),
  );
  progress.update([], [{ spec: one, status: "finished", step: 200, known: 110, ...never }, {
    spec: other,
    status: "finished",
    step: 200,
    ...never,
  }]);
  assertEquals(lines.flatMap((line) => line.match(/memorised at .*/)?.[0] ?? []), [
    "memorised at step 20, not grokked by step 110",
    "memorised at step 20, not grokked by step 200",
  ]);
});

Deno.test("parts add up; the time left is that of the slowest part, or of all together", () => {
  const part = (done: number, of: number, rate: number | null) => ({
    work: { done, of },
    rate: rate === null ? null : { updates: 1, work: rate },
  });
  assertEquals(timeLeft([part(0, 100, 10), part(50, 100, 10)]), 10);
  assertEquals(timeLeft([part(0, 100, 10), part(0, 500, null)]), 60);
  assertEquals(timeLeft([part(0, 100, null)]), null);
  const progress = progressOf(runs().map((spec) => ({ spec, status: "waiting", step: 20, memorisationStep: null, grokkingStep: null })));
  const both = together([progress, progress]);
  assertEquals([both.states.waiting, both.updates], [12, { done: 240, of: 2400 }]);
  assert(both.work.of === 2 * progress.work.of && both.work.done > 0);
});
