/** What an experiment sees of runs that went on after its steps: no reading, no checkpoint and no phase from later. */
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { datedRun } from "../../lib/analysis/attention/dated.ts";
import { attentionRuns } from "../../lib/lab/attention.ts";
import { edgesWithin, ruleOf } from "../../lib/lab/cut.ts";
import { probeRuns } from "../../lib/lab/probe.ts";
import { probeWeightsOfAll } from "../../lib/lab/probe_weights.ts";
import { experimentReadings, withReadings } from "../../lib/lab/readings.ts";
import { importRecorded } from "../../lib/lab/record/import.ts";
import { Lab } from "../../lib/lab/store.ts";
import { sweep } from "../../lib/lab/sweep.ts";
import { RECORDED } from "../../lib/notebook/sweep.ts";
import { ATTENTION_IN_SMALL } from "../../lib/studies/attention/experiments.ts";
import { fakeEngine } from "../fake_engine.ts";
import { scratch } from "./lab_files.ts";
import { watchedRuns } from "./small_lab.ts";

Deno.test("attention: readings and phases end with the experiment's steps, and every run can be dated", () =>
  scratch(async (path) => {
    using lab = Lab.open(path("lab.db"));
    await importRecorded(lab, `${RECORDED}/attention_in_small`);
    const runs = ATTENTION_IN_SMALL.runs.map((spec) => ({ ...spec, schedule: { ...spec.schedule, steps: 1000 } }));
    lab.declare({ ...ATTENTION_IN_SMALL, name: "short", runs });
    const [short, whole] = [await attentionRuns(lab, "short"), await attentionRuns(lab, ATTENTION_IN_SMALL.name)];
    assertEquals(short.length, 40);
    const byId = new Map(whole.map((run) => [run.id, run]));
    for (const run of short) {
      const { readings, edges, grokkingStep, memorisationStep } = run, all = byId.get(run.id)!;
      assertEquals(readings, all.readings.filter(({ step }) => step <= 1000));
      assertEquals([edges?.generalised, edges?.memorised, edges?.last], [grokkingStep, memorisationStep, 1000]);
      assertEquals(edges?.transition ?? null, (all.edges?.transition ?? Infinity) <= 1000 ? all.edges!.transition : null);
      assertEquals(datedRun(run).moments.grokking, grokkingStep);
    }
    assert(whole.some(({ grokkingStep }) => grokkingStep! > 1000) && short.some(({ grokkingStep }) => grokkingStep !== null));
  }));

Deno.test("phases are by the experiment's own rule", () =>
  scratch(async (path) => {
    using lab = Lab.open(path("lab.db"));
    const engine = fakeEngine({ groksAt: () => 145, dips: (_, step) => step === 200 }), watch = { attention: {} };
    await sweep({ name: "first", runs: watchedRuns(), watch }, { lab, engine });
    lab.declare({ name: "ten", rule: "sustained", runs: watchedRuns(400), watch });
    const generalised = async (name: string) => (await attentionRuns(lab, name)).map(({ edges }) => edges?.generalised);
    assertEquals([await generalised("first"), await generalised("ten")], [[150, 150, 150], [210, 210, 210]]);
    // From 210 on ten evaluations end at 300; at 290 that isn't known.
    lab.declare({ name: "less", rule: "sustained", runs: watchedRuns(290), watch });
    assertEquals(await generalised("less"), [null, null, null]);
    // The same where only a part of the evaluations is there.
    const edges = () => lab.runs("less").map((run) => edgesWithin(lab, run, ruleOf(lab, "less")));
    const whole = edges();
    lab.run("UPDATE runs SET thinned = 1");
    assertEquals(edges(), whole);
  }));

Deno.test("probes: checkpoints and recorded readings from after the steps are left out", () =>
  scratch(async (path) => {
    using lab = Lab.open(path("lab.db"));
    await sweep({ name: "long", runs: watchedRuns().slice(0, 1), watch: { weights: { perDecade: 2 } } }, { lab, engine: fakeEngine() });
    lab.declare({ name: "short", runs: watchedRuns(100).slice(0, 1) });
    const steps = async (name: string) => (await probeRuns(lab, name)).map(({ readings }) => readings.map(({ step }) => step));
    const [[long], [short]] = [await steps("long"), await steps("short")];
    assert(long.at(-1)! === 450 && short.length > 0);
    assertEquals(short, long.filter((step) => step <= 100));
    assertEquals((await probeWeightsOfAll(lab, "short"))[0].readings.map(({ step }) => step), short);
    lab.run("DELETE FROM artifacts WHERE step <= 100");
    for (const probe of [() => probeWeightsOfAll(lab, "short"), () => experimentReadings(lab, "short")]) {
      const { message } = await assertRejects(probe, Error, "at least one of its runs must have weights in ");
      assertMatch(message, /, none has; its runs' stored states lie after its steps: the first is of step \d{3}, after 100$/);
    }
    using nanda = Lab.open(path("nanda.db"));
    await importRecorded(nanda, `${RECORDED}/nanda`);
    const [{ spec }] = nanda.runs("nanda"), table = await Deno.readTextFile(`${RECORDED}/nanda/readings.csv`);
    nanda.declare({ name: "short", runs: [{ ...spec, schedule: { ...spec.schedule, steps: 1000 } }] });
    const [all] = withReadings(nanda, "nanda", table), [some] = withReadings(nanda, "short", table);
    assertEquals(some.readings, all.readings.filter(({ step }) => step <= 1000));
    assert(some.readings.length < all.readings.length);
  }));
