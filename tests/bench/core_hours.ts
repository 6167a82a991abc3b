/**
 * What ten thousand and a million runs of each preset cost: core hours as measured here, bytes as counted. README's "On a cluster" shows
 * the table.
 *
 *   deno run -A tests/bench/core_hours.ts [--engine NAME] [--rows 16] [--no-speed] [--readme]
 *
 * Prints the table; `--readme` puts it into README, between its two markers. Without `--no-speed`, every preset trains for some seconds, so
 * the machine must be quiet. Runs that end early cost less than what is said: here all do all their steps.
 */
import { join } from "node:path";
import { parseArgs } from "node:util";
import { ROOT, run } from "../../lib/cli/process.ts";
import { runTraining } from "../../lib/cli/restart.ts";
import type { Engine } from "../../lib/engine/engine.ts";
import { range } from "../../lib/lab/experiment.ts";
import { parameterCount } from "../../lib/run/layout.ts";
import { type PresetName, PRESETS, runSpec } from "../../lib/run/spec.ts";
import { type EngineName, ENGINES, openEngine } from "../../lib/train/engines.ts";

/** Bytes of an evaluation in the database, by `large_lab.ts`. */
const EVALUATION = 69;
/** For about so long a preset is timed, in ms. */
const MEASURE = 5000;

/**
 * Seconds that an update of one run takes, evaluations included, with so many trained at once. What compiles comes first and doesn't count.
 */
async function secondsPerUpdate(preset: PresetName, rows: number, engine: Engine): Promise<number> {
  const runs = range(rows).map((seed) => runSpec({ preset, seed })), { evalEvery } = runs[0].schedule;
  const trainer = await engine.open(runs);
  try {
    const time = async (updates: number) => {
      const began = performance.now();
      for await (const _ of trainer.advance(updates));
      return performance.now() - began;
    };
    // What compiles does so in the first update and evaluation.
    await time(1);
    // Whole stretches between evaluations, so that these count with their share.
    let updates = evalEvery, took = await time(updates);
    while (took < MEASURE / 2) took = await time(updates *= 2);
    return took / 1000 / updates / trainer.rows.length;
  } finally {
    trainer.dispose();
  }
}

const LINE = ["preset", "parameters", "updates", "evaluations", "checkpoint", "10⁴ runs: lab", "core hours", "10⁶ runs: lab", "core hours"];

/** A row of the table. @param seconds of an update of one run; `null` where it wasn't measured */
function row(preset: PresetName, seconds: number | null, cores: number): string[] {
  const spec = runSpec({ preset }), { steps, evalEvery } = spec.schedule, parameters = parameterCount(spec);
  // Parameters and AdamW's two moments.
  const evaluations = Math.ceil(steps / evalEvery) + 1, checkpoint = 12 * parameters;
  const hours = (runs: number) => seconds === null ? "–" : figure(runs * steps * seconds * cores / 3600);
  const lab = (runs: number) => `${bytes(runs * evaluations * EVALUATION)} + ${bytes(runs * checkpoint)}`;
  const number = (n: number) => n.toLocaleString("en");
  const head = [preset, number(parameters), number(steps), number(evaluations), bytes(checkpoint)];
  return [...head, lab(1e4), hours(1e4), lab(1e6), hours(1e6)];
}

const figure = (x: number) => Number(x.toPrecision(2)).toLocaleString("en");
const bytes = (n: number) => n < 1e9 ? `${figure(n / 1e6)} MB` : n < 1e12 ? `${figure(n / 1e9)} GB` : `${figure(n / 1e12)} TB`;

const markdown = ([head, ...rows]: readonly (readonly string[])[]) =>
  [head, head.map((_, i) => i === 0 ? "---" : "--:"), ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n");

/** README with the table in the place of the one that was there. */
async function intoReadme(table: string, measured: string): Promise<void> {
  const path = join(ROOT, "README.md"), text = await Deno.readTextFile(path), marks = /(<!-- core hours -->\n)[^]*?(<!-- \/core hours -->)/;
  if (!marks.test(text)) {
    throw new Error("Cannot write the table: README must have the markers <!-- core hours --> and <!-- /core hours -->");
  }
  await Deno.writeTextFile(path, text.replace(marks, (_, from, to) => `${from}\n${table}\n\n${measured}\n\n${to}`));
  await run(Deno.execPath(), ["fmt", "--quiet", path]);
}

async function main(args: string[]): Promise<number> {
  const { values } = parseArgs({
    args,
    options: {
      "engine": { type: "string" },
      "rows": { type: "string", default: "16" },
      "no-speed": { type: "boolean", default: false },
      "readme": { type: "boolean", default: false },
    },
  });
  if (values.engine !== undefined && !(ENGINES as readonly string[]).includes(values.engine)) {
    throw new Error(`Cannot measure: --engine must be one of ${ENGINES.join(", ")}, current value is ${values.engine}`);
  }
  const cores = navigator.hardwareConcurrency, presets = Object.keys(PRESETS) as PresetName[];
  const engine = values["no-speed"] ? null : await openEngine(values.engine as EngineName | undefined);
  const rows: string[][] = [];
  for (const preset of presets) {
    const seconds = engine && await secondsPerUpdate(preset, Number(values.rows), engine);
    if (seconds !== null) console.error(`${preset}: ${figure(1000 * seconds)} ms an update of a run`);
    rows.push(row(preset, seconds, cores));
  }
  const table = markdown([LINE, ...rows]);
  const measured = engine
    ? `Core hours: engine ${engine.info.engine}, ${engine.info.adapter}; ${values.rows} runs at once, all ${cores} cores counted.`
    : "Core hours depend on the machine: `deno run -A tests/bench/core_hours.ts --readme` measures them and fills them in.";
  console.log(`${table}\n\n${measured}`);
  if (values.readme) await intoReadme(table, measured);
  return 0;
}

if (import.meta.main) await runTraining(main);
