/** Sweeps and sessions, with an engine that trains nothing but keeps the contract. */
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { type Experiment, range } from "../../lib/lab/experiment.ts";
import { Session } from "../../lib/lab/session.ts";
import { Lab } from "../../lib/lab/store.ts";
import { sweep, type SweepOptions, type SweptRun } from "../../lib/lab/sweep.ts";
import type { RunSpec } from "../../lib/run/spec.ts";
import { onClock } from "../clock.ts";
import { fakeEngine } from "../fake_engine.ts";
import { content, scratch } from "./lab_files.ts";
import { runs as smallRuns } from "./small_lab.ts";

const runs = (steps = 450, seeds = 3) => smallRuns(steps, range(seeds));
const experiment = (more: Partial<Experiment> = {}): Experiment => ({ name: "small", runs: runs(), ...more });
/** Seed s groks at step 105 + 40 · s. */
const groksAt = ({ seed }: RunSpec) => 105 + 40 * seed;

const into = async (path: string, given: Experiment, more: Partial<SweepOptions> = {}) => {
  using lab = Lab.open(path);
  return await sweep(given, { lab, engine: fakeEngine({ groksAt, fit: 2 }), ...more });
};

Deno.test("a sweep stores every run with its evaluations, milestones by every rule, its last state, and who trained it", () =>
  scratch(async (path) => {
    const swept = await into(path("a.db"), experiment(), { command: "by hand" });
    const ends = swept.map(({ status, step, memorisationStep, grokkingStep }) => [status, step, memorisationStep, grokkingStep].join(" "));
    assertEquals(ends, Array(2).fill(["finished 450 20 110", "finished 450 20 150", "finished 450 20 190"]).flat());
    using lab = Lab.open(path("a.db"), { readOnly: true });
    assertEquals(lab.query("SELECT count(*) AS n, max(step) AS last FROM metrics"), [{ n: 6 * 46, last: 450 }]);
    assertEquals(lab.query("SELECT rule, group_concat(grokking_step, ' ') AS steps FROM milestones GROUP BY rule"), [
      { rule: "first", steps: "110 150 190 110 150 190" },
      { rule: "sustained", steps: "110 150 190 110 150 190" },
    ]);
    const [{ work, seconds }] = lab.query<{ work: number; seconds: number }>(
      "SELECT count(*) AS work, min(seconds) AS seconds FROM work WHERE from_step = 0 AND to_step = 450",
    );
    assert(work === 6 && seconds > 0);
    const [session] = lab.query(
      "SELECT command, engine, adapter, deno, ended_at IS NOT NULL AS ended FROM sessions s JOIN environments e ON e.id = environment",
    );
    assertEquals(session, { command: "by hand", engine: "webgpu", adapter: "fake", deno: Deno.version.deno, ended: 1 });
    assertEquals(lab.query("SELECT kind, step, count(*) AS n FROM artifacts"), [{ kind: "checkpoint", step: 450, n: 6 }]);
    const [first] = lab.runs("small");
    assertEquals([first.spec, first.metrics.length, first.grokkingStep], [runs()[0], 46, 110]);
    assertThrows(() => lab.runs("large"), Error, "Cannot find experiment large in");
  }));

Deno.test("what is done isn't trained again, and what isn't goes on", () =>
  scratch(async (path) => {
    await into(path("whole.db"), experiment());
    await into(path("a.db"), experiment(), { limit: 2 });
    assertEquals(content(path("a.db")).runs.map(({ status }) => status).sort(), ["finished", "finished", ...Array(4).fill("waiting")]);
    const engine = fakeEngine({ groksAt, fit: 2 });
    await into(path("a.db"), experiment(), { engine });
    assertEquals(engine.log.filter((line) => /open|place/.test(line)), ["open 1", "open 2", "place 0"]);
    assertEquals(content(path("a.db")), content(path("whole.db")));
    const idle = fakeEngine();
    await into(path("a.db"), experiment(), { engine: idle });
    assertEquals(idle.log, []);
  }));

Deno.test("stopped at any moment and taken up again, a sweep ends as if it had never been stopped", () =>
  scratch(async (path) => {
    await into(path("whole.db"), experiment({ margin: 150 }));
    let updates = 0;
    for (let stops = 0; stops < 12; stops++) {
      const controller = new AbortController();
      const at = updates + 83;
      const engine = fakeEngine({ groksAt, fit: 2, onUpdate: () => ++updates === at && controller.abort() });
      await into(path("a.db"), experiment({ margin: 150 }), { engine, signal: controller.signal });
    }
    await into(path("a.db"), experiment({ margin: 150 }));
    assertEquals(content(path("a.db")), content(path("whole.db")));
  }));

