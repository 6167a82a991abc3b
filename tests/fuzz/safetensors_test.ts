/** Files damaged at random, always the same: each is read or refused in one line. */
import { assertEquals } from "@std/assert";
import { Random } from "../../lib/run/random.ts";
import { faultOf, safetensors } from "./safetensors.ts";

Deno.test("fuzz: 1,500 damaged files of weights, checkpoints and attention logs", async () => {
  assertEquals(await Array.fromAsync(safetensors(new Random(17, "init"), 1500)), []);
});

Deno.test("fuzz: what isn't one short line is found", () => {
  const bad = [
    new TypeError("x"),
    new Error("Cannot a\nb"),
    new Error("Cannot \u001b[31m"),
    new Error(`Cannot ${"x".repeat(2000)}`),
    new Error("Oh"),
  ];
  assertEquals(bad.filter((error) => faultOf(error) === null), []);
  assertEquals(faultOf(new Error("Cannot load x: it must be there")), null);
});
