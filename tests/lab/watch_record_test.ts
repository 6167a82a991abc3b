/** What was stored of runs while they trained goes into a record, thinned or whole, and comes back from it. */
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { join } from "node:path";
import { loadAttention } from "../../lib/train/attention_file.ts";
import { attentionRun } from "../../lib/lab/attention.ts";
import { phasesOf } from "../../lib/lab/milestones.ts";
import { MOST_READINGS, thinLog } from "../../lib/lab/record/artifacts.ts";
import { findRun } from "../../lib/lab/probe.ts";
import { Lab } from "../../lib/lab/store.ts";
import { sweep as notebookSweep } from "../../lib/notebook/sweep.ts";
import { fakeEngine } from "../fake_engine.ts";
import { content, isWhole, scratch } from "./lab_files.ts";
import { watchedRuns as runs } from "./small_lab.ts";
import { into, record, taken, watch, watched } from "./watched_lab.ts";

const filesOf = (folder: string): string[] => [...Deno.readDirSync(folder)].map(({ name }) => name).toSorted();
const bytesOf = (folder: string): Record<string, Uint8Array | Record<string, Uint8Array>> =>
  Object.fromEntries(
    filesOf(folder).map((name) => {
      const path = join(folder, name);
      return [name, Deno.statSync(path).isDirectory ? bytesOf(path) as Record<string, Uint8Array> : Deno.readFileSync(path)];
    }),
  );

Deno.test("a thinned log has the readings at the edges, the first and the last, in full, and others evenly between them", () =>
  scratch(async (path) => {
    await into(path("a.db"), watched({ runs: runs(1500).slice(0, 1), watch: { attention: { pairs: 6, full: 2, perDecade: 1000 } } }));
    using lab = Lab.open(path("a.db"));
    const log = await attentionRun(lab, 1), all = log.readings.map(({ step }) => step);
    assert(all.length > 2 * MOST_READINGS);
    const edges = [20, 115, 700], { readings } = thinLog(log, edges), kept = readings.map(({ step }) => step);
    assert(kept.length <= MOST_READINGS && kept.length > MOST_READINGS - 10, String(kept.length));
    assertEquals(readings.filter(({ examples }) => examples.length > 0).map(({ step }) => step), [
      0,
      20,
      all.find((step) => step >= 115)!,
      700,
      1500,
    ]);
    const gaps = kept.slice(1).map((step, i) => all.indexOf(step) - all.indexOf(kept[i]));
    assert(Math.max(...gaps) <= Math.ceil(all.length / (MOST_READINGS - 4)) + 1);
    for (const reading of readings) {
      const whole = log.readings.find(({ step }) => step === reading.step)!;
      assertEquals({ ...reading, examples: whole.examples }, whole);
    }
    assertEquals(thinLog({ ...log, readings: log.readings.slice(0, 1) }, [5]).readings, log.readings.slice(0, 1));
  }));