Deno.test("more steps go on from the last state, also where the fewer ended between two evaluations", () =>
  scratch(async (path) => {
    await into(path("whole.db"), experiment());
    await into(path("a.db"), experiment({ runs: runs(215) }));
    assertEquals(content(path("a.db")).metrics.at(-1)?.step, 215);
    await into(path("a.db"), experiment());
    assertEquals(content(path("a.db")), content(path("whole.db")));
    using lab = Lab.open(path("a.db"));
    assertEquals(lab.query("SELECT from_step, to_step FROM work WHERE run = 1 ORDER BY from_step"), [
      { from_step: 0, to_step: 215 },
      { from_step: 215, to_step: 450 },
    ]);
  }));

Deno.test("a run that has gone on for the margin after grokking makes room; without a margin it goes on to its last step", () =>
  scratch(async (path) => {
    const ends = (runs: readonly SweptRun[]) => runs.map(({ status, step }) => `${status} ${step}`), at300 = Array(6).fill("grokked 300");
    assertEquals(ends(await into(path("a.db"), experiment({ margin: 100 }))), at300);
    // Whether it stays there makes no difference.
    const dipping = fakeEngine({ groksAt, dips: (_, step) => step === 200 });
    assertEquals(ends(await into(path("dips.db"), experiment({ margin: 100 }), { engine: dipping })), at300);
    const idle = fakeEngine();
    await into(path("a.db"), experiment({ margin: 90, name: "same" }), { engine: idle });
    assertEquals(idle.log, []);
    await into(path("a.db"), experiment({ name: "all the way".replaceAll(" ", "-") }));
    await into(path("whole.db"), experiment());
    assertEquals(content(path("a.db")).metrics, content(path("whole.db")).metrics);
    await into(path("whole.db"), experiment({ margin: 100, name: "early" }), { engine: idle });
    assertEquals(idle.log, [], "what has come past its end has all that is wanted");
  }));

Deno.test("a run that experiments share is stored once, and each sees it by its own rule and as far as its own steps", () =>
  scratch(async (path) => {
    const dips = ({ seed }: RunSpec, step: number) => seed === 0 && step === 150;
    const engine = fakeEngine({ groksAt, dips });
    await into(path("a.db"), experiment(), { engine });
    await into(path("a.db"), experiment({ name: "short", rule: "sustained", runs: runs(250) }), { engine: fakeEngine() });
    using lab = Lab.open(path("a.db"), { readOnly: true });
    assertEquals(lab.query("SELECT count(*) AS n FROM runs"), [{ n: 6 }]);
    const seen = (name: string) =>
      lab.query(
        "SELECT seed, state, grokking_step, watched_until, dips FROM run_summary WHERE experiment = ? AND d_model = 4 ORDER BY seed",
        name,
      )
        .map((row) => Object.values(row).join(" "));
    assertEquals(seen("small"), ["0 grokked 110 450 1", "1 grokked 150 450 0", "2 grokked 190 450 0"]);
    // Of the third the ten evaluations in a row weren't seen by its end; how the others held is known of longer ones only.
    assertEquals(seen("short"), ["0 grokked 160 250 ", "1 grokked 150 250 ", "2 never  250 "]);
    assertEquals(lab.runs("short").map(({ known }) => known), Array(6).fill(160));
    const [final] = lab.query("SELECT final_train_loss FROM run_summary WHERE experiment = 'short' LIMIT 1");
    assertEquals(final, { final_train_loss: 1 / 251 });
  }));

Deno.test("a loss that stops being a number ends its run alone; it isn't tried again", () =>
  scratch(async (path) => {
    const breaksAt = ({ seed }: RunSpec) => seed === 1 ? 95 : Infinity;
    const swept = await into(path("a.db"), experiment(), { engine: fakeEngine({ groksAt, breaksAt }) });
    assertEquals(swept.map(({ status }) => status), ["finished", "failed", "finished", "finished", "failed", "finished"]);
    assert(swept[1].error?.includes("seed 1: the train loss at step 100 must be a finite number"), swept[1].error);
    const idle = fakeEngine();
    const again = await into(path("a.db"), experiment(), { engine: idle });
    assertEquals([idle.log, again[1].error], [[], swept[1].error]);
    using lab = Lab.open(path("a.db"));
    assertEquals(lab.query("SELECT n_runs, n_grokked, n_never, n_diverged, n_open FROM experiment_overview"), [
      { n_runs: 6, n_grokked: 4, n_never: 0, n_diverged: 2, n_open: 0 },
    ]);
  }));

Deno.test("states of runs that are done are kept only where they are asked for", () =>
  scratch(async (path) => {
    await into(path("a.db"), experiment({ keep: "nothing" }));
    using lab = Lab.open(path("a.db"));
    assertEquals(lab.query("SELECT count(*) AS n FROM artifacts"), [{ n: 0 }]);
    assertThrows(() => Deno.statSync(lab.folder), Deno.errors.NotFound);
  }));

