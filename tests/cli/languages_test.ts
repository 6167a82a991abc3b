/** README's lines in Python and R open a lab, where Python or R and their packages are there; and other readers open its Parquet files. */
import { assertEquals, assertMatch } from "@std/assert";
import { join } from "node:path";
import { main as db } from "../../lib/cli/db.ts";
import { ROOT } from "../../lib/cli/process.ts";
import { scratch } from "../lab/lab_files.ts";
import { train } from "../lab/small_lab.ts";

const README = Deno.readTextFileSync(join(ROOT, "README.md"));

/** What a program comes to; exit code 127 where there is none of this name. */
async function run(program: string, args: readonly string[], cwd: string): Promise<{ code: number; out: string; err: string }> {
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  try {
    const { code, stdout, stderr } = await new Deno.Command(program, { args: [...args], cwd }).output();
    return { code, out: text(stdout), err: text(stderr) };
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return { code: 127, out: "", err: "" };
    throw error;
  }
}

interface Language {
  readonly fence: "python" | "r";
  readonly command: readonly string[];
  /** Lines that end well where the packages are there. */
  readonly needs: (packages: readonly string[]) => string;
}
const PYTHON: Language = { fence: "python", command: ["python3", "-c"], needs: (packages) => `import ${packages.join(", ")}` };
const R: Language = { fence: "r", command: ["Rscript", "-e"], needs: (packages) => packages.map((name) => `library(${name})`).join(";") };

const has = async ({ command: [program, ...args], needs }: Language, packages: readonly string[]) =>
  (await run(program, [...args, needs(packages)], ".")).code === 0;

/** The block of README that names a package. */
function block({ fence }: Language, name: string): string {
  const found = [...README.matchAll(/^```(\w+)\n([^]*?)^```$/gm)].find(([, language, text]) => language === fence && text.includes(name));
  return found?.[2] ?? "";
}

const SNIPPETS = [[PYTHON, "pandas"], [PYTHON, "polars"], [R, "RSQLite"]] as const;

Deno.test("README opens a lab in six lines of each language", () => {
  for (const [language, name] of SNIPPETS) assertEquals(block(language, name).trim().split("\n").length, 6, name);
});

for (const [language, name] of SNIPPETS) {
  const packages = language === R ? ["DBI", name] : [name];
  Deno.test({
    name: `README's lines with ${name} open a lab (where ${language.command[0]} has ${packages.join(" and ")})`,
    ignore: !await has(language, packages),
    fn: () =>
      scratch(async (path) => {
        await Deno.mkdir(path("data"));
        await train(path("data/lab.db"));
        const [program, ...args] = language.command, { code, out, err } = await run(program, [...args, block(language, name)], path("."));
        assertEquals(code, 0, err);
        // A third of the runs of each of two widths grokked.
        assertEquals(out.match(/0\.3333/g)?.length, 2, out);
        assertMatch(out, /small/);
      }),
  });
}

const READERS = [["pandas", ["pandas", "pyarrow"]], ["polars", ["polars"]]] as const;
for (const [name, packages] of READERS) {
  Deno.test({
    name: `${name} reads the Parquet files as the lab has them (where python3 has ${packages.join(" and ")})`,
    ignore: !await has(PYTHON, packages),
    fn: () =>
      scratch(async (path) => {
        await train(path("lab.db"));
        await db(["export", "--parquet", "--to", path("tables"), "--db", path("lab.db")]);
        const lines = [
          `import sqlite3, ${name}`,
          `lab = sqlite3.connect("lab.db").cursor()`,
          `for table, sql in ("metrics", "SELECT * FROM metrics"), ("runs", "SELECT * FROM run_summary"):`,
          `    rows, read = lab.execute(sql).fetchall(), ${name}.read_parquet(f"tables/{table}.parquet")`,
          `    columns = [column for column, *_ in lab.description]`,
          `    theirs = list(zip(*(read[column].to_list() for column in columns)))`,
          `    same = lambda a, b: a == b or a is None and (b is None or b != b)`,
          `    assert len(rows) == len(theirs) > 0`,
          `    assert all(same(a, b) for row, other in zip(rows, theirs) for a, b in zip(row, other)), table`,
          `    print(table, len(rows))`,
        ];
        const { code, out, err } = await run("python3", ["-c", lines.join("\n")], path("."));
        assertEquals([code, out], [0, "metrics 100\nruns 6\n"], err);
      }),
  });
}
