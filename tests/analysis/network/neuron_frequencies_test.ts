/** Key frequencies by the neurons, beside those by the logits: by hand, and in the recorded network where the rules differ. */
import { assert, assertEquals } from "@std/assert";
import { neuronFrequencies, ownFrequencies } from "../../../lib/analysis/network/pairs.ts";
import { progressFigure } from "../../../lib/figures/progress.ts";
import { representationFigure } from "../../../lib/figures/representations.ts";
import { byNeurons, probe } from "../../../lib/lab/probe.ts";
import { REPRESENTATIONS } from "../../../lib/studies/representations/mod.ts";
import { specHash } from "../../../lib/run/spec.ts";
import { loadWeights } from "../../../lib/train/weights.ts";

Deno.test("every frequency that explains most of some neuron, those of the most neurons first; what doesn't vary has none", () => {
  const p = 11, wave = (k: number, x: number) => Math.cos(2 * Math.PI * k * x / p);
  // Neurons, each with another wave that is weaker; the last two don't vary.
  const neurons = [5, 2, 2, 4, 2, 4].map((k) => (a: number, b: number) => 1 + 2 * wave(k, a) + wave(k, a) * wave(k, b) + 0.5 * wave(1, b));
  const all = [...neurons, () => 3, () => 0],
    values = Float32Array.from({ length: p * p * all.length }, (_, at) => {
      const pair = Math.floor(at / all.length);
      return all[at % all.length](Math.floor(pair / p), pair % p);
    });
  assertEquals([...ownFrequencies(values, p).frequency], [5, 2, 2, 4, 2, 4, 0, 0]);
  assertEquals(neuronFrequencies(ownFrequencies(values, p)), [2, 4, 5]);
  assertEquals(neuronFrequencies({ frequency: Uint16Array.of(7, 3, 0) }), [3, 7]);
});

/**
 * Seed 5 groks with three frequencies, of which the weakest holds 1.8 % of its logits: less than the 5 % that the rule over the logits
 * leaves out. 4 of its 64 neurons follow it, and with it the loss of the circles alone is a hundred-thousandth.
 */
Deno.test("the recorded seed 5: two frequencies by the logits, three by the neurons, and only these are the network", async () => {
  const spec = REPRESENTATIONS.runs.find(({ seed, optim }) => seed === 5 && optim.weightDecay === 1)!;
  const folder = new URL("../../../data/recorded/representations/weights/", import.meta.url);
  const file = [...Deno.readDirSync(folder)].map(({ name }) => name).find((name) => name.startsWith(`${specHash(spec)}-1500.`))!;
  const params = await loadWeights(new URL(file, folder).pathname, spec), found = await probe(spec, [{ step: 1500, params }]);
  const [{ restricted, excluded, logits, byNeurons: neurons, whole }] = found.readings;
  assertEquals([found.keys, found.neuronKeys], [[5, 14], [5, 14, 7]]);
  assert(logits[6] > 0.01 && logits[6] < 0.03);
  assert(restricted.loss > 100 * whole.valLoss && neurons.restricted.loss < whole.valLoss && neurons.restricted.acc > 0.999);
  assert(excluded.trainLoss < neurons.excluded.trainLoss && neurons.excluded.trainAcc < 0.03);

  const paper = byNeurons(found), curve = { metrics: [], memorisationStep: 100, grokkingStep: 580 };
  assertEquals([paper.keys, paper.readings[0].restricted, paper.rule], [[5, 14, 7], neurons.restricted, "neurons"]);
  assert(progressFigure([{ ...paper, ...curve }]).svg.includes("neurons at the run"));
  assert(representationFigure(paper).svg.includes("key frequencies of the neurons in colour"));
  assert(!representationFigure(found).svg.includes("of the neurons in colour"));
});
