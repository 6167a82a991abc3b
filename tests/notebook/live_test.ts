/** Live figures outside Jupyter: what is drawn, and what a script says in its place. */
import { assert, assertEquals } from "@std/assert";
import { live } from "../../lib/mod.ts";
import { onClock } from "../clock.ts";

Deno.test("a live figure drops what comes too soon, and its last frame shows the last data", async () => {
  const drawn: number[] = [];
  const figure = live((n: number) => drawn.push(n));
  for (let n = 0; n < 1000; n++) await figure.update(n);
  await figure.done();
  assertEquals([drawn[0], drawn.at(-1)], [0, 999]);
  assert(drawn.length < 100, `${drawn.length} of 1000 frames drawn`);
});

Deno.test("in a script a live figure says how far it is, every ten seconds; what ends sooner says nothing", async () => {
  const said: string[] = [], real = console.error;
  console.error = (text: string) => said.push(text);
  const times = async (...seconds: number[]) => {
    await onClock(async (clock) => {
      const figure = live((n: number) => n);
      await figure.begin("begins");
      for (const at of seconds) {
        clock.now = 1000 * at;
        await figure.update(at, `at ${at}`);
      }
      await figure.done(0, "stopped");
    });
    return said.splice(0);
  };
  try {
    assertEquals(await times(1, 9), []);
    assertEquals(await times(1, 10, 19, 21, 30, 31), ["at 10", "at 21", "at 31", "stopped"]);
  } finally {
    console.error = real;
  }
});
