/**
 * The optimiser's fields that came later: what clashes, what follows, what a run keeps of them; and the areas and first weights that they
 * are about.
 */
import { assert, assertEquals, assertMatch, assertNotEquals, assertThrows } from "@std/assert";
import { areas } from "../../lib/run/areas.ts";
import { besideAtStart, besideWords, checkBeside } from "../../lib/run/beside.ts";
import { initialise, layout, read } from "../../lib/run/layout.ts";
import { identity, type RunInput, runSpec, shapeKey, specHash } from "../../lib/run/spec.ts";

const optim = (optim: RunInput["optim"] & object) => runSpec({ optim });

Deno.test("optimiser: what one choice doesn't read, or can't do without, is refused in a line that names both fields", () => {
  const cases: [RunInput["optim"] & object, string][] = [
    [{ rule: "signsgd", momentum: 0.9 }, "momentum must be 0 where rule is signsgd (sgd or muon reads it), current value is 0.9"],
    [{ momentum: 0.9 }, "momentum must be 0 where rule is adamw"],
    [{ rule: "muon", momentum: 0 }, "momentum must be above 0 where rule is muon, current value is 0"],
    [{ rule: "muon", muonLr: 0 }, "muonLr must be above 0 where rule is muon, current value is 0"],
    [{ rule: "lion", muonLr: 0.02 }, "muonLr must be 0 where rule is lion (muon reads it), current value is 0.02"],
    [{ gradFilter: "grokfast-ma", filterWindow: 0 }, "filterWindow must be above 0 where gradFilter is grokfast-ma, current value is 0"],
    [{ gradFilter: "grokfast-ema", filterWindow: 5 }, "filterWindow must be 0 where gradFilter is grokfast-ema (grokfast-ma reads it)"],
    [{ gradFilter: "orthogonal", filterLambda: 2 }, "filterLambda must be 0 where gradFilter is orthogonal"],
    [{ filterAlpha: 0.9 }, "filterAlpha must be 0 where gradFilter is none"],
    [{ lrSteps: 100 }, "lrSteps must be 0 where lrSchedule is constant (cosine or linear reads it), current value is 100"],
    [{ lrSchedule: "cosine" }, "lrSteps must be above 0 where lrSchedule is cosine, current value is 0"],
    [
      { lrSchedule: "linear", lrSteps: 50, warmup: 50 },
      "lrSteps must be above warmup (50), where lrSchedule is linear, current value is 50",
    ],
    [{ decayGroups: "none" }, "decayGroups must be some groups or all; weightDecay 0 says that none decay"],
    [{ decayGroups: "norms+biases", decay: "matrices" }, "decayGroups must be such that some group has matrices where decay is matrices"],
    [{ decayGroups: "mlp+attn" }, "decayGroups must be all, none, or some of embed+pos+attn+mlp+norms+unembed+biases in this order"],
    [{ heldNorm: "end" as "start" }, 'heldNorm (where it is not "start") must be 0 or above, current value is "end"'],
    [{ heldNorm: 3, frozen: "pos" }, "heldNorm must be 0 where frozen is pos: it scales all tensors, current value is 3"],
    [{ rowNorm: -1 }, "rowNorm must be 0 or above, current value is -1"],
  ];
  for (const [input, message] of cases) {
    const { message: actual } = assertThrows(() => optim(input), Error, message);
    assertMatch(actual, /^Cannot use this run: [^\n]*$/);
  }
  assertThrows(() => runSpec({ model: { initScale: 0 } }), Error, "initScale must be above 0, current value is 0");
});

Deno.test("optimiser: a choice brings the defaults of what it reads, and a run's identity, read again, is the run", () => {
  const { momentum, muonLr } = optim({ rule: "muon" }).optim;
  assertEquals([momentum, muonLr, optim({ rule: "sgd" }).optim.momentum], [0.95, 0.02, 0]);
  const { filterAlpha, filterLambda } = optim({ gradFilter: "grokfast-ema" }).optim;
  assertEquals([filterAlpha, filterLambda], [0.98, 2]);
  const average = optim({ gradFilter: "grokfast-ma" }).optim;
  assertEquals([average.filterAlpha, average.filterLambda, average.filterWindow], [0, 5, 100]);
  const hashes = new Set([specHash(runSpec())]), shapes = new Set([shapeKey(runSpec())]);
  const choices: (RunInput["optim"] & object)[] = [
    ...[{ rule: "adam" }, { rule: "sgd" }, { rule: "sgd", momentum: 0.9 }, { rule: "signsgd" }, { rule: "lion" }, { rule: "muon" }],
    ...[{ lrSchedule: "cosine", lrSteps: 90 }, { lrSchedule: "linear", lrSteps: 90 }],
    ...[{ gradFilter: "grokfast-ema" }, { gradFilter: "grokfast-ma" }, { gradFilter: "grokfast-ma", filterWindow: 9 }],
    ...[{ gradFilter: "orthogonal" }, { decayGroups: "embed+unembed" }, { heldNorm: "start" }, { heldNorm: 40 }, { rowNorm: 2 }],
  ] as (RunInput["optim"] & object)[];
  for (const choice of choices) {
    const spec = optim(choice);
    assertEquals(runSpec(JSON.parse(identity(spec))), spec);
    hashes.add(specHash(spec));
    shapes.add(shapeKey(spec));
  }
  assertEquals(hashes.size, 1 + choices.length);
  // Momentum, and where the norm is held, are data.
  assertEquals(shapes.size, 1 + choices.length - 2);
});

