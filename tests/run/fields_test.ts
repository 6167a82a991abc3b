/** The table of fields: what follows from it for a field that came later, and that no value gets in which its field can't have. */
import { DatabaseSync } from "node:sqlite";
import { assert, assertEquals, assertMatch, assertNotEquals, assertThrows } from "@std/assert";
import { HYPER, laterNumbers } from "../../lib/engine/hyper.ts";
import { columnsOf, migrate, missingColumns } from "../../lib/lab/schema.ts";
import { checked } from "../../lib/run/check.ts";
import { columnOf, ENTRIES, entriesOf, FIELDS, flagOf, later, PART_ENTRIES, type RunSpec, SEED, valueAt } from "../../lib/run/fields.ts";
import { grid, MOST_RUNS } from "../../lib/run/grid.ts";
import { type RunInput, runInputSchema } from "../../lib/run/input.ts";
import { flag, NOT_NEGATIVE, single, word } from "../../lib/run/kinds.ts";
import { identity, identityBy, PRESETS, runFrom, runSpec, shapeBy, shapeKey, sizes, specHash } from "../../lib/run/spec.ts";

/** Today's table with three more fields: one of the shape, one of the optimiser, and a flag. */
const MORE = entriesOf({
  ...FIELDS,
  model: {
    ...FIELDS.model,
    position: later(word("learned", "rotary"), "learned", { help: "how positions are told apart", shape: (kind) => `${kind} positions` }),
    gated: later(flag(), false, { help: "whether the feed-forward part is gated", shape: () => "gated" }),
  },
  optim: { ...FIELDS.optim, weightNoise: later(single(NOT_NEGATIVE), 0, { help: "σ of noise on the weights" }) },
});
const INPUT = runInputSchema(MORE);
const newer = (input: object) => runFrom(checked(INPUT, input, "Cannot use this run") as RunInput, MORE);

Deno.test("fields: one that came later changes no hash and no shape where it holds its neutral value", () => {
  for (const preset of Object.keys(PRESETS)) {
    const old = runSpec({ preset } as RunInput), spec = newer({ preset });
    assertEquals((spec.model as object as { position: string }).position, "learned");
    assertEquals([identityBy(spec, MORE), shapeBy(spec, MORE)], [identity(old), shapeKey(old)]);
    assertEquals(newer(JSON.parse(identity(old))).model, newer(JSON.parse(identityBy(newer(JSON.parse(identity(old))), MORE))).model);
  }
  const plain = newer({});
  for (const input of [{ model: { position: "rotary" } }, { model: { gated: true } }]) {
    const other = newer(input);
    assertNotEquals(identityBy(other, MORE), identityBy(plain, MORE));
    assertNotEquals(shapeBy(other, MORE), shapeBy(plain, MORE));
    assertEquals(newer(JSON.parse(identityBy(other, MORE))), { ...other, schedule: plain.schedule });
  }
  assertMatch(shapeBy(newer({ model: { position: "rotary" } }), MORE), / context 5 rotary positions B512 C97$/);
  const noisy = newer({ optim: { weightNoise: 0.1 } });
  assertEquals(shapeBy(noisy, MORE), shapeBy(plain, MORE));
  assertMatch(identityBy(noisy, MORE), /"warmup":50,"weightDecay":0.5,"weightNoise":0.1}/);
  assertThrows(() => newer({ model: { gated: 1 } }), Error, "gated must be true or false, current value is 1");
  assertThrows(() => runSpec({ model: { gated: true } } as RunInput), Error, "a field of model must be one of layers");
});

Deno.test("fields: kernels read the optimiser's fields that came later, all but those of the shape", () => {
  const more = entriesOf({
    ...FIELDS,
    optim: {
      ...FIELDS.optim,
      weightNoise: later(single(NOT_NEGATIVE), 0, { help: "σ of noise on the weights" }),
      nesterov: later(flag(), false, { help: "whether momentum looks ahead" }),
      clip: later(word("none", "norm"), "none", { help: "how gradients are clipped" }),
      order: later(word("first", "second"), "first", { help: "of the method", shape: (order) => order }),
    },
  });
  const spec = runFrom({ optim: { weightNoise: 0.5, nesterov: true, clip: "norm" } } as RunInput, more), size = sizes(spec);
  assertEquals(laterNumbers(more).slice(-3).map(({ name, type, of }) => [name, type, of(spec, size)]), [
    ["weight_noise", "f32", 0.5],
    ["nesterov", "u32", 1],
    ["clip", "u32", 1],
  ]);
  assertEquals(HYPER.map(({ name }) => name).slice(0, 2), ["lr", "weight_decay"]);
});

