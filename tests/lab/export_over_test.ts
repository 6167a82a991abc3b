/** An export into a folder that isn't empty: a record that lies there loses nothing, and what is no record stays. */
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { dirname, join } from "node:path";
import { exportRecorded, type RecordOptions } from "../../lib/lab/record/export.ts";
import { importRecorded } from "../../lib/lab/record/import.ts";
import { merge } from "../../lib/lab/merge.ts";
import { Lab } from "../../lib/lab/store.ts";
import { checksum } from "../../lib/run/files.ts";
import { scratch } from "./lab_files.ts";
import { watchedRuns as runs } from "./small_lab.ts";
import { enter, evaluation, runs as smallRuns, small } from "./small_record.ts";
import { into, record, taken, watched } from "./watched_lab.ts";

/** The checksums of all files of a folder, also of those in it. */
function sumsOf(folder: string): Record<string, string> {
  const entries = [...Deno.readDirSync(folder)].toSorted((a, b) => a.name < b.name ? -1 : 1);
  return Object.assign(
    {},
    ...entries.map(({ name, isDirectory }) => {
      const path = join(folder, name);
      if (!isDirectory) return { [name]: checksum(Deno.readFileSync(path)) };
      return Object.fromEntries(Object.entries(sumsOf(path)).map(([below, sum]) => [`${name}/${below}`, sum]));
    }),
  );
}
const FILES = ["attention", "weights"] as const;
const ALL: Partial<RecordOptions> = { metrics: "all", files: FILES };

/** That an export is refused in one line, which says what, without another word; and that nothing has changed. */
async function refused(db: string, folder: string, more: Partial<RecordOptions>, says: RegExp): Promise<void> {
  const before = sumsOf(folder), said: string[] = [];
  const { message } = await assertRejects(() => record(db, folder, { ...more, say: (line) => said.push(line) }), Error);
  assertMatch(message, new RegExp(`^Cannot export watched: [^\n]*${says.source}[^\n]*; --replace writes it all the same$`));
  assertEquals([said, sumsOf(folder)], [[], before]);
}

