/** The attention log without a GPU: which pairs, what is reduced of constructed patterns, which readings are kept, and their file. */
import { assert, assertAlmostEquals, assertEquals, assertNotEquals, assertRejects, assertThrows } from "@std/assert";
import { attentionProbe, type AttentionReading, keeper, type KeepOptions, probeSizes, summarise } from "../../lib/run/attention.ts";
import { attentionFile, loadAttention, saveAttention } from "../../lib/train/attention_file.ts";
import type { Accuracies } from "../../lib/run/grokking.ts";
import { dataset, type OperationName } from "../../lib/run/operations.ts";
import { type RunInput, runSpec } from "../../lib/run/spec.ts";
import { train } from "../../lib/train/train.ts";
import type { Engine, Evaluation, Watched } from "../../lib/engine/engine.ts";
import { fakeEngine } from "../fake_engine.ts";

/** Rounding to f32 of a sum in double precision. */
const SINGLE = 1e-7;

const small = (seed: number, input: RunInput = {}) =>
  runSpec({
    ...input,
    model: { layers: 1, dModel: 4, heads: 2, ...input.model },
    data: { prime: 11, ...input.data },
    schedule: { steps: 400, evalEvery: 10, ...input.schedule },
    seed,
  });

Deno.test("attention: the probe set is drawn from all pairs by the seed, whatever the train fraction, and a larger one begins with a smaller", () => {
  const at = (seed: number, trainFraction = 0.5, pairs = 40) => attentionProbe(small(seed, { data: { trainFraction } }), { pairs });
  const { a, b, trains, full } = at(1);
  assertEquals([a.length, b.length, trains.length, full], [40, 40, 40, 8]);
  assertEquals(new Set(Array.from(a, (a, i) => a * 11 + b[i])).size, 40);
  assertEquals(at(1), at(1));
  assertNotEquals(at(1).a, at(2).a);
  const other = at(1, 0.3);
  assertEquals([other.a, other.b], [a, b]);
  assertNotEquals(other.trains, trains);
  assertEquals(at(1, 0.5, 15).a, a.slice(0, 15));

  const data = dataset(small(1).data, 1), trained = new Set(Array.from(data.a.slice(0, data.trainCount), (a, i) => a * 11 + data.b[i]));
  assertEquals(trains, Array.from(a, (a, i) => trained.has(a * 11 + b[i])));
});

Deno.test("attention: where there are fewer pairs, the probe set is all of them", () => {
  const spec = small(3, { data: { operation: "x_div_y" as OperationName, prime: 5 } });
  const { a, b, full } = attentionProbe(spec, { full: 30 });
  assertEquals([a.length, full], [20, 20]);
  assertEquals(new Set(Array.from(a, (a, i) => a * 5 + b[i])).size, 20);
  assert(b.every((b) => b > 0));
  assertEquals(probeSizes({}), { N: 64, S: 8 });
  assertThrows(() => probeSizes({ pairs: 0 }), Error, "Cannot watch attention: pairs must be a whole number from 1, current value is 0");
  assertThrows(() => probeSizes({ full: 1.5 }), Error, "full must be a whole number from 0, current value is 1.5");
});

Deno.test("attention: mean, variance and entropy of patterns with known answers, heads apart", () => {
  const spec = runSpec({ model: { layers: 1, dModel: 4, heads: 2, tokens: "a b", mask: "none" }, data: { prime: 5 } });
  // Head 0 looks at one key, another in every other pair; head 1 spreads evenly, or a quarter to three quarters.
  const one = [1, 0, 0, 1, /* head 1 */ 0.5, 0.5, 0.25, 0.75], other = [0, 1, 0, 1, 0.5, 0.5, 0.25, 0.75];
  const { mean, variance, entropy, examples } = summarise(spec, Float32Array.from([...one, ...other, ...one, ...other]), 3);
  assertEquals([...mean], [0.5, 0.5, 0, 1, 0.5, 0.5, 0.25, 0.75]);
  assertEquals([...variance], [0.25, 0.25, 0, 0, 0, 0, 0, 0]);
  [0, 0, Math.LN2, Math.log(4) - 0.75 * Math.log(3)].forEach((expected, i) => assertAlmostEquals(entropy[i], expected, SINGLE));
  assertEquals([...examples], [...one, ...other, ...one]);
});

const evaluations = (steps: readonly number[], accuracy: (step: number) => number | [number, number]): Accuracies[] =>
  steps.map((step) => {
    const at = accuracy(step), [trainAcc, valAcc] = typeof at === "number" ? [at, at] : at;
    return { step, trainAcc, valAcc };
  });
