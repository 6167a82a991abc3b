/** What was stored of runs while they trained comes with them into another lab, and is found where it is broken. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { join } from "node:path";
import { attentionRun } from "../../lib/lab/attention.ts";
import { merge, type Merged } from "../../lib/lab/merge.ts";
import { exportRecorded } from "../../lib/lab/record/export.ts";
import { seal } from "../../lib/lab/seals.ts";
import { Lab } from "../../lib/lab/store.ts";
import { verify } from "../../lib/lab/verify.ts";
import { content, isWhole, scratch } from "./lab_files.ts";
import { watchedRuns as runs } from "./small_lab.ts";
import { into, taken, watched } from "./watched_lab.ts";

const merged = async (from: string, to: string): Promise<{ said: string[]; result: Merged }> => {
  using a = Lab.open(from, { readOnly: true }), b = Lab.open(to);
  const said: string[] = [];
  return { said, result: await merge(a, b, (line) => said.push(line)) };
};
const steps = async (path: string, run = 1) => {
  using lab = Lab.open(path, { readOnly: true });
  return (await attentionRun(lab, run)).readings.map(({ step }) => step);
};

Deno.test("merge: logs and weights come with their runs, those further along in place of those before, and nothing of them is lost", () =>
  scratch(async (path) => {
    await into(path("long.db"), watched());
    await into(path("short.db"), watched({ runs: runs(100) }));
    const { artifacts } = content(path("long.db"));
    assertEquals((await merged(path("long.db"), path("short.db"))).said, []);
    await merged(path("long.db"), path("empty.db"));
    for (const name of ["short.db", "empty.db"]) {
      assertEquals(content(path(name)).artifacts, artifacts);
      await isWhole(path(name));
      assertEquals((await merged(path("long.db"), path(name))).result.files, 0);
    }
    // Trained without, a run gets them from a lab that has them.
    await into(path("bare.db"), watched({ watch: {} }));
    assertEquals((await merged(path("long.db"), path("bare.db"))).result.files, artifacts.length - 3);
    assertEquals(content(path("bare.db")).artifacts, artifacts);

    // The source was watched from step 100 on only, the target up to there: together they are the whole.
    await into(path("late.db"), watched({ watch: {}, runs: runs(100) }));
    await into(path("late.db"), watched());
    await into(path("early.db"), watched({ runs: runs(100) }));
    assert((await steps(path("late.db")))[0] > 100);
    assertEquals((await merged(path("late.db"), path("early.db"))).said, []);
    assertEquals(content(path("early.db")).artifacts, artifacts);
    await isWhole(path("early.db"));

    // Of another probe set, it is left out, and the one that was there stays.
    await into(path("other.db"), watched({ runs: runs(100).slice(0, 1), watch: { attention: { pairs: 5 } } }));
    const before = await steps(path("other.db")), { said } = await merged(path("long.db"), path("other.db"));
    assertEquals([said.length, await steps(path("other.db"))], [1, before]);
    assertMatch(said[0], /the attention of run \w{16} at step 450 is left out: both logs must be of one probe set, they are of two$/);
  }));

for (const way of ["merge", "import"] as const) {
  for (const [step, stays] of [[30, true], [40, false]] as const) {
    const name = `means over batches that differ at step ${step}, after an end at 25, ${stays ? "keep" : "don't keep"} a run's weights`;
    Deno.test(`${way}: ${name}`, () =>
      scratch(async (path) => {
        for (const steps of [25, 60]) await into(path("a.db"), watched({ runs: runs(steps) }));
        for (const steps of [60, 100]) await into(path(`${steps}.db`), watched({ runs: runs(steps), watch: {} }));
        const weights = () => content(path("a.db")).artifacts.filter(({ kind }) => kind === "weights"), before = weights();
        {
          using lab = Lab.open(path("a.db")), as = Lab.open(path("60.db")), longer = Lab.open(path("100.db"));
          lab.run("UPDATE metrics SET batch_loss = 9, batch_acc = 0 WHERE step = ?", step);
          for (const run of [1, 2, 3]) seal(lab, "run", run);
          for (const [from, folder] of [[lab, "a"], [longer, "longer"]] as const) {
            await exportRecorded(from, "watched", path(folder), { metrics: "all", files: ["weights"], command: "test" });
          }
          assertEquals([(await merge(lab, as, () => {})).files > 0, before.length > 3], [stays, true]);
        }
        if (way === "merge") assertEquals((await merged(path("100.db"), path("a.db"))).said.length, stays ? 0 : 1);
        else {
          assertEquals((await taken(path("60.db"), path("a"))).files, 0);
          await taken(path("a.db"), path("longer"));
        }
        assertEquals(stays ? weights() : weights().length, stays ? before : 0);
      }));
  }
}

Deno.test("verify finds a log or weights that are broken", () =>
  scratch(async (path) => {
    await into(path("a.db"), watched());
    using lab = Lab.open(path("a.db"));
    for (const kind of ["attention", "weights"]) {
      const [{ file }] = lab.query<{ file: string }>("SELECT file FROM artifacts WHERE kind = ?", kind), at = join(lab.folder, file);
      const bytes = Deno.readFileSync(at);
      Deno.truncateSync(at, 10);
      assertMatch((await verify(lab)).findings.map(({ text }) => text).join("\n"), new RegExp(`^.*, the ${kind} of run .* it has 10$`));
      Deno.writeFileSync(at, bytes);
    }
    assertEquals((await verify(lab)).findings, []);
  }));
