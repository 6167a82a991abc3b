/** `deno task test`: which files its names choose, the groups that they run in, and what it counts and names of them. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { runsPrograms } from "../../lib/cli/scratch.ts";
import { count, countLine, groups, runGroup, sum, testFiles } from "../../lib/cli/test.ts";
import { ended, start } from "./command.ts";

Deno.test("the closing line counts what deno test printed", () => {
  const line = (printed: string, code: number) => countLine(count(printed, code));
  assertEquals(line("a ... ok (1ms)\n\nok | 12 passed (3 steps) | 0 failed | 1 ignored (2s)\n", 0), "12 passed, 0 failed, 1 skipped");
  assertEquals(line("FAILED | 3 passed | 2 failed (1s)\n\nerror: Test failed\n", 1), "3 passed, 2 failed");
  assertEquals(line("\x1b[0m\x1b[31mFAILED\x1b[0m | 10 passed | \x1b[0m\x1b[31m4 failed\x1b[0m (1s)\n", 1), "10 passed, 4 failed");
  assertEquals(line("ok | 1 passed | 0 failed (printed by a test)\nok | 7 passed | 0 failed (3ms)\n", 0), "7 passed, 0 failed");
  assertEquals(line("a ... ok\n", 139), "0 passed, 1 failed", "a crash is a failure");
  assertEquals(line("ok | 5 passed | 0 failed | 2 filtered out (1s)\n", 0), "5 passed, 0 failed");
});

Deno.test("deno task test counts and names the failures of real runs, whatever a file of them is like", async () => {
  const folder = await Deno.makeTempDir();
  const put = async (name: string, text: string) => {
    await Deno.writeTextFile(`${folder}/${name}`, text);
    return `${folder}/${name}`;
  };
  const tests =
    `Deno.test("a", () => {}); Deno.test("b", () => { throw new Error("no"); }); Deno.test({ name: "c", ignore: true, fn() {} });`;
  try {
    const mixed = await put("mixed_test.ts", tests), broken = await put("broken_test.ts", "const a = ;");
    const stops = await put("stops_test.ts", `Deno.test("gone", () => Deno.kill(Deno.pid, "SIGKILL"));`);
    const told = async (...files: string[]) => {
      const { count, failures } = await runGroup(files, () => {});
      return [countLine(count), ...failures.map((line) => line.match(/\w+_test\.ts.*/)![0])];
    };
    assertEquals(await told(mixed), ["1 passed, 1 failed, 1 skipped", "mixed_test.ts:1:32"]);
    assertEquals(await told(mixed, broken), [
      "1 passed, 2 failed, 1 skipped",
      "mixed_test.ts:1:32",
      "broken_test.ts (couldn't be run to its end: exit code 1)",
    ]);
    const once = await put(
      "once_test.ts",
      `Deno.test("gone once", () => {
      const mark = ${JSON.stringify(`${folder}/mark`)};
      try { Deno.statSync(mark); } catch { Deno.writeTextFileSync(mark, ""); Deno.kill(Deno.pid, "SIGKILL"); }
    });`,
    );
    assertEquals(await told(await put("well_test.ts", `Deno.test("a", () => {});`), once), [
      "2 passed, 1 failed",
      `well_test.ts, ${once} (together they ended with exit code 137)`,
    ]);
    const prints = `Deno.test("p", () => { console.log("ok | 3 passed | 0 failed"); Deno.kill(Deno.pid, "SIGKILL"); });`;
    assertEquals((await told(await put("prints_test.ts", prints)))[1], "prints_test.ts (couldn't be run to its end: exit code 137)");
    assertEquals(await told(stops), ["0 passed, 1 failed", "stops_test.ts (couldn't be run to its end: exit code 137)"]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("what tests throw away is written in memory where programs may run there", () => {
  const mounts = (options: string, type = "tmpfs") => `proc /proc proc rw 0 0\nshm /dev/shm ${type} ${options} 0 0\n`;
  assertEquals(
    [mounts("rw,nosuid,nodev"), mounts("rw,nosuid,nodev,noexec"), mounts("ro"), mounts("rw", "ext4"), ""].map((text) => runsPrograms(text)),
    [
      true,
      false,
      false,
      false,
      false,
    ],
  );
});

Deno.test("names choose test files", () => {
  assertEquals(testFiles(["cli/test_task"]), ["tests/cli/test_task_test.ts"]);
  assert(testFiles([]).includes("tests/cli/test_task_test.ts"));
  assertEquals(testFiles(["no such name"]), []);
});

Deno.test("deno task test refuses names that fit no file", async () => {
  const { code, stderr: err } = ended(await start("test", ["no-such-name"]).output());
  assertEquals(code, 1);
  assertEquals(err.trim().split("\n").length, 1);
  assertStringIncludes(err, "no-such-name");
});

Deno.test("every test file belongs to one group, the longest come first, and all are counted", () => {
  const all = groups(testFiles([]));
  assertEquals(all.slice(0, 2), [
    testFiles(["cli/slurm_test"]),
    testFiles(["engine/gradients_test", "engine/operations_test", "tests/reference/"]),
  ]);
  assertEquals(all.flat().sort(), testFiles([]));
  assertEquals(groups(["tests/cli/flags_test.ts", "tests/notebook/notebooks_test.ts"]), [["tests/notebook/notebooks_test.ts"], [
    "tests/cli/flags_test.ts",
  ]]);
  assertEquals(sum([{ passed: 1, failed: 0, skipped: 2 }, { passed: 3, failed: 1, skipped: 0 }]), { passed: 4, failed: 1, skipped: 2 });
});
