/** Lags and phases as tables and sentences. */
import { assertEquals, assertMatch } from "@std/assert";
import { datesOf, lagsOf, phaseDistances, runDatesOf } from "../../lib/studies/attention/findings.ts";
import { datesTable, lagAnswer, lagSentences, lagTable, phaseTable, runSentence, runTable } from "../../lib/studies/attention/tables.ts";
import { several } from "./attention_runs.ts";
import { patternClusters } from "../../lib/analysis/attention/pattern_clusters.ts";

const groups = [{ name: "late", runs: several(8, { lag: 0.2 }) }, { name: "never", runs: several(2, { groks: null }) }];

Deno.test("lags: a row and a sentence a group, with what the verdict rests on, and with nothing where no run groks", () => {
  const table = lagTable(lagsOf(groups));
  assertEquals(Object.keys(table[0]), [
    ...["", "runs", "grokked", "n", "shift, % of the wait", "95 % interval", "attention first in", "rank-biserial r", "p"],
    ...["attention changes", "speeds agree at, decades"],
  ]);
  const [late, never] = table.map((row) => Object.values(row));
  assertEquals([late[0], late[1], late[2], late[3], late[6], late[7], late[8], late[9]], [
    "late",
    8,
    8,
    8,
    "0 of 8",
    "1.00",
    "0.0078",
    "after",
  ]);
  assertMatch(`${late[4]}: ${late[5]}`, /^\d\d: \d\d to \d\d$/);
  assertEquals(never, ["never", 2, 0, 0, "–", "–", "0 of 0", "–", "–", "undecided", "–"]);
  const [first, second] = lagSentences(lagsOf(groups)).split("\n");
  assertMatch(
    first,
    /^- \*\*late\*\*: Attention changes after validation accuracy: shift \+\d\d % of the wait \(95 % interval \+\d\d % to \+\d\d %, n.=.8\); attention first in 0 of 8; rank-biserial r 1\.00; sign-flip test, p = 0\.0078; the two are fastest \+0\.\d\d.* decades of steps apart\.$/,
  );
  assertEquals(second, "- **never**: No run dates a change of attention against validation accuracy.");
  assertEquals(lagTable(lagsOf(groups.slice(0, 1), { scale: "decades" })).map((row) => Object.keys(row)[4])[0], "shift, decades");
});

Deno.test("lags: what they come to, for each way of dating", () => {
  const rows = lagsOf(groups), [late, never] = rows, early = { ...late, name: "early", verdict: "before" as const };
  assertEquals(
    lagAnswer({ "By all of it": rows }),
    "**Nowhere shown to change before the jump; open on never.** By all of it: after on late, undecided on never.",
  );
  const reaching = { ...late, name: "reaching", verdict: "not before" as const };
  assertEquals(
    lagAnswer({ "By all of it": [late, reaching] }),
    "**Of all heads together, nowhere before the jump.** By all of it: after on late, not before on reaching.",
  );
  assertEquals(
    lagAnswer({ "By all of it": [late, early], "Up to grokking": [early, never] }),
    "**Before the jump on early.** By all of it: after on late, before on early. Up to grokking: before on early, undecided on never.",
  );
});

Deno.test("dates: medians count runs without as later", () => {
  const [runs] = groups.map(({ runs }) => runs),
    table = datesTable(datesOf([{ name: "some", runs: [...runs.slice(0, 3), ...groups[1].runs] }]));
  assertEquals(Object.keys(table[0]).slice(0, 5), ["", "runs", "attention half-way, median", "accuracy half-way", "grokked"]);
  // Three of five grok: the median is the latest of them.
  const latest = Math.max(...runs.slice(0, 3).map(({ grokkingStep }) => grokkingStep!));
  assertEquals(table.map((row) => Object.values(row))[0][4], String(latest));
  assertEquals(Object.values(datesTable(datesOf([groups[1]]))[0]).slice(3, 5), ["–", "–"]);
});

Deno.test("phases: a row for each that follows another", () => {
  const table = phaseTable(phaseDistances(groups.slice(0, 1), [patternClusters(groups[0].runs)]));
  assertEquals(Object.keys(table[0]), [
    "",
    "from",
    "to",
    "n",
    "patterns, Jensen–Shannon",
    "p",
    "p, Holm",
    "least",
    "entropies, Wasserstein",
  ]);
  assertEquals(table.map((row) => row["to"]), ["memorised", "transition", "generalised"]);
  assertEquals(table[0]["patterns, Jensen–Shannon"], "0.00");
});

Deno.test("runs: a row each with its lags in percent, dashes for what never came, and a count without a test", () => {
  const rows = runDatesOf(groups), table = runTable(rows);
  assertEquals(table.length, 10);
  const [late, never] = [Object.values(table[0]), Object.values(table[8])];
  assertMatch(late.join(" "), /^late 0 \d+ \d+ \d+ \d+ \d\d [−\d]+$/);
  assertEquals([never[0], never[5], never[6], never[7]], ["never", "–", "–", "–"]);
  assertMatch(
    runSentence(rows),
    /^Attention is half-way later than accuracy in 8 of 8 runs by all of its change, in \d of 8 by that up to grokking\.$/,
  );
});
