/** `deno task test [names…]`: installs what the tests need, runs them, and ends with the plain line `N passed, N failed`. */
import { join } from "node:path";
import { filesIn, ROOT } from "./process.ts";
import { scratchFolder } from "./scratch.ts";
import { ensure } from "./setup.ts";

const HELP = `deno task test [names…]

Runs all tests, or those in files whose path contains one of the names. Installs a Vulkan driver, Jupyter and, for the tests
that drive them, Chromium and Slurm where they are missing and it can. Failures are named once more at the end. The last line
is "N passed, N failed"; exit code 1 when a test failed or none ran.`;

/** Tests that are left out where what they drive can't be installed. */
const OPTIONAL = [
  { file: join("tests", "notebook", "browser_test.ts"), need: "browser", left: "The test in a browser is left out." },
  { file: join("tests", "page", "page_test.ts"), need: "browser", left: "The tests of the page in a browser are left out." },
  { file: join("tests", "page", "suite_test.ts"), need: "browser", left: "The engines' tests in a browser are left out." },
  { file: join("tests", "cli", "slurm_test.ts"), need: "slurm", left: "The tests on a cluster are left out." },
] as const;

export interface Count {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

/** What a process of tests came to. */
interface Outcome {
  readonly count: Count;
  /** Where each failure is, as `deno test` names it. */
  readonly failures: readonly string[];
}

// deno-lint-ignore no-control-regex
const plain = (printed: string): string => printed.replaceAll(/\x1b\[[0-9;]*m/g, "");
const summaries = (printed: string): string[] => plain(printed).match(/^(?:ok|FAILED) \| .*$/gm) ?? [];

/**
 * Counts from what `deno test` printed: its last summary, `ok | 12 passed (3 steps) | 0 failed | 1 ignored (2s)`. Where it failed
 * without counting a failure (a file that can't be loaded, a crash), that is one failure.
 */
export function count(printed: string, exitCode: number): Count {
  const summary = summaries(printed).at(-1) ?? "";
  const number = (word: string) => Number(summary.match(new RegExp(`\\b(\\d+) ${word}\\b`))?.[1] ?? 0);
  const failed = number("failed");
  return { passed: number("passed"), failed: failed === 0 && exitCode !== 0 ? 1 : failed, skipped: number("ignored") };
}

/** The failures that `deno test` lists at its end, one line each: `name => ./tests/a_test.ts:1:6`. */
export const failuresIn = (printed: string): string[] =>
  plain(printed).split(/^ FAILURES *$/m).slice(1).at(-1)?.split(/^FAILED \|/m)[0].split("\n").filter((line) => line.trim() !== "") ?? [];

/** The plain last line. */
export const countLine = ({ passed, failed, skipped }: Count) =>
  `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`;

/** The test files whose path in the project contains one of the names; all of them without names. */
export const testFiles = (names: readonly string[]): string[] =>
  filesIn("tests", "_test.ts").filter((file) => names.length === 0 || names.some((name) => name.trim() !== "" && file.includes(name)));

/**
 * Groups of files, the longest first: those in front train on a driver that compiles, where nothing is compiled yet, for minutes on one
 * thread. A file belongs to the first group that fits. The files of a group run one after the other in one process, and several groups run
 * at once: most wait for programs of their own, for a driver, or for threads.
 */
const GROUPS = [
  /cli\/slurm_test/, // waits for a cluster
  /tests\/(?:engine\/(?:operations|gradients)_test|reference\/)/,
  /tests\/engine\//,
  /notebook\/notebooks_test/, // Jupyter
  /notebook\/browser_test|tests\/page\//, // a browser
  /tests\/(?:lab|fuzz)\//,
  /cli\/(?:sweep|tasks|train)|train\/kill_test/, // commands
  /tests\/(?:notebook|studies|figures)\//,
  /./,
];
const AT_ONCE = 4;

export function groups(files: readonly string[]): string[][] {
  const byGroup = Map.groupBy(files, (file) => GROUPS.findIndex((group) => group.test(file)));
  return [...byGroup].sort(([a], [b]) => a - b).map(([, group]) => group);
}

/** Where tests write what they throw away; `null`: where programs do. */
let scratch: string | null = null;
function removeScratch(): void {
  if (scratch === null) return;
  try {
    Deno.removeSync(scratch, { recursive: true });
  } catch {
    // Something that a test has started still writes there.
  }
}

/** The tests that run. They end with this process, whatever ends it. */
const children = new Set<Deno.ChildProcess>();
function stop(code: number): never {
  for (const child of children) {
    try {
      child.kill("SIGTERM");
    } catch {
      // It has ended, and something that it started still prints.
    }
  }
  removeScratch();
  Deno.exit(code);
}

/** Shows what was printed; where nobody reads it, there is nobody to test for. */
function write(chunk: Uint8Array): void {
  try {
    Deno.stdout.writeSync(chunk);
  } catch {
    stop(1);
  }
}

/** Runs the groups. What they print is shown in their order: of the first that hasn't ended, as it comes. */
async function runTests(files: readonly string[]): Promise<Outcome> {
  const running = groups(files).map((group) => ({ group, printed: [] as Uint8Array[], ended: Promise.withResolvers<Outcome>() }));
  let shown = 0;
  const show = () => {
    for (const chunk of running[shown]?.printed.splice(0) ?? []) write(chunk);
  };
  const waiting = [...running];
  const worker = async () => {
    for (let next; (next = waiting.shift());) {
      const { group, printed, ended } = next;
      ended.resolve(
        await runGroup(group, (chunk) => {
          printed.push(chunk);
          show();
        }),
      );
    }
  };
  const workers = Array.from({ length: AT_ONCE }, worker);
  const outcomes: Outcome[] = [];
  for (const { ended } of running) {
    show();
    outcomes.push(await ended.promise);
    shown++;
  }
  await Promise.all(workers);
  return together(outcomes);
}

const together = (outcomes: readonly Outcome[]): Outcome => ({
  count: sum(outcomes.map(({ count }) => count)),
  failures: outcomes.flatMap(({ failures }) => failures),
});

export const sum = (counts: readonly Count[]): Count => {
  const of = (key: keyof Count) => counts.reduce((total, count) => total + count[key], 0);
  return { passed: of("passed"), failed: of("failed"), skipped: of("skipped") };
};

/**
 * Tests the files in one process. Where one of them can't be read, `deno test` runs none: then each is run by itself.
 * @param show gets what is printed, as it comes.
 */
export async function runGroup(files: readonly string[], show: (chunk: Uint8Array) => void): Promise<Outcome> {
  const { printed, code } = await runFiles(files, show);
  if (code !== 0 && summaries(printed).length === 0) {
    if (files.length === 1) return { count: count(printed, code), failures: [unfinished(files, code)] };
    const outcomes: Outcome[] = [];
    for (const file of files) outcomes.push(await runGroup([file], show));
    const alone = together(outcomes), all = `${files.join(", ")} (together they ended with exit code ${code})`;
    // What goes wrong only together, or only once, has gone wrong.
    return alone.failures.length > 0 ? alone : { count: { ...alone.count, failed: 1 }, failures: [all] };
  }
  const named = failuresIn(printed);
  if (code !== 0 && named.length === 0) named.push(unfinished(files, code));
  return { count: count(printed, code), failures: code === 0 ? [] : named };
}

/** Says the same whether or not a test printed a line like a summary: what a killed process printed last arrives only by chance. */
const unfinished = (files: readonly string[], code: number): string =>
  `${files.length === 1 ? "" : "one of "}${files.join(", ")} (couldn't be run to its end: exit code ${code})`;

/** What `deno test` printed of the files, its last part at least, and its exit code. */
async function runFiles(files: readonly string[], show: (chunk: Uint8Array) => void): Promise<{ printed: string; code: number }> {
  const colours = Deno.stdout.isTerminal() && !Deno.env.get("CI") && !Deno.env.get("NO_COLOR");
  const child = new Deno.Command(Deno.execPath(), {
    args: ["test", "--allow-all", "--no-check", ...files], // types are checked by `deno task ok`
    cwd: ROOT,
    env: { ...colours ? { FORCE_COLOR: "1" } : { NO_COLOR: "1" }, ...scratch !== null && { TMPDIR: scratch } },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  children.add(child);
  let tail = "";
  const decoder = new TextDecoder();
  const faults = (async () => {
    for await (const chunk of child.stderr) show(chunk);
  })();
  for await (const chunk of child.stdout) {
    show(chunk);
    tail = (tail + decoder.decode(chunk, { stream: true })).slice(-65536);
  }
  await faults;
  const { code } = await child.status;
  children.delete(child);
  return { printed: tail, code };
}

if (import.meta.main) {
  if (Deno.args.includes("--help")) {
    console.log(HELP);
    Deno.exit(0);
  }
  const files = testFiles(Deno.args), unknown = Deno.args.filter((name) => testFiles([name]).length === 0);
  if (unknown.length > 0) {
    const names = unknown.map((name) => `"${name}"`).join(" or ");
    console.error(`Cannot run tests: no test file's path contains ${names}, names must be parts of tests/…_test.ts`);
    Deno.exit(1);
  }
  const missing = await ensure(["vulkan", "jupyter", "kernel"]);
  if (missing.length > 0) console.error(`Tests that need ${missing.join(" and ")} will fail.`);
  // Each by itself, so that a system without such a package gets the others.
  for (const { file, need, left } of OPTIONAL) {
    if (files.includes(file) && (await ensure([need])).length > 0) console.error(left);
  }
  scratch = scratchFolder();
  for (const [signal, code] of [["SIGINT", 130], ["SIGTERM", 143], ["SIGHUP", 129]] as const) {
    Deno.addSignalListener(signal, () => stop(code));
  }
  const { count, failures } = await runTests(files);
  removeScratch();
  if (failures.length > 0) console.log(["\nFailed:", ...failures].join("\n  "));
  console.log(countLine(count));
  Deno.exit(count.failed > 0 || count.passed === 0 ? 1 : 0);
}
