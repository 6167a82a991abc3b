/** `deno task demo`: several seeds of modular addition, trained at once until each has grokked; the figure and the runs in a folder. */
import { join } from "node:path";
import { firstGrok, quickGrok, SEEDS } from "../studies/lessons/first_grok.ts";
import { grokkingCurves } from "../figures/curves.ts";
import { writeFigure } from "../figures/render.ts";
import { metricsCsv } from "../train/metrics_csv.ts";
import { parameterCount } from "../run/layout.ts";
import { taskName } from "../run/operations.ts";
import { type Run, train } from "../train/train.ts";
import type { EngineInfo } from "../engine/engine.ts";
import { seedFile } from "../train/checkpoints.ts";
import { saveWeights } from "../train/weights.ts";
import { writeWhole } from "../run/files.ts";
import { here, prepareFolder } from "./files.ts";
import { ENGINE_FLAGS, engineRequest, open } from "./engine.ts";
import { type Flag, flagHelp, parse } from "./flags.ts";
import { stoppable } from "./main.ts";
import { ROOT } from "./process.ts";
import { Progress } from "./progress.ts";
import { runTraining } from "./restart.ts";
import { resultTable } from "./train.ts";
import { say, tell } from "./terminal.ts";

/** As many of the lesson's seeds as two cores train within a minute; TensorFlow.js on a processor gets fewer of a smaller setting. */
const RUNS = SEEDS.slice(0, 5).map((seed) => firstGrok({ seed })), SMALL_RUNS = SEEDS.slice(0, 3).map(quickGrok);

const HELP = `Trains several seeds of modular addition until they grok, draws the figure, and says what to do next.

  deno task demo [flags]

Trains on a graphics card where there is one, else on the processor; nothing is installed. Everything goes to data/out/demo.`;
const FLAGS: Record<string, Flag> = {
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

  const figure = await writeFigure(grokkingCurves(runs), join(folder, "grokking"));
  const { seed: _, ...setting } = spec;
  await writeWhole(join(folder, "spec.json"), `${JSON.stringify(setting, null, 2)}\n`);
  await writeWhole(join(folder, "metrics.csv"), metricsCsv(runs.map(({ spec, metrics }) => ({ seed: spec.seed, metrics }))));
  // Weights of an earlier demo, which may have had other seeds.
  for (const { name } of Deno.readDirSync(folder)) if (/^seed_\d+\.safetensors$/.test(name)) await Deno.remove(join(folder, name));
  for (const { spec, snapshot } of runs) if (snapshot) await saveWeights(seedFile(folder, spec.seed), spec, snapshot.params);

  tell(`${resultTable(runs)}\n`);
  tell(closing(runs, seconds, engine.info, figure));
  return runs.some((run) => run.grokkingStep !== null) ? 0 : 1;
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

await runTraining(main);
