/** V8's flags for wider vectors: when a process is started with them. */
import { assertEquals, assertThrows } from "@std/assert";
import { flagged, hasFlags, knowsFlags, V8_FLAGS } from "../../../lib/engine/cpu/flags.ts";

const both = V8_FLAGS.join(",");

Deno.test("flags: on x86-64 alone, once, beside those that are there, and never where they are switched off", () => {
  assertEquals(flagged({}, "x86_64"), { DENO_V8_FLAGS: both });
  assertEquals(flagged({ GROKBOOK_V8_FLAGS: "on" }, "x86_64"), { DENO_V8_FLAGS: both });
  assertEquals(flagged({}, "aarch64"), null);
  assertEquals(flagged({ GROKBOOK_V8_FLAGS: "off" }, "x86_64"), null);
  assertEquals(flagged({ DENO_V8_FLAGS: both }, "x86_64"), null);
  assertEquals(flagged({ DENO_V8_FLAGS: `--max-old-space-size=900,${V8_FLAGS[0]}` }, "x86_64"), {
    DENO_V8_FLAGS: `--max-old-space-size=900,${both}`,
  });
  assertEquals([hasFlags({ DENO_V8_FLAGS: `--stack-size=900,${both}` }), hasFlags({ DENO_V8_FLAGS: V8_FLAGS[1] }), hasFlags({})], [
    true,
    false,
    false,
  ]);
  assertThrows(
    () => flagged({ GROKBOOK_V8_FLAGS: "yes" }, "x86_64"),
    Error,
    "Cannot use GROKBOOK_V8_FLAGS: it must be on or off, current value is yes",
  );
});

Deno.test("flags: a V8 that doesn't know one says so before anything is started with it", async () => {
  assertEquals(await knowsFlags(["--no-such-flag-of-v8"]), false);
  assertEquals(await knowsFlags(["--stack-size=900"]), true);
  if (Deno.build.arch === "x86_64") assertEquals(await knowsFlags(), true);
});
