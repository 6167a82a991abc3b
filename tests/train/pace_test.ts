/** When checkpoints are due: soon after the beginning, then less and less often, and never for more than a small part of the time. */
import { assertEquals } from "@std/assert";
import { Pace } from "../../lib/train/pace.ts";
import { type Clock, onClock } from "../clock.ts";

/** When saves came, in seconds, where time passes in steps of 0.1 s and each save takes so many seconds. */
const saves = (longest: number, takes: number, until: number): Promise<number[]> =>
  onClock(async (clock: Clock) => {
    const pace = new Pace(longest), came: number[] = [];
    for (let tenths = 1; tenths <= 10 * until; tenths++) {
      clock.now = Math.max(clock.now, 100 * tenths);
      if (!pace.due) continue;
      came.push(clock.now / 1000);
      await pace.save(() => Promise.resolve(void (clock.now += 1000 * takes)));
    }
    return came;
  });

Deno.test("the first save comes after two seconds, each pause is twice as long as the one before, up to the longest", async () => {
  assertEquals(await saves(60, 0, 250), [2, 6, 14, 30, 62, 122, 182, 242]);
  assertEquals(await saves(1, 0, 4), [1, 2, 3, 4]);
});

Deno.test("a save that takes long is followed by a pause that is thirty times as long", async () => {
  assertEquals(await saves(1, 0.5, 40), [1, 16.5, 32]);
});
