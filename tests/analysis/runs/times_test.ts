/** Times of runs as censored data. */
import { assertEquals } from "@std/assert";
import type { BoardRun } from "../../../lib/analysis/runs/run.ts";
import { timesTo } from "../../../lib/analysis/runs/times.ts";
import { type RunSpec, runSpec } from "../../../lib/run/spec.ts";

const ran = (spec: RunSpec, memorisationStep: number | null, grokkingStep: number | null): BoardRun => ({
  ...{ spec, status: "finished", step: spec.schedule.steps, memorisationStep, grokkingStep },
});

Deno.test("times to memorising, to grokking, and between; what never did is censored, and what hasn't ended as far as it was watched", () => {
  const spec = runSpec({ schedule: { steps: 3000 } });
  const some = [
    ran(spec, 100, 400),
    ran(spec, 100, null),
    ran(spec, null, null),
    ran(spec, 500, 400),
    { ...ran(spec, 100, null), status: "stopped", step: 200 },
    { ...ran(spec, null, null), status: "waiting", step: 0 },
    // A rule of ten evaluations in a row tells of no grokking in the last nine; what diverged would never have.
    { ...ran(spec, 100, null), known: 2820 },
    { ...ran(spec, 100, null), status: "failed", step: 200 },
    // What did all steps of a shorter experiment was watched for no more than those.
    { ...ran(spec, 100, null), step: 1000, known: 910 },
  ];
  const event = (time: number, until = 3000) => ({ time, event: true, until }),
    never = (time: number, until = time) => ({ time, event: false, until });
  assertEquals(timesTo("memorised", some), [
    event(100),
    event(100),
    never(3000),
    event(500),
    event(100, 200),
    event(100),
    event(100),
    event(100, 1000),
  ]);
  assertEquals(timesTo("grokked", some), [
    event(400),
    never(3000),
    never(3000),
    event(400),
    never(200),
    never(2820),
    never(3000),
    never(910),
  ]);
  assertEquals(timesTo("delay", some), [event(300, 2900), never(2900), event(0, 2500), never(100), never(2720), never(2900), never(810)]);
});

Deno.test("times of a run that ended because it had grokked: it would have been watched to the end of its steps, but for a rule's last evaluations", () => {
  const spec = runSpec({ schedule: { steps: 3000 } });
  const ended = { ...ran(spec, 100, 400), status: "grokked", step: 500, known: 410 };
  assertEquals(timesTo("grokked", [ended]), [{ time: 400, event: true, until: 2910 }]);
  // The last evaluation is at 3005, the ninth before it at 2920.
  const odd = runSpec({ schedule: { steps: 3005 } });
  assertEquals(timesTo("grokked", [{ ...ended, spec: odd }, { ...ran(odd, 100, null), known: 2920 }]).map(({ until }) => until), [
    2920,
    2920,
  ]);
  assertEquals(timesTo("grokked", [{ ...ran(spec, 100, null), status: "stopped", step: 60, known: -30 }]), []);
});