const every = (n: number, until: number) => Array.from({ length: until / n + 1 }, (_, i) => i * n);
const kept = (metrics: readonly Accuracies[], options?: KeepOptions) => metrics.filter(keeper(options)).map(({ step }) => step);

Deno.test("keeper: where nothing moves, the first evaluation and the first beyond each mark of a logarithmic schedule", () => {
  const flat = evaluations(every(1, 1000), () => 0.5);
  assertEquals(kept(flat, { perDecade: 2 }), [0, 1, 4, 10, 32, 100, 317, 1000]);
  assertEquals(kept(evaluations(every(10, 1000), () => 0.5), { perDecade: 2 }), [0, 10, 40, 100, 320, 1000]);
  // As many a decade as were asked for.
  const steps = kept(evaluations(every(1, 100_000), () => 0.5));
  for (const decade of [1e2, 1e3, 1e4]) assertEquals(steps.filter((step) => step >= decade && step < 10 * decade).length, 24);
  assertEquals(kept([]), []);
});

Deno.test("keeper: a move of either accuracy since the last reading kept, not since the last evaluation", () => {
  const sparse = { perDecade: 0.01, move: 0.02 };
  // Train accuracy creeps: 0.006 an evaluation exceeds 0.02 at every fourth.
  const creeping = evaluations(every(10, 120), (step) => [0.0006 * step, 0.5]);
  assertEquals(kept(creeping, sparse), [0, 10, 50, 90]); // 10: the mark of 1
  const jump = evaluations(every(10, 100), (step) => [1, step < 50 ? 0.5 : step < 60 ? 0.7 : 1]);
  assertEquals(kept(jump, sparse), [0, 10, 50, 60]);
  const dip = evaluations(every(10, 100), (step) => [1, step === 50 ? 0.9 : 1]);
  assertEquals(kept(dip, sparse), [0, 10, 50, 60]);
  assertEquals(kept(dip, { ...sparse, move: 0.2 }), [0, 10]);
  assertThrows(() => keeper({ perDecade: 0 }), Error, "Cannot choose readings: perDecade must be above 0, current value is 0");
  assertThrows(() => keeper({ move: NaN }), Error, "move must be 0 or above, current value is NaN");
});

Deno.test("keeper: taken up after any of its evaluations it keeps what it would have kept", () => {
  const metrics = evaluations(every(10, 2000), (step) => [Math.min(1, step / 300), 1 / (1 + Math.exp((1200 - step) / 60))]);
  const whole = kept(metrics);
  for (let cut = 0; cut <= metrics.length; cut += 7) {
    const rest = metrics.slice(cut).filter(keeper({}, metrics.slice(0, cut))).map(({ step }) => step);
    assertEquals(rest, whole.filter((step) => step >= 10 * cut));
  }
});

/** An engine whose evaluations bring readings that name their run and step. */
function watching(engine: Engine, seen: (Watched | undefined)[] = []): Engine {
  const reading = ({ metrics, row }: Evaluation, seed: number): Evaluation => {
    const values = Float32Array.of(seed, metrics.step);
    const probe = { a: new Uint32Array(), b: new Uint32Array(), trains: [], full: 0 };
    return { row, metrics, attention: { step: metrics.step, probe, mean: values, variance: values, entropy: values, examples: values } };
  };
  return {
    ...engine,
    open: async (runs, watched) => {
      seen.push(watched);
      const trainer = await engine.open(runs), advance = trainer.advance.bind(trainer), evaluate = trainer.evaluate.bind(trainer);
      const seedOf = ({ row }: Evaluation) => trainer.rows[row]!.seed;
      trainer.advance = async function* (updates) {
        for await (const all of advance(updates)) yield all.map((each) => reading(each, seedOf(each)));
      };
      trainer.evaluate = async () => (await evaluate()).map((each) => reading(each, seedOf(each)));
      return trainer;
    },
  };
}

const groksAt = ({ seed }: { seed: number }) => 100 + 30 * seed;

