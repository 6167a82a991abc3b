/** How fast the engine is: what was recorded of it, and the two figures. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { enginesOf, machinesOf, recordedBenches } from "../../lib/studies/speed/mod.ts";
import { profileFigure, scalingFigure } from "../../lib/figures/speed.ts";
import { scalingTable } from "../bench/scaling.ts";
import { scratch } from "../lab/lab_files.ts";
import type { Profile, Scaling, ScalingPoint } from "../../lib/analysis/speed.ts";
import { kindsOf } from "../../lib/analysis/speed.ts";

const machine = "A card, driver 1.0";
const point = (axis: ScalingPoint["axis"], value: number, rates: readonly number[], flop = 1e9): ScalingPoint => ({
  ...{ axis, value, rows: axis === "rows" ? value : 1, runStepsPerSecond: rates, flop },
});
const scaling: Scaling = {
  work: "scaling",
  points: [
    ...[point("rows", 1, [10, 12, 11]), point("rows", 2, [20, 21, 22]), point("rows", 4, [33, 32, 31])],
    ...[point("dModel", 32, [40, 41, 42], 1e8), point("dModel", 64, [20, 21, 22], 4e8), point("dModel", 128, [])],
    point("layers", 1, [10, 10, 10]),
  ],
};
const profile: Profile = {
  work: "ai-scientist",
  rows: 8,
  peak: { flops: 1e12, bytes: 1e11 },
  kernels: [
    { label: "0.mlp_pre = mid · W_in", milliseconds: 2, flop: 1e9, bytes: 1e6 },
    { label: "d.mid = d.mlp_pre · W_inᵀ, parts", milliseconds: 3, flop: 1e9, bytes: 1e6 },
    { label: "d.mid = d.mlp_pre · W_inᵀ, sum of parts", milliseconds: 1, flop: 1e6, bytes: 5e7 },
    { label: "d0.W_in = 0.ln2ᵀ · d.mlp_pre, parts", milliseconds: 3, flop: 6e8, bytes: 1e6 },
    { label: "0.ln1 = LN(0.resid_pre)", milliseconds: 0.5, flop: 1, bytes: 1 },
    { label: "batch = draws from the training pairs", milliseconds: 0.5, flop: 1, bytes: 1 },
  ],
};

Deno.test("kernels are added up by kind, each against the limit that it is nearer to", () => {
  const kinds = kindsOf(profile).map(({ name, milliseconds, share, ofPeak }) => [name, milliseconds, share, Number(ofPeak.toFixed(3))]);
  assertEquals(kinds, [
    ["Products with weights, backward", 3, 0.3, 0.333],
    ["Weight gradients", 3, 0.3, 0.2],
    ["Products with weights, forward", 2, 0.2, 0.5],
    ["Sums of parts of products", 1, 0.1, 0.5],
    ["Layer norm", 0.5, 0.05, 0],
    ["Everything else", 0.5, 0.05, 0],
  ]);
});

Deno.test("the figures say what they found; an axis with one point isn't drawn, one that wasn't measured isn't invented", () => {
  const drawn = scalingFigure(scaling, { machine });
  assertEquals(drawn.title, "4 runs at once make 2.9 times as many run-steps per second as one");
  const flat = { ...scaling, points: [point("rows", 1, [10]), point("rows", 8, [10.5])] };
  assertEquals(scalingFigure(flat, { machine }).title, "8 runs at once make no more run-steps per second than one");
  assert(drawn.svg.includes("Width d_model") && !drawn.svg.includes("Layers") && !drawn.svg.includes(">128<"));
  assertThrows(() => scalingFigure({ ...scaling, points: [] }, { machine }), Error, "two points of an axis must be measured");
  assertEquals(profileFigure(profile, { machine }).title, "Products take 90 % of a step");
  // Faster than the peak that was measured: the peak was measured too low, and no share of it is a number to print.
  const beyond = profileFigure({ ...profile, peak: { flops: profile.peak.flops / 10, bytes: profile.peak.bytes / 10 } }, { machine });
  assert(beyond.svg.includes("at the peak or above") && !/\d{3,} %/.test(beyond.svg), "more than all of it");
  const lines = scalingTable(scaling.points).split("\n").map((line) => line.trim().split(/ {2,}/));
  assertEquals(lines[1], ["rows", "1", "1", "11.0", "(10.0–12.0)", "11.0"]);
  assertEquals(lines[6], ["dModel", "128", "1", "doesn't fit, or takes too long"]);
});

Deno.test("what was recorded is found by kind, software drivers last; a profile without a peak is an old one", () =>
  scratch(async (path) => {
    const write = (name: string, software: boolean, ...results: object[]) =>
      Deno.writeTextFile(path(`${name}.json`), JSON.stringify({ machine: { adapter: { software } }, results }));
    await write("a", true, scaling, { work: "lab" });
    await write("b", false, scaling, { work: { preset: "boundaries" }, rows: 1, results: [] });
    await write("c", false, profile, { ...profile, peak: undefined });
    const { comparisons, scalings, profiles } = await recordedBenches(path(""));
    const names = (documents: readonly { readonly name: string; readonly results: readonly unknown[] }[]) =>
      documents.map(({ name, results }) => [name, results.length]);
    assertEquals([comparisons, scalings, profiles].map(names), [[["b", 1]], [["b", 1], ["a", 1]], [["c", 1]]]);
  }));

Deno.test("a record's machine is that of the engines that were measured, not of an adapter that stood beside them", async () => {
  const { comparisons, scalings, profiles } = await recordedBenches();
  const engines = new Map([...comparisons, ...scalings, ...profiles].map((each) => [each.name, enginesOf(each).join(" ")]));
  for (
    const [name, expected] of [
      ...["cpu-ai-scientist", "cpu-boundaries"].map((name) => [name, "cpu webgpu"]),
      ...["cpu-scaling", "cpu-profile"].map((name) => [name, "cpu"]),
      ...["ai-scientist", "boundaries", "scaling", "profile"].map((name) => [`llvmpipe-${name}`, "webgpu"]),
    ]
  ) assertEquals(engines.get(name), expected, name);
  const document = {
    ...{ name: "a", date: "", command: "" },
    machine: {
      ...{ processor: "a processor", cores: 2, deno: "", nvidia: null, commit: "" },
      adapter: { name: "a card", driver: "driver 1.0", software: false },
    },
  };
  const peers = (...names: readonly string[]) => ({
    ...{ work: { preset: "boundaries", examples: 1 }, rows: 1 },
    results: [...names.map((peer) => ({ peer })), { peer: "grokbook-webgpu", absent: "no adapter" }],
  });
  const cpu = "cpu: 2 cores of a processor", card = "webgpu: a card, driver 1.0";
  for (
    const [result, machine] of [
      [scaling, card],
      [{ ...scaling, engine: "cpu" as const }, cpu],
      [{ ...profile, engine: "cpu" as const }, cpu],
      [peers("torch-eager", "grokbook-cpu-unflagged"), cpu],
      [peers("grokbook-cpu", "grokbook"), `${cpu}; ${card}`],
      [peers("torch-eager"), "2 cores of a processor"],
    ] as const
  ) assertEquals(machinesOf({ ...document, results: [result] }), machine);
});
