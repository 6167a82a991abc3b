/** A run that diverges has no spike there: its loss is infinite or no number, and doesn't come back. */
import { assertEquals } from "@std/assert";
import { slingshots } from "../../../lib/analysis/runs/slingshots.ts";

const series = (losses: readonly number[]) => losses.map((trainLoss, i) => ({ step: 10 * i, trainLoss }));
const flat = (count: number) => Array.from({ length: count }, () => 1e-3);

Deno.test("losses that are infinite or NaN are no spikes, and end one that has begun; those before count", () => {
  for (const end of [NaN, Infinity]) {
    assertEquals(slingshots(series([...flat(12), end, end])), []);
    assertEquals(slingshots(series([...flat(12), 0.5, 0.7, end, end])), []);
    // The spike at step 120 is over at 130, before the run diverges at 180.
    const found = slingshots(series([...flat(12), 0.5, ...flat(5), end, ...flat(3)]));
    assertEquals(found, [{ from: 120, peak: 120, to: 130, height: 500 }]);
  }
});
