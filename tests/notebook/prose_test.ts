/** Numbers in the prose of notebooks that no output shows: they are those of the records. */
import { assert } from "@std/assert";
// @ts-types="@types/d3-array"
import { max, min, sum } from "d3-array";
import { join } from "node:path";
import { powerSpectrum } from "../../lib/analysis/network/fourier.ts";
import { embedding } from "../../lib/analysis/network/weights.ts";
import { joined } from "../../lib/cli/notebooks.ts";
import { ROOT } from "../../lib/cli/process.ts";
import { storedReadings } from "../../lib/notebook/readings.ts";
import { recordedRuns } from "../../lib/notebook/sweep.ts";
import { specHash } from "../../lib/run/spec.ts";
import * as representations from "../../lib/studies/representations/mod.ts";
import { loadWeights } from "../../lib/train/weights.ts";
import { scratch } from "../lab/lab_files.ts";
import { committed } from "./notebook_checks.ts";

/** Whether a notebook's text has all of these words, wherever its lines break. */
function mustSay(name: string, words: readonly string[]) {
  const texts = committed(name).cells.filter(({ cell_type }) => cell_type === "markdown").map(({ source }) => joined(source));
  const text = texts.join(" ").replaceAll(/\s+/g, " ");
  for (const each of words) assert(text.includes(each), `${name} must say: ${each}`);
}

const extent = (values: readonly number[], say: (x: number) => string) => `${say(min(values)!)} to ${say(max(values)!)}`;
const digits = (of: number) => (x: number) => String(Number(x.toPrecision(of)));
const percent = (share: number) => (100 * share).toFixed(0);

Deno.test("01 tells the strongest frequencies of the embeddings as recorded", () =>
  scratch(async (path) => {
    const { name } = representations.REPRESENTATIONS, folder = join(ROOT, "data/recorded", name, "weights");
    const runs = (await recordedRuns([representations.REPRESENTATIONS], { db: path("lab.db") }))
      .filter(({ spec }) => spec.optim.weightDecay === 1);
    const files = [...Deno.readDirSync(folder)].map((file) => file.name);
    const courses = await Promise.all(runs.map(async ({ spec, memorisationStep, grokkingStep }) => {
      const own = files.filter((file) => file.startsWith(specHash(spec))).map((file) => Number(file.match(/-(\d+)\./)![1]));
      const shares = await Promise.all(
        own.sort((a, b) => a - b).map(async (step) => {
          const weights = await loadWeights(join(folder, `${specHash(spec)}-${step}.safetensors`), spec);
          return { step, share: sum([...powerSpectrum(embedding(spec, weights))].sort((a, b) => b - a).slice(0, 2)) };
        }),
      );
      return { seed: spec.seed, memorised: memorisationStep!, grokked: grokkingStep, shares };
    }));
    const done = courses.filter(({ grokked }) => grokked !== null), [late] = courses.filter(({ grokked }) => grokked === null);
    const at = (step: number, { shares }: typeof late) => shares.find((each) => each.step >= step)!.share;
    const before = ({ shares, grokked }: typeof late) => shares.filter(({ step }) => step < grokked!).at(-1)!.share;
    mustSay("01_first_grok.ipynb", [
      `the two strongest frequencies held ${extent(courses.map((each) => at(0, each)), percent)} % of the embedding`,
      `after the networks had memorised, ${extent(courses.map((each) => at(each.memorised, each)), percent)} %`,
      `in the last one before they grokked, ${extent(done.map(before), percent)} %`,
      `at step 1000, ${extent(done.map((each) => at(1000, each)), percent)} % in the seven that had grokked, and ` +
      `${percent(at(1000, late))} % in the one that hadn't, seed ${late.seed}`,
    ]);
  }));

Deno.test("06 tells excluded and restricted loss and accuracy of the paper's network as recorded", () =>
  scratch(async (path) => {
    const runs = await storedReadings(representations.NANDA, { db: path("lab.db") });
    const at = (step: number) => runs.map(({ readings }) => readings.find((each) => each.step === step)!);
    const least = at(1500).map(({ byNeurons }) => byNeurons.excluded.trainLoss);
    const all = runs.every(({ readings }, i) => readings.every(({ byNeurons }) => byNeurons.excluded.trainLoss >= least[i]));
    assert(all, "excluded loss is least at step 1,500");
    const excluded = (step: number) => at(step).map(({ byNeurons }) => byNeurons.excluded.trainLoss);
    const times = extent(excluded(4600).map((loss, i) => loss / least[i]), (x) => Number(x.toPrecision(2)).toLocaleString("en-US"));
    const restricted = (step: number) => extent(at(step).map(({ byNeurons }) => byNeurons.restricted.loss), digits(2));
    const accuracy = (step: number, say: (share: number) => string) => extent(at(step).map(({ whole }) => whole.valAcc), say);
    mustSay("06_representations.ipynb", [
      `At step 4,600 it is ${times} times as high, and by step 6,800 it is ${extent(excluded(6800), digits(2))};`,
      `Restricted loss falls from ${restricted(200)} at step 200 to ${restricted(1500)} at step 1,500.`,
      `it is ${accuracy(1500, (share) => digits(2)(100 * share))} % at step 1,500, where guessing gets 0.9 %, ` +
      `${accuracy(4600, percent)} % at 4,600 and ${accuracy(6800, percent)} % at 6,800.`,
    ]);
  }));
