/** What is removed from the folder of a lab's files: what its own killed sessions left, and nothing that somebody else owns. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { join } from "node:path";
import { Session } from "../../lib/lab/session.ts";
import { Lab } from "../../lib/lab/store.ts";
import { checksum } from "../../lib/run/files.ts";
import { verify } from "../../lib/lab/verify.ts";
import { fakeEngine } from "../fake_engine.ts";
import { isWhole, scratch } from "./lab_files.ts";
import { small, watchedRuns } from "./small_lab.ts";
import { into, record, taken, watched } from "./watched_lab.ts";

/** The checksums of a folder's files. */
const sumsIn = (folder: string): Map<string, string> =>
  new Map([...Deno.readDirSync(folder)].map(({ name }) => [name, checksum(Deno.readFileSync(join(folder, name)))]));
const part = (digit: number) => `.${digit}1234567-89ab-4cde-8f01-23456789abcd.part`;

Deno.test("files of a database that was moved away, and of a person, stay as they are whatever is swept under its name", () =>
  scratch(async (path) => {
    await into(path("lab.db"), watched());
    for (const name of ["notes.part", "0123456789abcdef-80.safetensors", "0123456789abcdef-80.weights.safetensors"]) {
      Deno.writeTextFileSync(join(path("lab.files"), name), "mine");
    }
    const before = sumsIn(path("lab.files"));
    const mine = checksum(new TextEncoder().encode("mine"));
    assert(before.size > 30);
    Deno.renameSync(path("lab.db"), path("old.db"));
    // Other runs, and the same ones on an engine with other results, to fewer steps and to more.
    await into(path("lab.db"), { name: "other", runs: small().runs });
    for (const steps of [300, 450, 460]) {
      await into(path("lab.db"), watched({ runs: watchedRuns(steps) }), { dips: (_, step) => step === 20 });
    }
    const after = sumsIn(path("lab.files"));
    assertEquals(new Map([...before.keys()].map((name) => [name, after.get(name)!])), before);
    {
      using lab = Lab.open(path("lab.db"));
      const named = lab.query<{ file: string }>("SELECT file FROM artifacts").map(({ file }) => file);
      assertEquals([named.filter((file) => before.has(file)), after.size], [[], before.size + named.length]);
      const { findings } = await verify(lab), says = "must belong to a run, the database doesn't know it";
      assertEquals(findings.map(({ text }) => text), [...before.keys()].map((name) => `${join(lab.folder, name)} ${says}`).sort());
    }
    Deno.renameSync(path("lab.db"), path("new.db"));
    Deno.renameSync(path("old.db"), path("lab.db"));
    for (const name of after.keys()) {
      if (!before.has(name) || before.get(name) === mine) Deno.removeSync(join(path("lab.files"), name));
    }
    await isWhole(path("lab.db"));
  }));

Deno.test("what a killed session left of the runs that it had goes, also while another works; parts go when none does", () =>
  scratch(async (path) => {
    using lab = Lab.open(path("a.db"));
    const ids = lab.declare(watched()), options = { info: fakeEngine().info, command: "test" };
    const hashes = ids.map((id) => lab.query<{ hash: string }>("SELECT hash FROM runs WHERE id = ?", id)[0].hash);
    const earlier = await Session.open(lab, options), killed = await Session.open(lab, options);
    for (const session of [earlier, killed]) session.close();
    lab.run("UPDATE sessions SET started_at = '2026-01-01T12:00:00.000Z' WHERE id = ?", earlier.id);
    lab.run("UPDATE sessions SET ended_at = NULL, started_at = '2026-01-02T00:00:00.000Z' WHERE id = ?", killed.id);
    lab.run("UPDATE runs SET status = 'training', session = ? WHERE id = ?", killed.id, ids[0]);
    lab.run("INSERT INTO work VALUES (?, ?, 0, 300, 1)", killed.id, ids[1]);
    lab.run("INSERT INTO work VALUES (?, ?, 0, 60, 1)", earlier.id, ids[0]);
    const days = "2026-01-01T00:00Z", afternoon = "2026-01-01T18:00Z", during = "2026-01-03T00:00Z";
    Deno.mkdirSync(lab.folder);
    const put = (name: string, written = during) => {
      Deno.writeTextFileSync(join(lab.folder, name), "left");
      Deno.utimeSync(join(lab.folder, name), new Date(written), new Date(written));
      return name;
    };
    for (const hash of hashes.slice(0, 2)) for (const kind of ["", ".weights", ".attention"]) put(`${hash}-70${kind}.safetensors`);
    // A state of the session before, which the killed one had replaced and not yet removed; of the other run it wrote none.
    put(`${hashes[0]}-60.safetensors`, afternoon);
    const stays = [
      put(`${hashes[1]}-60.safetensors`, afternoon),
      put(`${hashes[0]}-70-01234567.safetensors`),
      put(`${hashes[0]}-80.safetensors`, days),
      put(`${hashes[0]}.part`),
      put(`${hashes[2]}-70.safetensors`),
      put(".half.part"),
    ];
    put(part(1));
    const names = () => [...sumsIn(lab.folder).keys()].sort();
    // A session of a database that lay here before holds its lock, and isn't in this one.
    const held = Deno.openSync(path("a.db-session-01234567-89ab-4cde-8f01-23456789abcd"), { create: true, write: true });
    held.lockSync(true);
    const other = await Session.open(lab, options);
    assertEquals(names(), [...stays, part(1)].sort());
    held.close();
    const second = await Session.open(lab, options);
    assertEquals(names(), [...stays, part(1)].sort());
    for (const session of [other, second]) session.close();
    (await Session.open(lab, options)).close();
    assertEquals(names(), stays.toSorted());
  }));

Deno.test("an import that fails removes no file that lay in the folder before", () =>
  scratch(async (path) => {
    await into(path("a.db"), watched());
    await record(path("a.db"), path("record"), { files: ["attention", "weights"] });
    await taken(path("b.db"), path("record"));
    const before = sumsIn(path("b.files"));
    assert(before.size > 20);
    Deno.renameSync(path("b.db"), path("old.db"));
    using lab = Lab.open(path("b.db"));
    lab.declare(watched({ margin: 7 }));
    await assertRejects(() => taken(path("b.db"), path("record")), Error, "experiment watched must have");
    assertEquals(sumsIn(path("b.files")), before);
  }));

Deno.test("a file beside the database whose name only begins like a lock's stays", () =>
  scratch(async (path) => {
    using lab = Lab.open(path("a.db"));
    Deno.writeTextFileSync(path("a.db-session-notes.txt"), "mine");
    (await Session.open(lab, { info: fakeEngine().info, command: "test" })).close();
    assertEquals(Deno.readTextFileSync(path("a.db-session-notes.txt")), "mine");
  }));
