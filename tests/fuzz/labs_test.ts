/** Labs and records damaged at random, always the same. */
import { assertEquals } from "@std/assert";
import { Random } from "../../lib/run/random.ts";
import { labs } from "./labs.ts";

Deno.test("fuzz: 1,500 damaged labs and records", async () => {
  assertEquals(await Array.fromAsync(labs(new Random(18, "init"), 1500)), []);
});
