/** What runs that were watched for different times allow to be said. */
import { assertEquals } from "@std/assert";
import { medianBounds, soonest, watchedWord } from "../../../lib/analysis/runs/follow_up.ts";

import { openSentence } from "../../../lib/analysis/runs/run.ts";
import { runSpec } from "../../../lib/run/spec.ts";

const STEPS = 3000;

Deno.test("what follow-up allows: bounds of a median, the soonest of groups, and how long was watched", () => {
  const event = (grokked: number) => ({ grokked, known: STEPS }), open = (known: number) => ({ grokked: null, known });
  assertEquals(medianBounds([event(100), event(300), open(50)]), { least: 100, most: 300 });
  assertEquals(medianBounds([event(100), event(300), open(500)]), { least: 300, most: 300 });
  assertEquals(medianBounds([event(100), open(500), open(900)]), { least: 500, most: Infinity });
  assertEquals(medianBounds([event(100), event(200), event(300), event(400)]), { least: 250, most: 250 });
  assertEquals(soonest([[event(300)], [open(400)], [event(350)]]), { at: [0], step: 300 });
  assertEquals(soonest([[event(300)], [event(300)], [event(350)]]), { at: [0, 1], step: 300 });
  assertEquals([soonest([[event(300)], [open(200)]]), soonest([[open(200)]])], [null, null]);
  assertEquals([watchedWord([event(9), open(1180), open(3000)]), watchedWord([open(3000)])], ["1,180 to 3,000 steps", "3,000 steps"]);
});

Deno.test("an experiment that isn't finished says so: runs that stopped, that haven't begun, and that the lab doesn't have", () => {
  const spec = runSpec({ schedule: { steps: STEPS } }), run = (status: string, step: number) => ({ spec, status, step });
  const ended = [run("finished", STEPS), run("grokked", 400), run("failed", 10)], planned = { name: "map", runs: [spec, spec, spec] };
  assertEquals(openSentence(ended, planned), []);
  for (const open of [[run("stopped", 400)], [run("waiting", 0)], []]) {
    assertEquals(openSentence([...ended.slice(1), ...open], planned), [
      "**Not finished:** of map, 2 of 3 runs have ended; what follows may change.",
    ]);
  }
});
