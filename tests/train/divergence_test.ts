/** What a loss that isn't a number is put down to. */
import { assertEquals, assertMatch } from "@std/assert";
import { initialise, layout, write } from "../../lib/run/layout.ts";
import { type RunInput, runSpec } from "../../lib/run/spec.ts";
import { takeOver } from "../../lib/run/take.ts";
import { faultOf, suspect } from "../../lib/train/divergence.ts";
import { train } from "../../lib/train/train.ts";
import { fakeEngine } from "../fake_engine.ts";

const tiny = (more: RunInput = {}) =>
  runSpec({ preset: "one-layer", model: { dModel: 4, heads: 1, dMlp: 4, ...more.model }, data: { prime: 5 }, optim: more.optim ?? {} });
const first = {
  step: 0,
  trainLoss: 1.6,
  trainAcc: 0,
  valLoss: 1.6,
  valAcc: 0,
  weightNorm: 1,
  gradNorm: 0,
  batchLoss: NaN,
  batchAcc: NaN,
  noisyAcc: NaN,
};

Deno.test("the suspect is the weights given, the spread of the initial ones, decay or the learning rate", () => {
  const of = (optim: RunInput["optim"], more: object = {}) => suspect({ spec: tiny({ optim: optim! }), step: 100, first, ...more });
  assertMatch(of({ lr: 3 }), /^the learning rate is 3; a smaller one may help$/);
  assertMatch(of({ lr: 0.001, weightDecay: 1e4 }), /^weight decay 10000 times the learning rate 0\.001 is more than 2, .* a smaller decay/);
  assertMatch(of({ heldNorm: 1e30 }), /^the norm of all weights is held at 1e\+30 and was 1\.00 at first; a smaller one may help$/);
  assertMatch(of({ heldNorm: 2, rowNorm: 1e-30 }), /^rowNorm 1e-30 leaves no weights whose norm could be held at 2$/);
  assertMatch(
    of({ heldNorm: 1 }, { first: { ...first, weightNorm: 0 } }),
    /^all weights begin at 0, so that their norm can't be held at 1$/,
  );
  assertMatch(of({ heldNorm: "start" }), /^the learning rate is 0\.001/);
  // A learning rate that is itself too large is the nearer cause.
  assertMatch(of({ lr: 100, weightDecay: 1 }), /^the learning rate is 100/);
  assertMatch(of({}, { step: 0 }), /^the initial weights are drawn with initSigma [\d.]+; a smaller one may help$/);
  assertMatch(of({}, { first: { ...first, trainLoss: 1e6 } }), /^the initial weights are drawn with initSigma/);
  assertMatch(suspect({ spec: tiny({ model: { init: "pytorch", positionSigma: 1e30 } }), step: 0 }), /positionSigma 1e\+30/);
  assertMatch(of({}, { step: 0, given: { fault: null } }), /^the weights that it began with are too large/);
});

Deno.test("no setting is suspected that has nothing to do with the initial weights or the learning rate that is the larger", () => {
  const of = (model: RunInput["model"], optim: RunInput["optim"] = {}, more: object = {}) =>
    suspect({ spec: tiny({ model: model!, optim: optim! }), step: 0, ...more });
  const scale = /^the initial weights are multiplied by initScale 1e\+30; a smaller one may help$/, initScale = 1e30;
  for (const init of ["pytorch", "linear", "normal"] as const) assertMatch(of({ init, initScale }), scale);
  assertMatch(of({ init: "pytorch", mixer: "none", initScale }), scale);
  assertMatch(of({ init: "pytorch", mixer: "none" }), /^the initial weights are too large for this model; an initScale below 1 may help$/);
  assertMatch(of({ init: "pytorch", positionInit: "sinusoidal" }), /^the initial weights are too large for this model/);
  assertMatch(
    of({ init: "normal", initSigmas: "embed=100000000000000000000" }),
    /^the initial weights are drawn with initSigmas embed=10{20}; smaller/,
  );
  const cold = { temperature: 1.2e-38 }, temperature = /^the logits are divided by temperature 1\.2e-38; a larger one may help$/;
  assertMatch(of({ initScale: 100 }, cold), temperature);
  assertMatch(of({}, cold, { given: { fault: null } }), temperature);
  assertMatch(of({}, { temperature: 0.5 }, { given: { fault: null } }), /^the weights that it began with are too large/);
  // Each setting is compared with what is usual for it: 1 for a factor or a temperature, 1/√dModel for a σ.
  const wide = (model: RunInput["model"], optim: RunInput["optim"] = {}) => of({ dModel: 128, init: "normal", ...model }, optim);
  assertMatch(wide({ initSigma: 1, initScale: 1.0001 }), /^the initial weights are drawn with initSigma 1;/);
  assertMatch(wide({ initSigma: 0.9 }, { temperature: 0.99 }), /^the initial weights are drawn with initSigma 0\.9;/);
  assertMatch(wide({ initSigmas: "embed=0.9", initScale: 1.0001 }), /^the initial weights are drawn with initSigmas embed=0\.9;/);
  assertMatch(wide({ initScale: 1.5 }), /^the initial weights are multiplied by initScale 1\.5;/);
  assertMatch(wide({}, { temperature: 0.5 }), /^the logits are divided by temperature 0\.5;/);
  const muon = (optim: object) => of({}, { rule: "muon", ...optim }, { step: 100, first });
  assertMatch(muon({ muonLr: 1e30 }), /^muonLr is 1e\+30; a smaller one may help$/);
  assertMatch(muon({ lr: 3 }), /^the learning rate is 3; a smaller one may help$/);
  assertMatch(muon({ weightDecay: 1e4 }), /^weight decay 10000 times muonLr 0\.02 is more than 2, /);
  const spec = tiny(), taken = takeOver({ spec, step: 5, params: initialise(spec).map((x) => 1e30 * x) }, ["embed"]);
  assertMatch(of({ taken }), /^the tensors taken over from run [0-9a-f]{16}@5 \(embed\) may be too large$/);
});

Deno.test("weights given that hold what is no finite number are named, in the run's error too", async () => {
  const spec = tiny(), params = initialise(spec), W_E = layout(spec).tensors.find(({ name }) => name === "embed.W_E")!;
  assertEquals(faultOf(spec, params), null);
  write(W_E, params, Float32Array.from({ length: W_E.dims.reduce((a, b) => a * b) }, (_, i) => i === 7 ? NaN : 0));
  assertEquals(faultOf(spec, params), "the weights that it began with hold NaN in embed.W_E");
  const [run] = await train([spec], { engine: fakeEngine({ breaksAt: () => 0 }), begin: () => ({ from: params }) });
  assertMatch(run.error!, /the train loss at step 0 must be a finite number, .*\(the weights that it began with hold NaN in embed\.W_E\)$/);
});