Deno.test("a record has the logs, as much of them as figures need, and gives them back with their checksums", () =>
  scratch(async (path) => {
    await into(path("a.db"), watched());
    const { files, bytes } = await record(path("a.db"), path("out"));
    assertEquals([files, filesOf(path("out")), filesOf(path("out/attention")).length], [
      3,
      ["artifacts.csv", "attention", "experiment.json", "metrics.csv", "runs.csv"],
      3,
    ]);
    const sizes = Object.values(bytesOf(path("out"))).flatMap((each) => each instanceof Uint8Array ? [each] : Object.values(each));
    assertEquals(bytes, sizes.reduce((sum, { length }) => sum + length, 0));
    assertEquals(JSON.parse(Deno.readTextFileSync(path("out/experiment.json"))).watch, watch);

    assertEquals(await taken(path("b.db"), path("out")), { experiment: "watched", runs: 3, entered: 3, left: 0, files: 3 });
    await isWhole(path("b.db"));
    using a = Lab.open(path("a.db")), b = Lab.open(path("b.db"));
    for (const run of b.runs("watched")) {
      const log = await attentionRun(b, run.id), whole = await attentionRun(a, log.hash);
      const edges = [run.memorisationStep, phasesOf(a, whole.id)!.transition, run.grokkingStep].filter((step) => step !== null);
      assertEquals([log.readings, log.spec], [thinLog(whole, edges).readings, whole.spec]);
      assertEquals(phasesOf(b, run.id), phasesOf(a, whole.id));
      const file = await loadAttention(join(path("out"), "attention", `${log.hash}.safetensors`));
      assertEquals([file.readings, file.spec], [log.readings, whole.spec]);
    }
    // Again: the same bytes; and nothing where there is nothing to bring.
    await record(path("b.db"), path("again"));
    assertEquals(bytesOf(path("again")), bytesOf(path("out")));
    const before = [content(path("b.db")), filesOf(b.folder)];
    assertEquals((await taken(path("b.db"), path("out"))).files, 0);
    assertEquals([content(path("b.db")), filesOf(b.folder)], before);
    // A lab that has the whole log keeps it; one whose evaluations are the same gets what the record has; others don't.
    assertEquals((await taken(path("a.db"), path("out"))).files, 0);
    await into(path("bare.db"), watched({ watch: {} }));
    await into(path("differs.db"), watched({ watch: {} }), { dips: (_, step) => step === 400 });
    assertEquals([await taken(path("bare.db"), path("out")), await taken(path("differs.db"), path("out"))], [
      { experiment: "watched", runs: 3, entered: 0, left: 0, files: 3 },
      { experiment: "watched", runs: 3, entered: 0, left: 0, files: 1 },
    ]);
    for (const name of ["bare.db", "differs.db"]) await isWhole(path(name));
    // Trained on, a run has a log of its own in place of the record's.
    const whole = content(path("a.db")).artifacts;
    await into(path("b.db"), watched({ runs: runs(460) }));
    assertEquals(content(path("b.db")).artifacts.filter(({ kind }) => kind === "attention-thin"), []);
    await into(path("whole.db"), watched({ runs: runs(460) }));
    assertEquals(content(path("b.db")).artifacts, content(path("whole.db")).artifacts);
    assert(whole.length > 0);

    // Without them, none are left in the folder.
    await record(path("a.db"), path("out"), { files: [], replace: true });
    assertEquals(filesOf(path("out")), ["experiment.json", "metrics.csv", "runs.csv"]);
  }));

Deno.test("a record has the weights on the way, and gives them back; without them, none are left in its folder", () =>
  scratch(async (path) => {
    await into(path("a.db"), watched());
    const stored = content(path("a.db")).artifacts.filter(({ kind }) => kind === "weights");
    assert(stored.length > 9);
    const { files } = await record(path("a.db"), path("out"), { files: ["attention", "weights"] });
    assertEquals([files, filesOf(path("out/weights")).length], [3 + stored.length, stored.length]);
    assertEquals((await taken(path("b.db"), path("out"))).files, files);
    assertEquals(content(path("b.db")).artifacts.filter(({ kind }) => kind === "weights"), stored);
    await isWhole(path("b.db"));
    using lab = Lab.open(path("b.db"), { readOnly: true }), whole = Lab.open(path("a.db"), { readOnly: true });
    const [one, same] = [findRun(lab, 1), findRun(whole, findRun(lab, 1).hash)],
      load = ({ checkpoints }: typeof one) => checkpoints[2].load();
    assertEquals([one.checkpoints.length > 3, await load(one)], [true, await load(same)]);
    // Each kind for itself: a lab that has the logs gets the weights.
    await record(path("a.db"), path("logs"));
    assertEquals([(await taken(path("c.db"), path("logs"))).files, (await taken(path("c.db"), path("out"))).files], [3, stored.length]);
    assertEquals((await taken(path("c.db"), path("out"))).files, 0);
    await record(path("b.db"), path("again"), { files: ["attention", "weights"] });
    assertEquals(bytesOf(path("again")), bytesOf(path("out")));
    await record(path("a.db"), path("out"), { files: ["attention"], replace: true });
    assertEquals(bytesOf(path("out")), bytesOf(path("logs")));
  }));

Deno.test("a record has the trained networks of the seeds that were asked for, and gives them back", () =>
  scratch(async (path) => {
    await into(path("a.db"), watched({ watch: {} }));
    const { files } = await record(path("a.db"), path("out"), { files: [], networks: [1] });
    assertEquals([files, filesOf(path("out/weights")).length], [1, 1]);
    assertEquals((await taken(path("b.db"), path("out"))).files, 1);
    await isWhole(path("b.db"));
    using lab = Lab.open(path("b.db"), { readOnly: true }), whole = Lab.open(path("a.db"), { readOnly: true });
    const [{ id, hash, step }] = lab.query<{ id: number; hash: string; step: number }>(
      "SELECT id, hash, step FROM runs WHERE id IN (SELECT run FROM artifacts)",
    );
    assertEquals(lab.spec(id, step).seed, 1);
    const load = ({ checkpoints }: ReturnType<typeof findRun>) => checkpoints.at(-1)!.load();
    const one = findRun(lab, id), same = findRun(whole, hash);
    assertEquals([one.checkpoints.at(-1)!.step, await load(one)], [same.checkpoints.at(-1)!.step, await load(same)]);
    // What was imported goes on as it came; what isn't asked for stays behind.
    const said: string[] = [];
    await record(path("b.db"), path("again"), { files: [], networks: [1, 2], say: (line) => said.push(line) });
    assertMatch(said.join("\n"), /^The network of run \w{16} is left out: the lab must have its last state, it has none$/);
    await assertRejects(() => record(path("b.db"), path("no"), { networks: [1, 77] }), Error, "current value is 77, no run of it has that");
    assertEquals(bytesOf(path("again")), bytesOf(path("out")));
    await record(path("b.db"), path("bare"), { files: [] });
    assertEquals(filesOf(path("bare")), ["experiment.json", "metrics.csv", "runs.csv"]);
  }));

