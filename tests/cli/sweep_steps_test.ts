/** `deno task sweep` with fewer steps than the lab has: what it counts, and that it says so. */
import { assertEquals, assertMatch } from "@std/assert";
import { scratch } from "../lab/lab_files.ts";
import { sweep } from "./sweep_process.ts";

Deno.test("a sweep of fewer steps than the lab has counts at its own and says that the lab's views count to more; so does its status", () =>
  scratch(async (path) => {
    const db = path("steps.db"), says = /\nThe lab has this experiment to step 240: these counts are those at step (\d+)(.*)\.\n/;
    const whole = await sweep(db), fewer = await sweep(db, "--steps", "20");
    assertEquals([whole.code, fewer.code], [0, 0], whole.stderr + fewer.stderr);
    assertEquals(says.test(whole.stdout), false, whole.stdout);
    assertMatch(fewer.stdout, /^night: 6 runs, grokked 0, never 6, /);
    assertEquals(fewer.stdout.match(says)?.slice(1), ["20", ", its views count to step 240"], fewer.stdout);
    const [status, named] = [await sweep(db, "--status"), await sweep(db, "--status", "--steps", "20")];
    assertEquals(says.test(status.stdout), false, status.stdout);
    assertMatch(named.stdout, /100 % of the work {2}grokked 0 {2}never 6 /);
    assertEquals(`${named.stdout}\n`.match(says)?.slice(1), ["20", ", its views count to step 240"], named.stdout);
  }));