Deno.test("an export over a record that holds more is refused before anything is written, and --replace writes it all the same", () =>
  scratch(async (path) => {
    const db = path("a.db"), out = path("out"), file = String.raw`\w{16}-\d+\.safetensors`;
    await into(db, watched());
    await record(db, out, ALL);
    await record(db, path("networks"), { ...ALL, networks: [1] });
    await refused(
      db,
      path("networks"),
      ALL,
      /lose 1 trained network \(the first: weights\/\w{16}-450\.safetensors\); --networks takes those/,
    );
    await into(path("fewer.db"), watched({ runs: runs().slice(1) }));
    await into(path("shorter.db"), watched({ runs: runs(300) }));
    for (
      const [lab, more, says] of [
        [db, { ...ALL, files: ["attention"] }, `lose 2[0-9] files of weights \\(the first: weights/${file}\\); --weights takes`],
        [
          db,
          { ...ALL, files: ["weights"] },
          String.raw`lose 3 attention logs \(the first: attention/\w{16}\.safetensors\); --attention takes`,
        ],
        [db, { ...ALL, files: [] }, "lose .* files of weights .*, 3 attention logs .*; --weights takes .*; --attention takes"],
        [
          db,
          { ...ALL, metrics: "none" },
          String.raw`lose 3 runs' evaluations \(the first: \w{16} with 46, it would have 0\); --metrics all`,
        ],
        [path("fewer.db"), ALL, String.raw`lose 1 run \(the first: \w{16}\); deno task db import .*out brings them into the lab`],
        [
          path("shorter.db"),
          ALL,
          String.raw`3 runs further on than the lab's \(the first: \w{16} at step 450, the lab's at 300\).* import`,
        ],
      ] as const
    ) await refused(lab, out, more, new RegExp(says));
    // What the record alone has comes into the lab, and then goes along.
    for (const lab of ["fewer.db", "shorter.db"]) {
      await taken(path(lab), out);
      await record(path(lab), out, ALL);
    }
    const said: string[] = [];
    Deno.removeSync(path("a.files"), { recursive: true });
    await refused(db, out, ALL, /lose .* files of weights \(.*, 3 attention logs \(.*; the attention of run \w{16} is left out: .*missing/);
    await record(db, out, { ...ALL, replace: true, say: (line) => said.push(line) });
    assert(said.length > 20);
    assertEquals(Object.keys(sumsOf(out)), ["experiment.json", "metrics.csv", "runs.csv"]);
    await record(path("fewer.db"), out, ALL);
    await record(db, out, { metrics: "none", files: [], replace: true, say: () => {} });
    assertEquals(Object.keys(sumsOf(out)), ["experiment.json", "runs.csv"]);
  }));

Deno.test("trained networks go along again, and those of runs that have gone on take their places", () =>
  scratch(async (path) => {
    const db = path("a.db"), out = path("out"), bare = { watch: {} }, networks = { files: [], networks: [0, 2] };
    await into(db, watched({ ...bare, runs: runs(300) }));
    await record(db, out, networks);
    await refused(
      db,
      out,
      { files: [], networks: [2] },
      /lose 1 trained network \(the first: weights\/\w{16}-300\.saf\w+\); --networks takes/,
    );
    await into(db, watched(bare));
    await record(db, out, networks);
    assertEquals(
      Object.keys(sumsOf(out)).map((name) => name.replace(/\w{16}/, "HASH")).slice(-2),
      Array(2).fill("weights/HASH-450.safetensors"),
    );
  }));

Deno.test("all evaluations of a record stay; as many as a figure needs may be others of runs that have gone on", () =>
  scratch(async (path) => {
    const until = (steps: number) => small({ runs: smallRuns(steps).slice(0, 1) });
    const rows = (steps: number) => Array.from({ length: steps / 10 + 1 }, (_, i) => evaluation(10 * i, { trainAcc: i % 2 }));
    using lab = Lab.open(path("a.db"));
    const to = (folder: string, metrics: RecordOptions["metrics"]) =>
      exportRecorded(lab, "small", path(folder), { metrics, command: "test" });
    for (const steps of [1400, 2000, 20_000]) {
      enter(lab, until(steps), rows(steps));
      for (const kept of ["all", "thin"] as const) await to(kept, kept);
    }
    const { message } = await assertRejects(() => to("all", "thin"), Error);
    assertMatch(
      message,
      /lose 1 run's evaluations \(the first: \w{16} with 2001, it would have \d+\); --metrics all takes them along; --replace/,
    );
    // A lab that has a part of them, of which a figure needs more.
    using other = Lab.open(path("b.db"));
    await to("none", "none");
    await importRecorded(other, path("none"));
    await assertRejects(
      () => exportRecorded(other, "small", path("thin"), { metrics: "thin", command: "test" }),
      Error,
      `it would have 0); deno task db import ${path("thin")} brings them into the lab`,
    );
    await importRecorded(other, path("thin"));
    await exportRecorded(other, "small", path("thin"), { metrics: "thin", command: "test" });
  }));

Deno.test("a growing experiment goes into the same folder again and again, also from the lab that several were merged into", () =>
  scratch(async (path) => {
    const db = path("a.db"), out = path("out"), ended = { files: FILES, networks: [0], ended: true };
    for (const count of [1, 2, 3]) {
      await into(db, watched({ runs: runs(300).slice(0, count) }));
      await record(db, out, ended);
    }
    await into(db, watched());
    await record(db, out, ended);
    const [more] = runs(450).map((spec) => ({ ...spec, seed: 7 }));
    await into(path("shard.db"), watched({ runs: [more] }));
    {
      using shard = Lab.open(path("shard.db"), { readOnly: true });
      for (const name of ["a.db", "all.db"]) {
        using lab = Lab.open(path(name));
        await merge(shard, lab);
        if (name === "a.db") continue;
        using first = Lab.open(db, { readOnly: true });
        await merge(first, lab);
      }
    }
    for (const name of ["a.db", "all.db"]) assertEquals((await record(path(name), out, ended)).runs, 4);
  }));

Deno.test("files that are no record's are not written over, nor a record that can't be read", () =>
  scratch(async (path) => {
    const db = path("a.db"),
      write = (file: string, text: string) => {
        Deno.mkdirSync(dirname(path(file)), { recursive: true });
        Deno.writeTextFileSync(path(file), text);
      };
    await into(db, watched());
    write("list/experiment.json", "[1,2]");
    write("list/runs.csv", "mine");
    await refused(
      db,
      path("list"),
      ALL,
      /list must have no files that are no record's where this one's go, it has 2 files, the first is runs\.csv/,
    );
    write("bare/metrics.csv", "mine");
    await record(db, path("bare"), { metrics: "none", files: [] });
    await record(db, path("bare"), { metrics: "none", files: [] });
    write("bare/readings.csv", "mine");
    await refused(db, path("bare"), { files: [] }, /it has 1 file, the first is metrics\.csv/);
    await record(db, path("out"), ALL);
    // Equal to what is written: a killed export may have left it.
    const whole = sumsOf(path("out")), weights = Object.keys(whole).filter((name) => name.startsWith("weights/"));
    Deno.mkdirSync(path("bare/weights"));
    Deno.copyFileSync(path(`out/${weights[0]}`), path(`bare/${weights[0]}`));
    write(`bare/${weights[1]}`, "mine");
    await refused(db, path("bare"), { ...ALL, metrics: "none" }, /it has 1 file, the first is weights\/\w{16}-\d+\.safetensors/);
    Deno.removeSync(path(`bare/${weights[1]}`));
    await record(db, path("bare"), { ...ALL, metrics: "none" });
    assertEquals(["metrics", "readings"].map((name) => Deno.readTextFileSync(path(`bare/${name}.csv`))), ["mine", "mine"]);
    write("out/runs.csv", "cut off");
    await refused(db, path("out"), ALL, /the record in .*out must be readable, so that nothing of it gets lost: runs\.csv, line 1: /);
    for (const folder of ["list", "out"]) {
      await record(db, path(folder), { ...ALL, replace: true });
      assertEquals(sumsOf(path(folder)), whole);
    }
  }));

Deno.test("what a killed export left in a record's folders goes with the next, and only that", () =>
  scratch(async (path) => {
    await into(path("a.db"), watched());
    const out = path("out"), part = ".01234567-89ab-4cde-8f01-23456789abcd.part";
    await record(path("a.db"), out, ALL);
    const before = Object.keys(sumsOf(out)),
      mine = [".half.part", "notes.part", "weights/0123456789abcdef-80.safetensors", `other/${part}`];
    Deno.mkdirSync(join(out, "other"));
    for (const name of [...mine, part, `weights/${part}`, `attention/${part}`]) Deno.writeTextFileSync(join(out, name), "left");
    await record(path("a.db"), out, ALL);
    assertEquals(Object.keys(sumsOf(out)).toSorted(), [...before, ...mine].toSorted());
  }));
