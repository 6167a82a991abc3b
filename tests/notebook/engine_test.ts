/** The engine of a notebook: one that couldn't be opened is forgotten, the one before it stays, and what `watch` refuses to train. */
import { assert, assertRejects } from "@std/assert";
import { watch } from "../../lib/mod.ts";
import { ENGINE, engine } from "../../lib/notebook/show.ts";
import type { EngineName } from "../../lib/train/engines.ts";
import { firstGrok } from "../../lib/studies/lessons/mod.ts";
import { fakeEngine } from "../fake_engine.ts";

Deno.test("after an engine that couldn't be opened, the next call opens the one that is asked for now", async () => {
  const before = Deno.env.get(ENGINE), says = (name: string) => `the engine must be one of webgpu, cpu, tfjs, current value is "${name}"`;
  try {
    await assertRejects(() => engine("webgpux" as EngineName), Error, says("webgpux"));
    for (const name of ["one", "another"]) {
      Deno.env.set(ENGINE, name);
      await assertRejects(() => engine(), Error, says(name));
      await assertRejects(() => watch([firstGrok()]), Error, says(name));
    }
  } finally {
    if (before === undefined) Deno.env.delete(ENGINE);
    else Deno.env.set(ENGINE, before);
  }
});

Deno.test("after an engine that couldn't be opened, the one that was open before it is still the engine", async () => {
  const refused = (threads: number) => assertRejects(() => engine("cpu", { threads }), Error, "threads");
  const one = await engine("cpu", { threads: 1 });
  await assertRejects(() => engine("webgpux" as EngineName), Error, "current value is");
  assert(await engine() === one);
  // Two at once, of which neither opens; then one that is replaced while it opens, by one that doesn't.
  await Promise.all([refused(-1), refused(0)]);
  assert(await engine() === one);
  const next = engine("cpu", { threads: 1 });
  await refused(0);
  assert(await engine() === await next);
});

Deno.test("watch refuses to train nothing", async () => {
  await assertRejects(() => watch([], { engine: fakeEngine() }), Error, "Cannot watch: there must be at least one run, current value is 0");
});
