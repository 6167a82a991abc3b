/** Labs and records damaged at random, always the same. */
import { assertEquals } from "@std/assert";
import { Chance } from "./finding.ts";
import { labs } from "./labs.ts";

Deno.test("fuzz: 600 damaged labs and records", async () => {
  assertEquals(await Array.fromAsync(labs(new Chance(18), 600)), []);
});
