/** Phases of constructed curves, whose edges are known; and of the recorded runs that the rule was chosen by. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { type Accuracies, RULES } from "../../lib/run/grokking.ts";
import { DEPARTURE, phaseAt, phaseEdges, phases } from "../../lib/run/phases.ts";

/** Evaluations every 10 steps from [train, validation] pairs. */
const curve = (...points: [number, number][]): Accuracies[] => points.map(([trainAcc, valAcc], i) => ({ step: 10 * i, trainAcc, valAcc }));
const repeat = (n: number, train: number, val: number) => Array.from({ length: n }, (): [number, number] => [train, val]);

/** Memorises at 30; the plateau lasts until 80; above 99 % from 110. */
const shaped = (plateau: number, rise: readonly number[]) =>
  curve(...repeat(3, 0.5, plateau / 2), ...repeat(5, 1, plateau), ...rise.map((val): [number, number] => [1, val]));

Deno.test("phases: the transition is found from guessing and from a plateau at the train fraction alike", () => {
  // A quarter of the way from 0.01 to 0.99 is 0.255; from 0.51 to 0.99 it is 0.63.
  for (const [plateau, below, beyond] of [[0.01, 0.25, 0.26], [0.51, 0.62, 0.64]]) {
    const edges = phaseEdges(shaped(plateau, [below, beyond, 0.9, 0.991, 1]));
    assertEquals(edges, { first: 0, memorised: 30, transition: 90, generalised: 110, last: 120 });
    assertEquals(phases(edges), [
      { name: "before memorisation", from: 0, to: 30 },
      { name: "memorised", from: 30, to: 90 },
      { name: "transition", from: 90, to: 110 },
      { name: "generalised", from: 110, to: null },
    ]);
  }
  const early = phaseEdges(shaped(0.01, [0.25, 0.26, 0.9, 1]), RULES.first, 0.2);
  assertEquals(early.transition, 80);
});

Deno.test("phases: what wasn't seen has no edge, and the last phase no end", () => {
  const never = phaseEdges(curve(...repeat(5, 0.6, 0.02)));
  assertEquals(never, { first: 0, memorised: null, transition: null, generalised: null, last: 40 });
  assertEquals(phases(never), [{ name: "before memorisation", from: 0, to: null }]);

  const plateau = phaseEdges(shaped(0.02, [0.1, 0.2]));
  assertEquals(plateau, { first: 0, memorised: 30, transition: null, generalised: null, last: 90 });
  assertEquals(phases(plateau).at(-1), { name: "memorised", from: 30, to: null });

  const half = phaseEdges(shaped(0.02, [0.5, 0.8, 0.98]));
  assertEquals([half.transition, half.generalised], [80, null]);
  assertEquals(phases(half).at(-1), { name: "transition", from: 80, to: null });
  assertThrows(() => phaseEdges([]), Error, "must have at least one evaluation");
});

Deno.test("phases: a jump within one evaluation leaves no transition; a memorised run that jumps at once was never on a plateau", () => {
  const jump = phaseEdges(shaped(0.02, [0.02, 1]));
  assertEquals([jump.transition, jump.generalised], [90, 90]);
  assertEquals(phases(jump).map(({ name }) => name), ["before memorisation", "memorised", "generalised"]);

  const together = phaseEdges(curve([0.1, 0.1], [0.9, 0.8], [1, 1], [1, 1]));
  assertEquals(together, { first: 0, memorised: null, transition: null, generalised: 20, last: 30 });
  assertEquals(phases(together).map(({ name }) => name), ["before memorisation", "generalised"]);
  assertEquals(phases(phaseEdges(curve([1, 1]))), [{ name: "generalised", from: 0, to: null }]);
});

Deno.test("phases: dips change nothing once an edge is passed", () => {
  const edges = phaseEdges(shaped(0.02, [0.5, 0.1, 0.6, 0.995, 0.4, 0.995]));
  assertEquals([edges.transition, edges.generalised], [80, 110]);
  assertEquals([0, 29, 30, 79, 80, 109, 110, 130, 900].map((step) => phaseAt(edges, step)), [
    "before memorisation",
    "before memorisation",
    "memorised",
    "memorised",
    "transition",
    "transition",
    "generalised",
    "generalised",
    "generalised",
  ]);
});

Deno.test("phases: by another rule, generalised begins where that rule's streak does", () => {
  const long = shaped(0.02, [0.5, ...Array.from({ length: 12 }, () => 0.95)]);
  assertEquals(phaseEdges(long, RULES.sustained), { first: 0, memorised: 30, transition: 80, generalised: 90, last: 200 });
  assertEquals(phaseEdges(long).generalised, null);
});

Deno.test("phases: on recorded runs, drifting plateaus are no transitions, and jumps are", async () => {
  const text = await Deno.readTextFile(new URL("../../data/recorded/knob_weight_decay/metrics.csv", import.meta.url));
  const [header, ...lines] = text.trim().split("\n").map((line) => line.split(","));
  const at = ["run", "step", "train_acc", "val_acc"].map((name) => header.indexOf(name));
  const runs = Map.groupBy(lines.map((cells) => at.map((i) => Number(cells[i]))), ([run]) => run);
  const edges = [...runs.values()].map((rows) => phaseEdges(rows.map(([, step, trainAcc, valAcc]) => ({ step, trainAcc, valAcc }))));
  // The first five have no weight decay.
  assertEquals(edges.slice(0, 5).map(({ transition, generalised }) => [transition, generalised]), Array(5).fill([null, null]));
  const generalised = edges.filter((edge) => edge.generalised !== null);
  assert(generalised.length >= 10);
  for (const { memorised, transition, generalised: end } of generalised) assert(memorised! < transition! && transition! <= end!);
  assertEquals(DEPARTURE, 0.25);
});
