/** Changes over a complete setting: what they decide isn't read, or is read, and what keeps its value. */
import { assertEquals, assertThrows } from "@std/assert";
import { over } from "../../lib/run/over.ts";
import { type RunInput, runSpec } from "../../lib/run/spec.ts";

/** The base, changes over it, and the run that comes of them. */
type Case = readonly [RunInput, RunInput, RunInput];

function assertRuns(cases: readonly Case[]): void {
  for (const [base, changes, expected] of cases) {
    const says = JSON.stringify([base, changes]);
    assertEquals(runSpec(over(runSpec(base), changes)), runSpec(expected), says);
    // The file of a recorded run has no seed.
    const { seed: _, ...setting } = runSpec(base);
    assertEquals(runSpec(over(JSON.parse(JSON.stringify(setting)), { ...changes, seed: 3 })), runSpec({ ...expected, seed: 3 }), says);
  }
}
const optim = (optim: RunInput["optim"] & object): RunInput => ({ optim });
const model = (model: RunInput["model"] & object): RunInput => ({ model });
const data = (data: RunInput["data"] & object): RunInput => ({ data });

Deno.test("over: what a change makes read has its default, whatever a complete setting holds there", () =>
  assertRuns([
    [{}, optim({ rule: "muon" }), optim({ rule: "muon", momentum: 0.95, muonLr: 0.02 })],
    [{}, optim({ rule: "muon", momentum: 0.5 }), optim({ rule: "muon", momentum: 0.5, muonLr: 0.02 })],
    [optim({ rule: "sgd" }), optim({ rule: "muon" }), optim({ rule: "muon", momentum: 0.95, muonLr: 0.02 })],
    [{}, optim({ gradFilter: "grokfast-ema" }), optim({ gradFilter: "grokfast-ema", filterAlpha: 0.98, filterLambda: 2 })],
    [{}, optim({ gradFilter: "grokfast-ma" }), optim({ gradFilter: "grokfast-ma", filterLambda: 5, filterWindow: 100 })],
    [{}, optim({ lrSchedule: "cosine", lrSteps: 90 }), optim({ lrSchedule: "cosine", lrSteps: 90 })],
  ]));

Deno.test("over: what a change makes unread is neutral, and so is what hangs on that", () =>
  assertRuns([
    [optim({ rule: "muon" }), optim({ rule: "adamw" }), {}],
    [optim({ gradFilter: "grokfast-ma" }), optim({ gradFilter: "none" }), {}],
    [optim({ lrSchedule: "cosine", lrSteps: 90 }), optim({ lrSchedule: "constant" }), {}],
    [{ preset: "nanda" }, model({ biases: false }), { preset: "nanda", model: { biases: false, biasesIn: "all" } }],
    [{ preset: "nanda" }, model({ init: "linear" }), { preset: "nanda", model: { init: "linear", initSigmas: "none" } }],
    [model({ norm: "pre", normKind: "rms", finalNorm: false }), model({ norm: "none" }), model({ norm: "none" })],
    [model({ normKind: "rms", context: 9 }), model({ mixer: "none" }), model({ mixer: "none", normKind: "layer", context: 2 })],
    [data({ labelNoise: 0.5, noiseLabels: "any" }), data({ operation: "random" }), data({ operation: "random" })],
    [data({ labelNoise: 0.5, noiseLabels: "any" }), data({ labelNoise: 0 }), {}],
    [
      model({ mixer: "none", inputs: "one-hot" }),
      model({ mixer: "attention" }),
      model({ tokens: "a b", norm: "none", mask: "none", pooling: "last", heads: 1 }),
    ],
  ]));

Deno.test("over: what is read before and after keeps its value, also what would follow from a change", () =>
  assertRuns([
    [{}, model({ dModel: 64 }), model({ dModel: 64, dMlp: 512 })],
    [{}, model({ tokens: "a b" }), model({ tokens: "a b", context: 5 })],
    [optim({ rule: "sgd", momentum: 0.9 }), optim({ rule: "muon" }), optim({ rule: "muon", momentum: 0.9, muonLr: 0.02 })],
    [optim({ rule: "muon", muonLr: 0.5 }), optim({ lr: 0.5 }), optim({ rule: "muon", muonLr: 0.5, lr: 0.5 })],
    [
      optim({ gradFilter: "grokfast-ema", filterLambda: 3 }),
      optim({ gradFilter: "grokfast-ma" }),
      optim({ gradFilter: "grokfast-ma", filterLambda: 3, filterWindow: 100 }),
    ],
  ]));

Deno.test("over: a value that a change gives is refused where nothing reads it, and so is a setting that is wrong by itself", () => {
  const cases: [RunInput, RunInput, string][] = [
    [runSpec(optim({ rule: "muon" })), optim({ rule: "adamw", momentum: 0.9 }), "momentum must be 0 where rule is adamw"],
    [runSpec(), optim({ rule: "muon", momentum: 0 }), "momentum must be above 0 where rule is muon, current value is 0"],
    [runSpec(), optim({ lrSchedule: "cosine" }), "lrSteps must be above 0 where lrSchedule is cosine, current value is 0"],
    [runSpec(), model({ mixer: "none", heads: 4 }), "heads must be 1 where mixer is none, current value is 4"],
    [runSpec(model({ tied: true })), model({ mixer: "none" }), "tied must be false where mixer is none, current value is true"],
    [optim({ momentum: 0.9 }), optim({ rule: "lion" }), "momentum must be 0 where rule is lion"],
    [optim({ rule: "muon", momentum: 0 }), optim({ lr: 0.5 }), "momentum must be above 0 where rule is muon"],
  ];
  for (const [base, changes, says] of cases) assertThrows(() => runSpec(over(base, changes)), Error, `Cannot use this run: ${says}`);
});

Deno.test("over: changes stand over those before them", () => {
  const complete = runSpec(), rule = (...changes: RunInput[]) => runSpec(over(runSpec(optim({ rule: "sgd", momentum: 0.9 })), ...changes));
  // The second of them has no momentum, so that the third doesn't get that of the first.
  assertEquals(rule(complete, optim({ rule: "muon" })).optim.momentum, 0.95);
  assertEquals(rule(optim({ lr: 0.5 }), optim({ rule: "muon" })).optim.momentum, 0.9);
});