Deno.test("optimiser: what is kept beside the moments, at the start and checked", () => {
  const P = 12, words = (input: RunInput["optim"] & object) => Object.fromEntries(besideWords(optim(input), P));
  assertEquals([words({}), words({ rule: "muon" }), words({ gradFilter: "orthogonal" })], [{}, {}, {}]);
  assertEquals(words({ gradFilter: "grokfast-ema", heldNorm: 3 }), { filter: P, norm: 4 });
  assertEquals(words({ gradFilter: "grokfast-ma", filterWindow: 7 }), { filter: 8 * P });
  const params = Float32Array.of(3, 4, 0, 12), none = new Float32Array(4);
  assertEquals(besideAtStart(optim({}), params), undefined);
  assertEquals(besideAtStart(optim({ heldNorm: "start" }), params), { norm: Float32Array.of(13, 0, 0, 0) });
  assertEquals(besideAtStart(optim({ heldNorm: 2, gradFilter: "grokfast-ema" }), params), {
    norm: Float32Array.of(2, 0, 0, 0),
    filter: none,
  });
  const spec = optim({ gradFilter: "grokfast-ema" });
  checkBeside({ spec, params, step: 0 });
  checkBeside({ spec, params, step: 3, beside: { filter: none } });
  const cases = [
    [{ spec, params, step: 3 }, "must be 4 floats of filter, current value is nothing"],
    [{ spec, params, step: 3, beside: { filter: new Float32Array(5) } }, "must be 4 floats of filter, current value is 5 floats of filter"],
    [{ spec: optim({}), params, step: 3, beside: { norm: none } }, "must be nothing, current value is 4 floats of norm"],
  ] as const;
  for (const [state, message] of cases) {
    assertThrows(() => checkBeside(state), Error, `Cannot place a run: what its optimiser keeps ${message}`);
  }
});

Deno.test("areas: one for each tensor, with all its elements; together every parameter once", () => {
  for (
    const model of [{ dModel: 8, heads: 2 }, { dModel: 18, heads: 3, dMlp: 10 }, {
      dModel: 3,
      heads: 3,
      dMlp: 1,
      biases: false,
      norm: "none",
    }] as const
  ) {
    const at = layout(runSpec({ model })), found = areas(at), owner = new Int32Array(at.length).fill(-1);
    assertEquals(found.map(({ name }) => name).sort(), at.tensors.map(({ name }) => name).sort());
    for (const [i, { offset, rows, columns, stride }] of found.entries()) {
      for (let row = 0; row < rows; row++) {
        for (let word = offset + row * stride; word < offset + row * stride + columns; word++) {
          assertEquals(owner[word], -1);
          owner[word] = i;
        }
      }
    }
    assert(owner.every((i) => i >= 0));
    for (const tensor of at.tensors) {
      const places = read(tensor, Float32Array.from(owner.keys()));
      assertEquals(new Set([...places].map((word) => found[owner[word]].name)), new Set([tensor.name]));
    }
  }
});

Deno.test("layout: the initial scale multiplies what is drawn of weight matrices and embeddings, and nothing else", () => {
  const model = { dModel: 8, heads: 2, positionInit: "sinusoidal" } as const,
    one = runSpec({ model }),
    four = runSpec({ model: { ...model, initScale: 4 } });
  assertNotEquals(specHash(one), specHash(four));
  assertEquals(shapeKey(one), shapeKey(four));
  const [plain, scaled] = [one, four].map(initialise);
  for (const tensor of layout(one).tensors) {
    const factor = tensor.name.includes("W_") && !tensor.name.endsWith("W_pos") ? 4 : 1;
    assertEquals(read(tensor, scaled), read(tensor, plain).map((x) => factor * x), tensor.name);
  }
});
