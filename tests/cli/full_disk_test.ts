/** On a full disk, nothing half-written stays. The system's limit on the size of a file stands for the full disk. */
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { join } from "node:path";
import { exportRecorded } from "../../lib/lab/record/export.ts";
import { withLab } from "../../lib/lab/opening.ts";
import { Lab } from "../../lib/lab/store.ts";
import { prepare, prepareFile } from "../../lib/cli/files.ts";
import { writeAll, writeThrough, writeWhole } from "../../lib/run/files.ts";
import { scratch } from "../lab/lab_files.ts";
import { small, train } from "../lab/small_lab.ts";
import { filesIn, ROOT } from "./train_process.ts";

/** What the commands say in a process whose files end at so many KiB. */
async function limited(kibibytes: number, commands: readonly (readonly string[])[]): Promise<{ line: string; error: string }[]> {
  // A write beyond the limit then fails, instead of ending the process.
  const script = `trap '' XFSZ; ulimit -f ${kibibytes}; exec "$@"`;
  const worker = [Deno.execPath(), "run", "-A", "--no-check", "tests/cli/full_disk_worker.ts", JSON.stringify(commands)];
  const { stdout, stderr } = await new Deno.Command("bash", { args: ["-c", script, "bash", ...worker], cwd: ROOT, env: { NO_COLOR: "1" } })
    .output();
  const text = new TextDecoder(), lines = text.decode(stdout).split("\n").filter((line) => line.startsWith("{"));
  assertEquals(lines.length, commands.length, text.decode(stderr));
  return lines.map((line) => JSON.parse(line));
}

Deno.test("on a full disk, each command fails in a line and leaves nothing half-written", () =>
  scratch(async (path) => {
    await train(path("lab.db"));
    using lab = Lab.open(path("lab.db"), { readOnly: true });
    await exportRecorded(lab, "small", path("record"), { metrics: "all", command: "test" });
    Deno.mkdirSync(path("old"));
    Deno.writeTextFileSync(path("old/runs.csv"), "stays");
    Deno.writeTextFileSync(path("grid.json"), JSON.stringify({ grid: { preset: "nanda", seed: "0..9", model: { dModel: 8, heads: 2 } } }));
    const TRAIN = [
      "train",
      ..."--preset nanda --prime 7 --d-model 8 --heads 2 --d-mlp 8 --steps 400 --eval-every 1 --seeds 0,1".split(" "),
    ];
    const before = await filesIn(path(""));
    // The files of a lab are larger than this, and so is each file of evaluations, the array's script and, with its moments, a state.
    const results = await limited(2, [
      ["db", "merge", "--db", path("merged.db"), path("lab.db")],
      ["db", "import", "--db", path("imported.db"), path("record")],
      ["db", "export", "--db", path("lab.db"), "--experiment", "small", "--metrics", "all", "--to", path("exported")],
      ["db", "export", "--db", path("lab.db"), "--experiment", "small", "--metrics", "all", "--to", path("old"), "--replace"],
      ["sweep", "--grid", path("grid.json"), "--db", path("swept.db"), "--engine", "cpu"],
      ["sweep", "--grid", path("grid.json"), "--db", path("sent.db"), "--tasks", "2"],
      [...TRAIN, "--checkpoint", path("new/checkpoints")],
      [...TRAIN, "--save-init", path("initial")],
      [...TRAIN, "--metrics", path("folder/metrics.csv")],
      [...TRAIN, "--dump-data", path("data.csv")].with(4, "31"),
    ]);
    for (const { line, error } of results) assertMatch(error, /^Cannot (write|open|export) [^\n]*(too large|I\/O error)[^\n]*$/, line);
    assertEquals(await filesIn(path("")), before);
    assertEquals([await filesIn(path("old")), Deno.readTextFileSync(path("old/runs.csv"))], [["runs.csv"], "stays"]);
  }));

Deno.test("a lab that was made for work which entered nothing is gone; one that was there, or has something, stays", () =>
  scratch(async (path) => {
    const fails = (name: string, work: (lab: Lab) => unknown = () => {}) =>
      assertRejects(
        () =>
          withLab(path(name), async (lab) => {
            await work(lab);
            throw new Error("full");
          }),
        Error,
        "full",
      );
    await fails("new.db", ({ folder }) => Deno.mkdirSync(folder));
    assertEquals(await filesIn(path("")), []);
    await fails("entered.db", (lab) => lab.declare(small()));
    Lab.open(path("there.db")).close();
    await fails("there.db");
    assertEquals(await filesIn(path("")), ["entered.db", "there.db"]);
    // Another process that has opened it keeps it.
    let other: Lab | undefined;
    await fails("shared.db", ({ path }) => other = Lab.open(path));
    other!.declare(small());
    other!.close();
    assert((await filesIn(path(""))).includes("shared.db"));
  }));

Deno.test("files that belong together are all written or none, and folders made for them go again", () =>
  scratch(async (path) => {
    Deno.writeTextFileSync(path("old"), "stays");
    const files = [path("old"), path("new/deep/file"), join(path("old"), "no folder")];
    await assertRejects(() => writeAll(files.map((file) => [file, "new"] as const)), Error, `Cannot write ${files[2]}: Not a directory`);
    assertEquals([await filesIn(path("")), Deno.readTextFileSync(path("old"))], [["old"], "stays"]);
    await writeAll(files.slice(0, 2).map((file) => [file, "new"] as const));
    assertEquals([await filesIn(path("")), Deno.readTextFileSync(path("old"))], [["new", "old"], "new"]);
  }));

Deno.test("a link stays one, also to a file that isn't there yet; links in a circle are refused", () =>
  scratch(async (path) => {
    const ways: Record<string, (link: string) => Promise<void>> = {
      whole: (link) => writeWhole(link, "new"),
      through: (link) => writeThrough(link, (temporary) => Deno.writeTextFile(temporary, "new")),
    };
    for (const [name, write] of Object.entries(ways)) {
      await Deno.symlink(`${name}/second`, path(name + ".csv"));
      await Deno.mkdir(path(name));
      await Deno.symlink("../big/" + name, path(`${name}/second`));
      await prepareFile("--metrics", path(name + ".csv"));
      for (let again = 0; again < 2; again++) {
        await write(path(name + ".csv"));
        assertEquals([Deno.readLinkSync(path(name + ".csv")), Deno.readLinkSync(path(`${name}/second`))], [
          `${name}/second`,
          `../big/${name}`,
        ]);
        assertEquals(Deno.readTextFileSync(path(`big/${name}`)), "new");
      }
      await Deno.symlink(name + ".b", path(name + ".a"));
      await Deno.symlink(name + ".a", path(name + ".b"));
      await assertRejects(() => write(path(name + ".a")), Error, `Cannot write ${path(name + ".a")}: Too many levels of symbolic links`);
      await assertRejects(() => prepareFile("--metrics", path(name + ".a")), Error, "must be a file that can be written, Too many levels");
    }
    assertEquals(await filesIn(path("big")), ["through", "whole"]);
    // The same for a file that will be written into a folder, and for one that is read.
    const circle = path("whole.a"), within = { flag: "--save", path: path(""), kind: "folder", files: ["whole.a"] } as const;
    const levels = "Too many levels of symbolic links";
    await assertRejects(() => prepare([within]), Error, `Cannot write --save ${circle}: must be a file that can be written, ${levels}`);
    await assertRejects(() => prepare([], { "--init": circle }), Error, `Cannot read --init ${circle}: must be a file, ${levels}`);
  }));
