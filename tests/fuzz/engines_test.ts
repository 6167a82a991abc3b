/** Runs drawn at random, the same ones every time: engines compute what the oracle does, and a mistake is found. */
import { assertEquals } from "@std/assert";
import { KERNELS, spoiled, testOn } from "../engine/executors.ts";
import { engines } from "./engines.ts";
import { Chance } from "./finding.ts";

const CPU = KERNELS.filter(({ name }) => name === "cpu");

testOn(CPU, "fuzz: 30 runs are the oracle's", async (engine) => {
  assertEquals(await Array.fromAsync(engines(() => Promise.resolve(engine))(new Chance(17), 30)), []);
});

testOn(CPU, "fuzz: runs whose rows are cut along the wrong axis are found", async (engine) => {
  const wrong = spoiled(engine, (op) => op.op === "clipRows" ? { ...op, along: op.along === "rows" ? "columns" : "rows" } : op);
  const found = await Array.fromAsync(engines(() => Promise.resolve(wrong))(new Chance(17), 8));
  assertEquals(found.length > 0 && found.every(({ problem }) => /params of|weightNorm/.test(problem)), true);
});