Deno.test("a sweep stops before its time is over, with a second left to store", () =>
  scratch(async (path) => {
    const endless = experiment({ runs: runs(1_000_000) });
    const deadline = 2500;
    const [stopped, swept] = await onClock(async (clock) => {
      const engine = fakeEngine({ groksAt, fit: 2, onUpdate: () => void (clock.now += 0.1) });
      const all = await into(path("a.db"), endless, { engine, deadline });
      return [clock.now, all];
    });
    // What storing takes doesn't move this clock: a second is left for it, and half a second was there to train.
    assert(stopped > 500 && stopped < deadline - 1000, `stopped at ${stopped} ms`);
    assert(swept.some(({ status, step }) => status === "stopped" && step > 0));
    using lab = Lab.open(path("a.db"));
    assertEquals(lab.query("SELECT count(*) AS n FROM artifacts a JOIN runs r ON r.id = a.run AND r.step = a.step"), [{ n: 2 }]);
  }));

Deno.test("a run is one session's alone, until that has ended or was killed", () =>
  scratch(async (path) => {
    using lab = Lab.open(path("a.db"));
    const [id] = lab.declare(experiment());
    const options = { info: fakeEngine().info, command: "test" };
    const one = await Session.open(lab, options), other = await Session.open(lab, options);
    const open = () => lab.query("SELECT 1 FROM runs WHERE id = ? AND session IS NULL", id).length === 1;
    assertEquals([await one.claim(id, 450, open), await other.claim(id, 450, open)], [{}, null]);
    const elsewhere = await sweep(experiment({ runs: runs().slice(0, 1) }), { lab, engine: fakeEngine() });
    assertEquals(elsewhere.map(({ status }) => status), ["elsewhere"]);
    assertEquals(other.recover(), 1);
    one.close();
    assertEquals([other.recover(), lab.query("SELECT status FROM runs WHERE id = ?", id)], [0, [{ status: "stopped" }]]);
    assertEquals(await other.claim(id, 450, open), {});
    other.close();
  }));

Deno.test("an experiment that is declared again gets what it lacks, and loses nothing", () =>
  scratch((path) => {
    using lab = Lab.open(path("a.db"));
    const ids = lab.declare(experiment());
    assertEquals(lab.declare(experiment({ runs: runs(100, 4) })).slice(0, 3), ids.slice(0, 3));
    assertEquals(lab.query("SELECT count(*) AS n, min(steps) AS least, max(steps) AS most FROM members"), [{
      n: 8,
      least: 100,
      most: 450,
    }]);
    const [{ fixed, swept }] = lab.query<{ fixed: string; swept: string }>("SELECT fixed, swept FROM experiments");
    assertEquals(JSON.parse(fixed)["optim.lr"], 1e-3);
    assertEquals(JSON.parse(swept), { "model.dModel": [4, 8], "schedule.steps": [450, 100], seed: [0, 1, 2, 3] });
    const rule = { name: "first", accuracy: 0.5, inclusive: true, times: 1 };
    assertThrows(() => lab.declare(experiment({ name: "other", rule })), Error, "rule first must be");
    assertEquals(lab.query("SELECT count(*) AS n FROM experiments"), [{ n: 1 }]);
  }));

Deno.test("of a large experiment, as much is entered as a limit needs; the rest comes when the sweep goes on", () =>
  scratch(async (path) => {
    const [least] = runs(10, 1), many = experiment({ runs: range(20_500).map((seed) => ({ ...least, seed })) });
    const members = "SELECT count(*) AS n, (SELECT json_array_length(swept, '$.seed') FROM experiments) AS seeds FROM members";
    const engine = fakeEngine({ fit: 2 });
    const swept = await into(path("a.db"), many, { engine, limit: 2 });
    assertEquals([swept.length, swept.filter(({ status }) => status === "finished").length, swept.at(-1)!.status], [20_500, 2, "waiting"]);
    using lab = Lab.open(path("a.db"));
    assertEquals(lab.query(members), [{ n: 10_000, seeds: 10_000 }]);
    lab.run("UPDATE runs SET status = 'finished', step = 10");
    const more = await sweep(many, { lab, engine, limit: 1 });
    assertEquals([more[9_999].status, more[10_000].status, more[10_001].status], ["finished", "finished", "waiting"]);
    assertEquals(lab.query(members), [{ n: 20_000, seeds: 20_000 }]);
    assertEquals(lab.declare(many).length, 20_500);
    assertEquals(lab.query(members), [{ n: 20_500, seeds: 20_500 }]);
    assertEquals(engine.log.filter((line) => line.startsWith("open")), ["open 2", "open 1"]);
  }));

Deno.test("what the engine or the disk throws comes out, the session is over, and what was stored stays", () =>
  scratch(async (path) => {
    let updates = 0;
    const engine = fakeEngine({
      fit: 2,
      onUpdate: () => {
        if (++updates === 1000) throw new Error("Cannot go on: the device was lost");
      },
    });
    await assertRejects(() => into(path("a.db"), experiment(), { engine }), Error, "the device was lost");
    const { runs: stored, metrics } = content(path("a.db"));
    assert(stored.some(({ status }) => status === "finished") && metrics.length > 46);
    await into(path("a.db"), experiment());
    await into(path("whole.db"), experiment());
    assertEquals(content(path("a.db")).metrics.length, content(path("whole.db")).metrics.length);
  }));
