/**
 * What a run is called must never change: hashes and shapes of every preset, of every experiment's runs and of every recorded run, as they
 * were before fields were described in one table (`tests/fixtures/hashes.json`). Results that are stored under a hash would be lost
 * otherwise. A new experiment or record adds an entry, which the failing test writes out; what stands there stays.
 */
import { createHash } from "node:crypto";
// @ts-types="@types/d3-dsv"
import { csvParse } from "d3-dsv";
import { assertEquals, assertThrows } from "@std/assert";
import { PRESETS, type RunInput, type RunSpec, runSpec, shapeKey, specHash } from "../../lib/run/spec.ts";
import { EXPERIMENTS } from "../../lib/studies/mod.ts";
import { assertPinned } from "../pinned_table.ts";
import pinned from "../fixtures/hashes.json" with { type: "json" };

const FILE = "tests/fixtures/hashes.json";
const RECORDED = new URL("../../data/recorded/", import.meta.url);

/** How many runs, and one digest over all of their hashes and over all of their shapes, whatever their order. */
function digest(runs: readonly RunSpec[]): { runs: number; hashes: string; shapes: string } {
  const of = (words: string[]) => createHash("sha256").update(words.sort().join("\n")).digest("hex").slice(0, 16);
  return { runs: runs.length, hashes: of(runs.map(specHash)), shapes: of(runs.map(shapeKey)) };
}

/** The runs of a record, each made anew from its cells, and the hash that stands beside them. */
function recorded(folder: string): { spec: RunSpec; hash: string }[] {
  const read = (name: string) => Deno.readTextFileSync(new URL(`${folder}/${name}`, RECORDED));
  const { base, swept } = JSON.parse(read("experiment.json"));
  return csvParse(read("runs.csv")).map((row) => {
    const input = structuredClone(base);
    for (const path of swept as string[]) {
      const [part, field] = path.split("."), text = row[path];
      (input[part] ??= {})[field] = Number.isNaN(Number(text)) ? text : Number(text);
    }
    input.schedule.steps = Number(row.steps);
    return { spec: runSpec({ ...input, seed: Number(row.seed) } as RunInput), hash: row.hash };
  });
}

Deno.test("pinned: every preset has the hash and the shape that it had", () => {
  const now = Object.fromEntries(Object.entries(PRESETS).map(([name, spec]) => [name, { hash: specHash(spec), shape: shapeKey(spec) }]));
  assertPinned(now, pinned.presets, FILE, ["presets"]);
});

Deno.test("pinned: every experiment has the runs that it had", () => {
  assertPinned(Object.fromEntries(EXPERIMENTS.map(({ name, runs }) => [name, digest(runs)])), pinned.experiments, FILE, ["experiments"]);
});

Deno.test("pinned: every recorded run has the hash that stands in its record", () => {
  const folders = [...Deno.readDirSync(RECORDED)].map(({ name }) => name).filter((name) => {
    return [...Deno.readDirSync(new URL(name, RECORDED))].some((file) => file.name === "runs.csv");
  }).sort();
  const now = folders.map((folder) => {
    const runs = recorded(folder);
    assertEquals(runs.map(({ spec }) => specHash(spec)), runs.map(({ hash }) => hash), folder);
    return [folder, digest(runs.map(({ spec }) => spec))];
  });
  assertPinned(Object.fromEntries(now), pinned.recorded, FILE, ["recorded"]);
  const demo = JSON.parse(Deno.readTextFileSync(new URL("demo/spec.json", RECORDED)));
  assertEquals(specHash(runSpec(demo)), pinned.demo);
});

Deno.test("pinned: what has changed and what is there no more is named; what is new is written out as it stands in the file", () => {
  const digest = { runs: 1, hashes: "aa", shapes: "bb" }, was = { old: digest, gone: digest };
  assertPinned(was, was, FILE, ["recorded"]);
  const { message } = assertThrows(() => assertPinned({ old: { ...digest, hashes: "ab" }, more: digest }, was, FILE, ["recorded"]), Error);
  assertEquals(
    message,
    `These must not change:
recorded › old › hashes: must be "aa", current value is "ab"

These are pinned and are there no more; take them out of tests/fixtures/hashes.json if that is meant:
recorded › gone

These aren't pinned yet; if they are new, insert into "recorded" of tests/fixtures/hashes.json:
    "more": {
      "runs": 1,
      "hashes": "aa",
      "shapes": "bb"
    },`,
  );
});
