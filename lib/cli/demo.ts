/** `deno task demo`: several seeds of modular addition, trained at once until each has grokked; the figure and the runs in a folder. */
import { join } from "node:path";
import { firstGrok, quickGrok, SEEDS } from "../studies/lessons/first_grok.ts";
import { grokkingCurves } from "../figures/curves.ts";
import { png } from "../figures/render.ts";
import { metricsCsv } from "../train/metrics_csv.ts";
import { parameterCount } from "../run/layout.ts";
import { taskName } from "../run/operations.ts";
import { type Run, train } from "../train/train.ts";
import type { EngineInfo } from "../engine/engine.ts";
import { seedFile } from "../train/checkpoints.ts";
import { weightsFile } from "../train/weights.ts";
import { writeAll, type Writing } from "../run/files.ts";
import { here, prepareFolder } from "./files.ts";
import { ENGINE_FLAGS, engineRequest, open } from "./engine.ts";
import { type Flag, flagHelp, parse } from "./flags.ts";
import { stoppable } from "./main.ts";
import { resultTable } from "./milestones.ts";
import { ROOT } from "./process.ts";
import { Progress } from "./progress.ts";
import { runTraining } from "./restart.ts";
import { say, tell } from "./terminal.ts";

/** As many of the lesson's seeds as two cores train within a minute; TensorFlow.js on a processor gets fewer of a smaller setting. */
const RUNS = SEEDS.slice(0, 5).map((seed) => firstGrok({ seed })), SMALL_RUNS = SEEDS.slice(0, 3).map(quickGrok);

const HELP = `Trains several seeds of modular addition until they grok, draws the figure, and says what to do next.

  deno task demo [flags]

Trains on a graphics card where there is one, else on the processor; nothing is installed. Everything goes to data/out/demo.`;
export const FLAGS: Record<string, Flag> = {
  ...ENGINE_FLAGS,
  help: { help: "this text" },
};

async function main(args: string[]): Promise<number> {
  const given = parse(args, FLAGS);
  if (given.has("help")) {
    tell(`${HELP}\n\n${flagHelp("Flags", Object.entries(FLAGS))}`);
    return 0;
  }
  const request = engineRequest(given);
  const folder = join(ROOT, "data", "out", "demo");
  await prepareFolder("the demo's folder", folder);
  const engine = await open(request, say);
  const specs = engine.info.engine === "tfjs" ? SMALL_RUNS : RUNS;
  const [spec] = specs, { prime, operation, trainFraction } = spec.data;
  const task = taskName(operation, prime);
  tell(
    `${specs.length} transformers of ${parameterCount(spec)} parameters learn ${task} from ${
      Math.round(100 * trainFraction)
    } % of all pairs.\n` +
      `Watch: they memorise these soon, fail on most of the others for a while, and then understand.\n`,
  );

  const progress = new Progress(engine.info, { untilGrokked: true });
  const began = performance.now();
  const { result: runs, code } = await stoppable(async (signal) => {
    try {
      return await train(specs, { engine, signal, untilGrokked: true, onProgress: (news, runs) => progress.update(news, runs) });
    } finally {
      progress.done();
    }
  });
  if (code !== undefined) return code;
  const seconds = (performance.now() - began) / 1000;

  const figure = await save(runs, folder);
  tell(`${resultTable(runs)}\n`);
  tell(closing(runs, seconds, engine.info, figure));
  return runs.some((run) => run.grokkingStep !== null) ? 0 : 1;
}

/** Writes all that the demo keeps, in place of an earlier demo's, which may have had other seeds. @returns the figure's files. */
async function save(runs: readonly Run[], folder: string): Promise<{ svg: string; png: string }> {
  const figure = grokkingCurves(runs), files = { svg: join(folder, "grokking.svg"), png: join(folder, "grokking.png") };
  const { seed: _, ...setting } = runs[0].spec;
  const weights = runs.flatMap(({ spec, snapshot }): Writing[] =>
    snapshot ? [[seedFile(folder, spec.seed), weightsFile(spec, snapshot.params)]] : []
  );
  await writeAll([
    [files.svg, figure.svg],
    [files.png, png(figure)],
    [join(folder, "spec.json"), `${JSON.stringify(setting, null, 2)}\n`],
    [join(folder, "metrics.csv"), metricsCsv(runs.map(({ spec, metrics }) => ({ seed: spec.seed, metrics })))],
    ...weights,
  ]);
  const kept = new Set(weights.map(([path]) => path));
  for (const { name } of Deno.readDirSync(folder)) {
    const path = join(folder, name);
    if (/^seed_\d+\.safetensors$/.test(name) && !kept.has(path)) await Deno.remove(path);
  }
  return files;
}

function closing(runs: readonly Run[], seconds: number, info: EngineInfo, figure: { svg: string; png: string }): string {
  const grokked = runs.filter((run) => run.grokkingStep !== null).length;
  const updates = runs.reduce((sum, { step }) => sum + step, 0);
  return `${grokked} of ${runs.length} grokked: ${updates} updates in ${seconds.toFixed(0)} s on ${info.engine}, ${info.adapter}.

Figure   ${here(figure.png)}, ${here(figure.svg)}
Runs     ${here(join(ROOT, "data", "out", "demo"))}: metrics.csv, spec.json, weights of every seed

Next
  Turn a knob       deno task train --config ${
    here(join(ROOT, "data", "out", "demo", "spec.json"))
  } --weight-decay 2 --seeds 0..4 --until-grokked
  All the knobs     deno task train --help
  The notebooks     deno task lab, then open 01_first_grok.ipynb`;
}

if (import.meta.main) await runTraining(main);