Deno.test("fields: no column of a field has the name of one of another table, beside which queries would take one for the other", () => {
  const db = new DatabaseSync(":memory:");
  migrate(db);
  const tables = db.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name <> 'runs'").all();
  const others = tables.flatMap(({ name }) => db.prepare(`PRAGMA table_xinfo(${name})`).all().map((column) => column.name));
  assert(others.includes("grokking_step"));
  assertEquals(columnsOf(ENTRIES).map(({ name }) => name).filter((name) => others.includes(name)), []);
});

Deno.test("fields: a lab that was made before a field gets its column, with the neutral value for the runs that it has", () => {
  const db = new DatabaseSync(":memory:"), columns = columnsOf([...MORE, ...ENTRIES.filter(({ part }) => part === null)]);
  migrate(db, { columns: columnsOf(ENTRIES) });
  const enter = (spec: RunSpec) =>
    db.prepare("INSERT INTO runs (hash, spec, parameters, shape) VALUES (?, ?, 1, 's')").run(
      specHash(spec) + MORE.length,
      identityBy(spec, MORE),
    );
  enter(newer({ seed: 1 }));
  assertEquals(missingColumns(db, columns).length, 3);
  migrate(db, { columns });
  assertEquals(missingColumns(db, columns), []);
  enter(newer({ seed: 2, model: { position: "rotary", gated: true }, optim: { weightNoise: 0.5 } }));
  const rows = db.prepare("SELECT seed, position, gated, weight_noise FROM runs ORDER BY seed").all().map((row) => ({ ...row }));
  assertEquals(rows, [
    { seed: 1, position: "learned", gated: 0, weight_noise: 0 },
    { seed: 2, position: "rotary", gated: 1, weight_noise: 0.5 },
  ]);
  assertEquals(db.prepare("SELECT count(*) AS n FROM run_summary").get()?.n, 0);
  migrate(db, { columns });
  db.close();
});

Deno.test("fields: flags and columns have names of their own, and every preset holds what its fields take", () => {
  for (const nameOf of [flagOf, columnOf]) assertEquals(new Set(ENTRIES.map(nameOf)).size, ENTRIES.length);
  for (const spec of Object.values(PRESETS)) {
    for (const entry of ENTRIES) assertEquals(entry.field.kind.refuse(valueAt(spec, entry)), undefined, entry.path);
    assertEquals(Object.keys(spec), [...Object.keys(FIELDS), "seed"]);
  }
  // A stored run has no preset, and fields that came later are left out of it where they are neutral: the default must be neutral in them.
  for (const entry of PART_ENTRIES) {
    if (entry.field.neutral !== undefined) assertEquals(valueAt(PRESETS["ai-scientist"], entry), entry.field.neutral, entry.path);
  }
  assert(SEED.kind.refuse(2 ** 32));
});

/** Nothing that a field could be mistaken to have. */
const STRANGE: readonly unknown[] = [
  null,
  undefined,
  NaN,
  Infinity,
  -Infinity,
  [],
  [1],
  {},
  { valueOf: () => 1 },
  new Set([1, 2]),
  new Float32Array(1),
  () => 1,
  5n,
  "",
  "1e",
  "toString",
];

