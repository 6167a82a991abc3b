/** `deno task db verify --retrain`: runs of the processor engine come again, bit for bit, and a bit that differs is found. */
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { cpuEngine } from "../../lib/engine/cpu/engine.ts";
import { exportRecorded } from "../../lib/lab/record/export.ts";
import { importRecorded } from "../../lib/lab/record/import.ts";
import { retrain } from "../../lib/lab/retrain.ts";
import { Lab } from "../../lib/lab/store.ts";
import { runSpec } from "../../lib/run/spec.ts";
import { sweep } from "../../lib/lab/sweep.ts";
import { scratch } from "./lab_files.ts";
import { db, runs, small, train } from "./small_lab.ts";

const options = { sanitizeResources: false, sanitizeOps: false };
/** Whether this processor fuses sums: one that doesn't has other bits than the records. */
const FUSED = await (async () => {
  const engine = await cpuEngine(1);
  await engine.close();
  return engine.info.driver.includes("sums fused");
})();

Deno.test(
  "runs are trained again, those that were stopped, went on or were imported too, and have the same bits",
  options,
  () =>
    scratch(async (path) => {
      const engine = await cpuEngine(2);
      {
        using lab = Lab.open(path("a.db"));
        // Stopped on its way, it goes on; then some go on for more steps.
        const controller = new AbortController();
        await sweep(small(), {
          lab,
          engine,
          signal: controller.signal,
          onProgress: (news) => void (news.length > 0 && controller.abort()),
        });
        await sweep(small({ runs: runs(45) }), { lab, engine });
        await sweep(small({ name: "longer", runs: runs(105).slice(0, 2), margin: 0 }), { lab, engine });
        const { findings, evaluations, ...counts } = await retrain(lab, 100, engine);
        assertEquals([findings, counts], [[], { runs: 6, of: 6 }]);
        assertEquals(evaluations, lab.query<{ n: number }>("SELECT count(*) AS n FROM metrics")[0].n);
        assertEquals((await retrain(lab, 2, engine)).runs, 2);
        await exportRecorded(lab, "small", path("out"), { metrics: "thin", command: "test" });
        using other = Lab.open(path("imported.db"));
        await importRecorded(other, path("out"));
        assertEquals((await retrain(other, 6, engine)).findings, []);
      }
      await engine.close();

      const { code, stdout } = await db(["verify", "--db", path("a.db"), "--retrain", "3", "--threads=1"]);
      assertMatch(
        stdout,
        /^ok: 6 runs, \d+ evaluations, \d+ files; 3 of 6 runs of the cpu engine trained again, \d+ evaluations compared\n$/,
      );
      assertEquals(code, 0);
    }),
);

Deno.test(
  "recorded runs have the bits that stand in their record, also once they have memorised and gradients are below 1e-30",
  { ...options, ignore: !FUSED },
  async () => {
    const engine = await cpuEngine();
    using lab = Lab.scratch();
    // Without weight decay, at a high learning rate. Writing 0 for such gradients changes some evaluations from step 100 on.
    await importRecorded(lab, new URL("../../data/recorded/shortcuts_more", import.meta.url).pathname);
    const { findings, evaluations } = await retrain(lab, 2, engine);
    assertEquals(findings, []);
    assert(evaluations > 100, `${evaluations} evaluations`);
    await engine.close();
  },
);

Deno.test(
  "an optimiser's own state is stored with a run that is stopped: it goes on, and trained again it has the same bits",
  options,
  () =>
    scratch(async (path) => {
      const engine = await cpuEngine(1), optim = { rule: "muon", gradFilter: "grokfast-ma", filterWindow: 3, heldNorm: "start" } as const;
      using lab = Lab.open(path("a.db"));
      const these = (steps: number) => small({ runs: runs(steps).slice(0, 2).map((spec) => runSpec({ ...spec, optim })) });
      await sweep(these(25), { lab, engine });
      await sweep(these(60), { lab, engine });
      assertEquals(lab.query<{ n: number }>("SELECT count(*) AS n FROM work")[0].n, 4);
      const { findings, ...counts } = await retrain(lab, 10, engine);
      assertEquals([findings, counts.runs], [[], 2]);
      await engine.close();
    }),
);