Deno.test("train: kept readings come with the news, whoever trains beside and wherever it stops", async () => {
  const specs = [0, 1, 2].map((seed) => small(seed, { schedule: { steps: 395 } })), attention = { pairs: 5, perDecade: 6 };
  const seen: Watched[] = [];
  const collect = async (options: Partial<Parameters<typeof train>[1]>, engine = fakeEngine({ groksAt })) => {
    const found = specs.map((): AttentionReading[] => []);
    const runs = await train(specs, {
      engine: watching(engine, seen as (Watched | undefined)[]),
      attention,
      ...options,
      onProgress: (news) => {
        for (const { run, attention } of news) if (attention) found[run.index].push(attention);
      },
    });
    return { runs, found };
  };
  const { runs, found } = await collect({});
  assertEquals(seen[0].attention, attention);
  for (const { spec, metrics, index } of runs) {
    assertEquals(found[index].map(({ step }) => step), kept(metrics, attention));
    assertEquals(found[index].map(({ mean }) => mean[0]), found[index].map(() => spec.seed));
    assert(found[index].some(({ step }) => step === groksAt(spec)));
    assert(found[index].length < metrics.length / 2);
  }
  assertEquals((await collect({}, fakeEngine({ groksAt, fit: 1 }))).found, found);

  // Stopped after some time, then taken up again.
  for (const after of [3, 9, 24]) {
    const controller = new AbortController();
    let updates = 0;
    const first = await collect(
      { signal: controller.signal },
      fakeEngine({ groksAt, onUpdate: () => ++updates > after * 10 && controller.abort() }),
    );
    assert(first.runs.every(({ status, step }) => status === "stopped" && step > 0));
    const begin = (_: unknown, index: number) => ({ from: first.runs[index].snapshot!, history: first.runs[index].metrics });
    const second = await collect({ begin });
    assertEquals(first.found.map((before, i) => [...before, ...second.found[i]]), found);
  }
});

Deno.test("train: without attention asked for, none comes; a last evaluation at the end of a resumed run is news too", async () => {
  const spec = small(1);
  let count = 0;
  const onProgress = (news: readonly object[]) => void (count += news.filter((each) => "attention" in each).length);
  const [run] = await train([spec], { engine: watching(fakeEngine({ groksAt })), onProgress });
  assertEquals([count, run.metrics.length], [0, 41]);
  const steps: number[] = [];
  await train([spec], {
    engine: watching(fakeEngine({ groksAt })),
    attention: {},
    begin: () => ({ from: run.snapshot!, history: [] }),
    onProgress: (news) => void steps.push(...news.flatMap(({ attention }) => attention ? [attention.step] : [])),
  });
  assertEquals(steps, [400]);
  await assertRejects(() => train([spec], { engine: fakeEngine(), attention: { move: -1 } }), Error, "move must be 0 or above");
});

Deno.test("attention: a log is read back bit for bit, by the documented layout", async () => {
  const folder = await Deno.makeTempDir();
  try {
    for (const full of [2, 0]) {
      const spec = runSpec({ model: { layers: 3, dModel: 4, heads: 2, tokens: "a b =" }, data: { prime: 7 } });
      const probe = attentionProbe(spec, { pairs: 5, full }), path = `${folder}/made/log-${full}.safetensors`;
      const values = (n: number, from: number) => Float32Array.from({ length: n }, (_, i) => Math.fround((from + i) / 7));
      const readings = [0, 10, 123_456_789].map((step, i): AttentionReading => {
        const sizes = { mean: values(54, i), variance: values(54, -i), entropy: values(18, i + 0.5), examples: values(full * 54, 2 * i) };
        return { step, probe, ...sizes };
      });
      await saveAttention(path, { spec, readings });
      assertEquals(await loadAttention(path), { spec, readings });

      const file = await Deno.readFile(path), end = 8 + Number(new DataView(file.buffer).getBigUint64(0, true));
      const header = JSON.parse(new TextDecoder().decode(file.subarray(8, end)));
      const { dtype, shape, data_offsets: [from, to] } = header.mean;
      assertEquals([dtype, shape], ["F32", [3, 3, 2, 3, 3]]);
      assertEquals(new Float32Array(file.slice(end + from, end + to).buffer).slice(54, 108), readings[1].mean);
      assertEquals([header.examples.shape, header.entropy.shape], [[3, full, 3, 2, 3, 3], [3, 3, 2, 3]]);
      assertEquals([header.steps, header.pairs, header.trains].map(({ dtype, shape }) => [dtype, shape]), [
        ["I32", [3]],
        ["I32", [5, 2]],
        ["I32", [5]],
      ]);
      assertEquals(runSpec(JSON.parse(header.__metadata__.spec)), spec);

      const stranger = { ...readings[1], probe: attentionProbe({ ...spec, seed: 1 }, { pairs: 5, full }) };
      assertThrows(() => attentionFile({ spec, readings: [readings[0], stranger] }), Error, "that of step 10 is another");
      assertThrows(() => attentionFile({ spec, readings: [] }), Error, "must have at least one reading");
      // One layer fewer in the spec than in the tensors.
      const layers = 'layers\\":', at = 8 + new TextDecoder().decode(file.subarray(8, end)).indexOf(layers) + layers.length;
      assertEquals(file[at], "3".charCodeAt(0));
      file[at]--;
      await Deno.writeFile(path, file);
      await assertRejects(() => loadAttention(path), Error, "mean must be F32 [3,2,2,3,3], current value is F32 [3,3,2,3,3]");
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
