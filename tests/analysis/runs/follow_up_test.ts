/** What runs that were watched for different times allow to be said. */
import { assertEquals } from "@std/assert";
import { medianBounds, soonest, watchedWord } from "../../../lib/analysis/runs/follow_up.ts";

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
