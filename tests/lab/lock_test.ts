/** What tells a session that lives from one that was killed: its lock, and that none is left behind. */
import { assertEquals } from "@std/assert";
import { drop, isGone, takeLock } from "../../lib/lab/lock.ts";
import { ROOT } from "../../lib/cli/process.ts";
import { tasksFolder } from "../../lib/cli/tasks.ts";
import { Session } from "../../lib/lab/session.ts";
import { Lab } from "../../lib/lab/store.ts";
import { fakeEngine } from "../fake_engine.ts";
import { scratch } from "./lab_files.ts";

Deno.test("a session's lock is there while it lives, and gone when it has ended", () =>
  scratch(async (path) => {
    using lab = Lab.open(path("a.db"));
    const session = await Session.open(lab, { info: fakeEngine().info, command: "test" });
    const [{ name }] = lab.query<{ name: string }>("SELECT name FROM sessions");
    assertEquals([isGone(lab, name), locks(path(""))], [false, [`a.db-session-${name}`]]);
    session.close();
    assertEquals([isGone(lab, name), locks(path(""))], [true, []]);
  }));

Deno.test("reached through a link, a database has the same locks, files and tasks", () =>
  scratch(async (path) => {
    for (const folder of ["real", "links"]) Deno.mkdirSync(path(folder));
    Deno.symlinkSync(path("real"), path("folder"));
    using lab = Lab.open(path("folder/lab.db"));
    Deno.symlinkSync(path("real/lab.db"), path("links/other.db"));
    const session = await Session.open(lab, { info: fakeEngine().info, command: "test" });
    const [{ name }] = lab.query<{ name: string }>("SELECT name FROM sessions");
    for (const link of ["real/lab.db", "folder/lab.db", "links/other.db"]) {
      using linked = Lab.open(path(link), { readOnly: link === "links/other.db" });
      assertEquals([isGone(linked, name), linked.folder], [false, Deno.realPathSync(path("real")) + "/lab.files"], link);
      assertEquals(tasksFolder(path(link), "night"), Deno.realPathSync(path("real")) + "/lab.tasks/night", link);
    }
    assertEquals(tasksFolder(path("folder/new.db"), "night"), Deno.realPathSync(path("real")) + "/new.tasks/night");
    session.close();
    assertEquals(isGone(lab, name), true);
  }));

Deno.test("killed before its session was in the database or after its end was: the next removes the lock, and no other lab's, and none that is held", () =>
  scratch(async (path) => {
    using lab = Lab.open(path("a.db"));
    using other = Lab.open(path("aa.db"));
    const [killed, alive] = [crypto.randomUUID(), crypto.randomUUID()];
    for (const each of [lab, other]) takeLock(each, killed).file.close();
    const held = takeLock(lab, alive);
    (await Session.open(lab, { info: fakeEngine().info, command: "test" })).close();
    assertEquals(locks(path("")), [`a.db-session-${alive}`, `aa.db-session-${killed}`]);
    drop(held);
  }));

Deno.test("locks that are taken while another process tidies up stay", () =>
  scratch(async (path) => {
    using lab = Lab.open(path("a.db"));
    const script =
      `import { removeFreeLocks } from "./lib/lab/lock.ts"; console.log(); while (true) removeFreeLocks({ place: Deno.env.get("LAB") });`;
    await using child = new Deno.Command(Deno.execPath(), { args: ["eval", script], cwd: ROOT, env: { LAB: lab.path }, stdout: "piped" })
      .spawn();
    await child.stdout.getReader().read();
    const names = Array.from({ length: 2000 }, () => crypto.randomUUID());
    const taken = names.map((name) => takeLock(lab, name));
    assertEquals(names.filter((name) => isGone(lab, name)), []);
    taken.forEach(drop);
    assertEquals(locks(path("")), []);
  }));

const locks = (folder: string) =>
  Array.from(Deno.readDirSync(folder), ({ name }) => name).filter((name) => name.includes("session")).sort();
