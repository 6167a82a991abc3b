/** `deno task sweep` into a lab that has runs of the experiment already: those of another grid, and those that another engine began. */
import { assertEquals, assertMatch } from "@std/assert";
import { moreRuns, otherEngines } from "../../lib/cli/sweep_notes.ts";
import { gridFile } from "../../lib/cli/grid_file.ts";
import { takenOver, unasked } from "../../lib/lab/already.ts";
import { Lab } from "../../lib/lab/store.ts";
import { sweep as sweepInto } from "../../lib/lab/sweep.ts";
import { fakeEngine } from "../fake_engine.ts";
import { scratch } from "../lab/lab_files.ts";
import { engine, runs, small, train } from "../lab/small_lab.ts";
import { ended, start } from "./command.ts";
import { GRID, into, prepare, swept } from "./sweep_process.ts";

Deno.test("of a lab's experiment, runs that aren't asked for are counted, and those left to do that another engine began", () =>
  scratch(async (path) => {
    using lab = Lab.open(path("a.db"));
    const longer = small({ runs: runs(300) }), other = small({ runs: runs(300, [0, 7]) });
    assertEquals([unasked(lab, longer), takenOver(lab, longer, "cpu")], [0, { runs: 0, engines: [] }]);
    await sweepInto(small(), { lab, engine: engine() });
    assertEquals([longer, other, small({ name: "new" })].map((each) => unasked(lab, each)), [0, 4, 0]);
    // Seed 2 broke off, and what has ended isn't gone on with.
    assertEquals([small(), longer, other].map((each) => takenOver(lab, each, "cpu").runs), [0, 4, 2]);
    assertEquals(takenOver(lab, longer, "cpu").engines, ["webgpu"]);
    assertEquals(takenOver(lab, longer, "webgpu").runs, 0);
    // Who trained a run last counts.
    const cpu = fakeEngine(), info = { ...cpu.info, engine: "cpu" as const };
    await sweepInto(longer, { lab, engine: { ...cpu, info }, limit: 1 });
    const further = small({ runs: runs(400) });
    assertEquals([takenOver(lab, further, "cpu").runs, takenOver(lab, further, "webgpu")], [3, { runs: 1, engines: ["cpu"] }]);
    assertEquals([moreRuns(lab, longer), otherEngines(lab, longer, "webgpu")], [[], []]);
    assertEquals(moreRuns(lab, other), ["The lab has 4 more runs of this experiment that this grid doesn't ask for."]);
  }));

Deno.test("a sweep says at its start which runs change their engine and which it leaves aside; dry run, status and verify say so too", () =>
  scratch(async (path) => {
    const db = path("lab.db"), grid = (seed: string) => ({ name: "night", ...GRID, grid: { ...GRID.grid, seed } });
    prepare(db, grid("0..2"));
    const { runs, ...rest } = await gridFile(`${db}.json`);
    await train(db, { ...rest, runs: runs.map((spec) => ({ ...spec, schedule: { ...spec.schedule, steps: 20 } })) }, {
      engine: fakeEngine(),
    });
    prepare(db, grid("0..1"));
    const more = "The lab has 2 more runs of this experiment that this grid doesn't ask for.\n",
      engines = "4 runs of those that are left " +
        "would go on with cpu from a state that webgpu trained, and no engine alone gives such bits again; --engine webgpu goes on with the same one.\n";
    const status = await swept(...into(db, "--status")), dry = await swept(...into(db, "--dry-run"));
    assertMatch(status.stdout, new RegExp(`\\n${more}$`));
    assertEquals(dry.stderr.slice(0, (more + engines).length), more + engines);
    const part = await swept(...into(db, "--shard", "0/2", "--status"));
    assertMatch(part.stdout, new RegExp(`\\n${more}$`));
    const { code, stderr } = await swept(...into(db, "--limit", "1"));
    assertEquals([code, stderr.slice(0, (more + engines).length)], [0, more + engines]);
    const again = ended(await start("db", ["verify", "--retrain", "1", "--threads", "1", "--db", db]).output());
    assertMatch(again.stderr, /, its runs were trained on webgpu, fake, 1 of them on cpu, .* as well; deno task sweep --engine cpu /);
  }));