Deno.test("fields: no field takes a list, a set, an object, or what isn't a number; neither do parts, runs and grids", () => {
  for (const { part, name, path } of ENTRIES) {
    for (const value of STRANGE) {
      const input = part === null ? { [name]: value } : { [part]: { [name]: value } };
      const { message } = assertThrows(() => runSpec(input as RunInput), Error);
      assertMatch(message, new RegExp(`^Cannot use this run: ${name}.* must be .*, current value is [^\n]+$`), path);
      if (Array.isArray(value)) continue;
      const { message: listed } = assertThrows(() => grid(input as RunInput), Error);
      assertMatch(listed, new RegExp(`^Cannot use this run: ${name}.* must be .*, current value is [^\n]+$`), path);
      const list = part === null ? { [name]: [value] } : { [part]: { [name]: [value] } };
      assertThrows(() => grid(list as unknown as RunInput), Error, `Cannot use this run: ${name}`);
    }
    // Nor a list of one value that it takes, whose text is that value's.
    const one = [valueAt(PRESETS["one-layer"], { part, name })];
    const within = (value: unknown) => (part === null ? { [name]: value } : { [part]: { [name]: value } }) as unknown as RunInput;
    assertThrows(() => runSpec(within(one)), Error, `Cannot use this run: ${name}`);
    assertThrows(() => grid(within([one])), Error, `Cannot use this run: ${name}`);
  }
  for (const part of Object.keys(FIELDS)) {
    for (const value of [5, null, [], "x", new Set([1]), undefined, Object.create({ layers: 1 })]) {
      assertThrows(() => runSpec({ [part]: value }), Error, `${part} must be an object with fields among`);
      assertThrows(() => grid({ [part]: value }), Error, `${part} must be an object with fields among`);
    }
    for (const name of ["toString", "constructor", "hasOwnProperty", "x"]) {
      const says = `a field of ${part} must be one of`;
      assertThrows(() => runSpec({ [part]: { [name]: 1 } }), Error, says);
      assertThrows(() => runSpec(JSON.parse(`{"${part}": {"__proto__": {"layers": 1}}}`)), Error, says);
      assertThrows(() => grid({ [part]: { [name]: [1] } }), Error, says);
    }
  }
  for (const value of [5, null, [], [5], "one-layer", new Map(), new Set([{}])]) {
    assertThrows(() => runSpec(value as RunInput), Error, "Cannot use this run: it must be an object");
    assertThrows(() => grid(value as RunInput), Error, "Cannot use this grid: it must be an object");
  }
  for (const preset of [["one-layer"], "toString", "__proto__", 1, {}, null]) {
    assertThrows(
      () => runSpec({ preset } as unknown as RunInput),
      Error,
      "preset must be one of ai-scientist, boundaries, tiny-live, one-layer, nanda, tl-demo, power",
    );
  }
  assertThrows(
    () => runSpec({ toString: 1 } as RunInput),
    Error,
    'a field of run must be one of model, data, optim, schedule, seed, preset, current value is "toString"',
  );
});

Deno.test("fields: what engines hold as fp32 must be what it was meant to be as such", () => {
  const singles = ["lr", "weightDecay", "beta1", "beta2", "eps"].map((name) => ["optim", name])
    .concat(["initSigma", "positionSigma"].map((name) => ["model", name]));
  for (const [part, name] of singles) {
    const use = (value: number) => runSpec({ [part]: { [name]: value } });
    assertThrows(() => use(1e-50), Error, `${name} must be`);
    assertThrows(() => use(1e-39), Error, "at least 1.18e-38 (smaller fp32 numbers may become 0), current value is 1e-39");
    assertThrows(() => use(1e39), Error, `${name} must be`);
    use(2e-38);
  }
  assertThrows(
    () => runSpec({ optim: { lr: 1e39 } }),
    Error,
    "lr must be 0 or above as the fp32 number that it becomes, which is Infinity",
  );
  assertThrows(
    () => runSpec({ optim: { beta2: 0.99999999 } }),
    Error,
    "at least 0 and below 1 as the fp32 number that it becomes, which is 1",
  );
  assertEquals(runSpec({ optim: { lr: 0, weightDecay: 0, beta1: 0, beta2: 0.9999999 } }).optim.beta2, 0.9999999);
});

Deno.test("grid: combinations are counted before they are made, and runs share their parts", () => {
  const hundred = Array.from({ length: 100 }, (_, i) => i + 1);
  const optim = { lr: hundred, warmup: hundred, weightDecay: hundred, beta1: hundred.map((i) => i / 200) };
  const { lr, warmup } = optim, many = { optim: { lr, warmup }, seed: hundred };
  // First a number that would be made in seconds, so that the test fails where nothing counts.
  assertThrows(() => grid(many, { seed: 7 }), Error, "current value is 1,000,001");
  assertThrows(
    () => grid({ optim, schedule: { steps: hundred, evalEvery: hundred }, seed: hundred }),
    Error,
    "Cannot use this grid: it must have at most 1,000,000 combinations, current value is 100,000,000,000,000",
  );
  const runs = grid({ ...many, optim: { lr } });
  assertEquals([runs.length, new Set(runs.map(({ model }) => model)).size, new Set(runs.map(({ optim }) => optim)).size], [10_000, 1, 100]);
  assertEquals(MOST_RUNS, 1_000_000);
  assertEquals(grid({ preset: ["one-layer", "boundaries"], seed: [1, 1], optim: { lr: [1e-3, 1e-3] } }).length, 2);
});