Deno.test("a record whose runs are further along, without files, takes none from a lab that has the same runs' beginnings", () =>
  scratch(async (path) => {
    const longer = runs().map((spec) => ({ ...spec, schedule: { ...spec.schedule, steps: spec.schedule.steps + 100 } }));
    await into(path("a.db"), watched());
    await into(path("longer.db"), { name: "watched", runs: longer });
    await record(path("longer.db"), path("out"), { files: [] });
    const kept = () => content(path("a.db")).artifacts.filter(({ kind }) => kind !== "checkpoint"), before = kept();
    assert(before.length > 12);
    using lab = Lab.open(path("a.db"), { readOnly: true });
    const evaluations = lab.metrics(1);
    assertEquals((await taken(path("a.db"), path("out"))).entered, longer.length);
    assertEquals(kept(), before);
    // The record is thinned; what the lab had of the way stays in full.
    assertEquals(lab.metrics(1).filter(({ step }) => step <= evaluations.at(-1)!.step), evaluations);
    assert(lab.metrics(1).at(-1)!.step > evaluations.at(-1)!.step);
    await isWhole(path("a.db"));
  }));

Deno.test("a broken log: left out of a record, which is said; in a record, nothing of it is imported, and that says which", () =>
  scratch(async (path) => {
    await into(path("a.db"), watched());
    const said: string[] = [];
    {
      using lab = Lab.open(path("a.db"));
      const [{ file }] = lab.query<{ file: string }>("SELECT file FROM artifacts WHERE kind = 'attention' AND run = 2");
      Deno.truncateSync(join(lab.folder, file), 10);
    }
    assertEquals((await record(path("a.db"), path("out"), { say: (line) => said.push(line) })).files, 2);
    assertMatch(said.join("\n"), /^The attention of run \w{16} is left out: .* it has 10$/);
    const [name] = filesOf(path("out/attention")), log = join(path("out/attention"), name), bytes = Deno.readFileSync(log);
    Lab.open(path("b.db")).close();
    const before = content(path("b.db"));
    const breaks: [() => void, RegExp][] = [
      [() => Deno.truncateSync(log, 10), /^Cannot import .*out: .*attention\/\w{16}\.safetensors must have \d+ bytes, it has 10$/],
      [() => Deno.writeFileSync(log, bytes.toReversed()), /must have the SHA-256 \w{64}, it has \w{64}$/],
      [() => Deno.removeSync(log), /^Cannot import .*out: .*attention\/\w{16}\.safetensors must be there, it is missing/],
      [() => Deno.writeTextFileSync(path("out/artifacts.csv"), "run\n"), /artifacts\.csv, line 1: its columns must include kind/],
    ];
    for (const [damage, says] of breaks) {
      damage();
      assertMatch((await assertRejects(() => taken(path("b.db"), path("out")), Error)).message, says);
      assertEquals(content(path("b.db")), before);
      assertEquals(await Array.fromAsync(Deno.readDir(path("b.files"))).catch(() => []), []);
    }
  }));

Deno.test("a notebook takes the logs of a record also where all of its runs are there", () =>
  scratch(async (path) => {
    await into(path("a.db"), watched());
    await record(path("a.db"), path("recorded/watched"), { files: [] });
    const on = fakeEngine(), options = { db: path("lab.db"), recorded: path("recorded"), engine: on, figure: null };
    (await notebookSweep(watched(), options)).close();
    await record(path("a.db"), path("recorded/watched"));
    using lab = await notebookSweep(watched(), options);
    assertEquals([on.log, lab.query("SELECT kind, count(*) AS n FROM artifacts")], [[], [{ kind: "attention-thin", n: 3 }]]);
  }));
