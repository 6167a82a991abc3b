/** The order of runs: by their fields, whatever order they come in. */
import { assertEquals } from "@std/assert";
import { inOrder } from "../../lib/run/order.ts";
import { grid } from "../../lib/lab/experiment.ts";
import { importRecorded } from "../../lib/lab/record/import.ts";
import { Lab } from "../../lib/lab/store.ts";
import { RECORDED } from "../../lib/notebook/sweep.ts";
import { scratch } from "../lab/lab_files.ts";

Deno.test("runs stand in the order of their fields: numbers by size, words after them and as the field has them, seeds last", () => {
  const runs = grid({
    preset: "one-layer",
    data: { operation: ["permutation", "x_minus_y", "x_plus_y"], batch: ["full", 64, 512] },
    optim: { weightDecay: [1, 0.1] },
    seed: [10, 9],
  });
  const said = (some: typeof runs) =>
    some.map(({ data: { operation, batch }, optim, seed }) => `${operation} ${batch} ${optim.weightDecay} ${seed}`);
  const sorted = [...runs].sort(inOrder);
  assertEquals(said(sorted).slice(0, 5), [
    "x_plus_y 64 0.1 9",
    "x_plus_y 64 0.1 10",
    "x_plus_y 64 1 9",
    "x_plus_y 64 1 10",
    "x_plus_y 512 0.1 9",
  ]);
  assertEquals(said(sorted).filter((_, i) => i % 12 === 11), ["x_plus_y full 1 10", "x_minus_y full 1 10", "permutation full 1 10"]);
  assertEquals(said([...runs].reverse().sort(inOrder)), said(sorted));
});

Deno.test("a lab gives an experiment's runs in that order, whatever was imported before", () =>
  scratch(async (path) => {
    const names = ["knob_labels", "knob_weight_decay"]; // which share five runs
    const orders = [names, names.toReversed()].map(async (some, i) => {
      using lab = Lab.open(path(`${i}.db`));
      for (const name of some) await importRecorded(lab, `${RECORDED}/${name}`);
      return names.map((name) => lab.runs(name).map(({ spec }) => spec));
    });
    const [one, other] = await Promise.all(orders);
    assertEquals(one, other);
    assertEquals(one, one.map((specs) => [...specs].sort(inOrder)));
  }));