Deno.test(
  "only what an earlier version stored otherwise may differ: means over batches after an end, a gradient at a start",
  options,
  () =>
    scratch(async (path) => {
      const engine = await cpuEngine(1);
      using lab = Lab.open(path("a.db"));
      // The first ends at 45, between two evaluations, and goes on to 65.
      for (const steps of [45, 65]) await sweep(small({ name: `${steps}`, runs: runs(steps, [0]).slice(0, 1) }), { lab, engine });
      const differs = async (set: string, step: number) => {
        const [before] = lab.query("SELECT batch_loss, batch_acc, grad_norm FROM metrics WHERE step = ?", step);
        lab.run(`UPDATE metrics SET ${set} WHERE step = ?`, step);
        const { findings } = await retrain(lab, 1, engine);
        lab.run("UPDATE metrics SET batch_loss = ?, batch_acc = ?, grad_norm = ? WHERE step = ?", ...Object.values(before), step);
        return findings.length > 0;
      };
      assertEquals(await differs("batch_loss = 9, batch_acc = 0", 50), false);
      for (const [set, step] of [["grad_norm = 9", 50], ["batch_loss = 9", 40], ["batch_loss = 9", 60], ["grad_norm = 0", 65]] as const) {
        assertEquals(await differs(set, step), true, `${set} at ${step}`);
      }
      assertEquals(await differs("grad_norm = NULL", 65), false);
      lab.run("INSERT INTO work SELECT session, run, 65, 65, 0 FROM work WHERE from_step = 45");
      assertEquals([await differs("grad_norm = 0", 65), await differs("grad_norm = 9", 65)], [false, true]);
      await engine.close();
    }),
);

Deno.test("a bit that differs is found and named; runs of other engines aren't trained again", options, () =>
  scratch(async (path) => {
    const engine = await cpuEngine(1);
    using lab = Lab.open(path("a.db"));
    await sweep(small({ runs: runs(40) }), { lab, engine });
    const [{ hash, loss }] = lab.query<{ hash: string; loss: number }>(
      "SELECT hash, val_loss AS loss FROM runs JOIN metrics ON run = id WHERE id = 3 AND metrics.step = 20",
    );
    lab.run("UPDATE metrics SET val_loss = ? WHERE run = 3 AND step = 20", loss * (1 + 2 ** -23));
    const { findings } = await retrain(lab, 6, engine);
    assertEquals(findings, [{
      about: "evaluations",
      text: `run ${hash} at step 20: its val_loss ${loss * (1 + 2 ** -23)} must come again, trained anew it is ${loss}`,
    }]);

    await train(path("other.db"));
    using other = Lab.open(path("other.db"));
    await assertRejects(
      () => retrain(other, 1, engine),
      Error,
      "Cannot train runs again: " + path("other.db") + " must have some that were trained on cpu, WebAssembly SIMD, sums ",
    );
    await engine.close();
  }));

Deno.test("what --retrain can't be is an error in one line", () =>
  scratch(async (path) => {
    await train(path("a.db"));
    const refused = async (args: string[], says: RegExp) => {
      const { code, stdout, stderr } = await db(["verify", "--db", path("a.db"), ...args]);
      assertEquals([code, stdout], [1, ""]);
      assertMatch(stderr, says);
    };
    await refused(["--retrain", "0"], /^error: Cannot read --retrain: must be a whole number from 1, current value is 0\n$/);
    await refused(["--retrain", "all"], /^error: Cannot read --retrain: must be a number, current value is "all"\n$/);
    await refused(["--threads", "2"], /^error: Cannot use --threads: must be given with --retrain, nothing else trains\n$/);
    await refused(
      ["--retrain", "1"],
      /^error: Cannot train runs again: .*a\.db must have some that were trained on cpu, .*, its runs were trained on webgpu, fake; deno task sweep --engine cpu --db NEW\.db trains such\n$/,
    );
  }));
