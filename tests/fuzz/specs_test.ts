/**
 * Broken configs, grid files, flags and inputs, the same ones every time: none is taken for what it isn't, and each is refused in one line.
 */
import { assertEquals } from "@std/assert";
import { Chance, type Finding, type Fuzzer, VALUES } from "./finding.ts";
import { configs, flags, grids, inputs } from "./specs.ts";

async function findings(fuzzer: Fuzzer, count: number): Promise<Finding[]> {
  const before = JSON.stringify(VALUES), found = await Array.fromAsync(fuzzer(new Chance(17), count));
  // Or else an input would depend on all that came before it.
  assertEquals(JSON.stringify(VALUES), before);
  return found;
}

Deno.test("fuzz: 1,500 files of --config", async () => assertEquals(await findings(configs, 1500), []));
Deno.test("fuzz: 1,000 grid files", async () => assertEquals(await findings(grids, 1000), []));
Deno.test("fuzz: 1,000 command lines", async () => assertEquals(await findings(flags, 1000), []));
Deno.test("fuzz: 1,000 inputs as notebooks give them", async () => assertEquals(await findings(inputs, 1000), []));
