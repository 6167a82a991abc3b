/** From the operations of a plan to the records of the kernels: one function an operation, and the scratch that they use in turn. */
import type {
  AttentionBackward,
  By,
  Embed,
  EmbedBackward,
  Fold,
  ListName,
  Op,
  PairsBackward,
  Plan,
  PoolBackward,
  Product,
  View,
} from "../op.ts";
import * as records from "./operations/mod.ts";
import type { Lists } from "./queue.ts";
import { check, type Record } from "./records.ts";

/** A view, some rows on. */
const from = ({ buffer, offset, stride }: View, row: number, column = 0) => ({ buffer, offset: offset + row * stride + column, stride });

/** What lowering an operation needs beside it. */
interface Context {
  /** Makes sure that a buffer of the engine's own has so many words a run, and gives its name. */
  readonly scratch: (name: string, words: number) => string;
  /** Where a product's weights lie in panels. */
  readonly panels: (op: Product) => Packed;
  /** Whether the plan both makes a buffer of pre-activations and reads it for a derivative: then the derivative is stored in its place. */
  readonly derives: (pre: string) => boolean;
  /** Counts the records that one thread of a run does alone. */
  readonly turn: () => number;
  /** Values of a and of b. */
  readonly C: number;
}

/** Panels of a product's weights, and what makes them where that is to be done before the product. */
interface Packed {
  readonly panels: string;
  readonly before: readonly Record[];
}

/** The lists of an evaluation: parameters don't change from one to the next. */
const EVALUATION = ["elements", "chunk", "forward"];

/**
 * The lists of a plan as records, with all buffers they use. @throws Error where an operation reaches beyond a buffer or can't be done
 * here.
 */
export function lower(plan: Plan): Lists<ListName> {
  const buffers = new Map(plan.buffers), ops = Object.values(plan.lists).flat();
  const scratch = (name: string, words: number) => {
    buffers.set(name, Math.max(words, buffers.get(name) ?? 0));
    return name;
  };
  const products = ops.filter((op) => op.op === "product");
  const activated = new Set(products.flatMap(({ activation, c }) => (activation ? [c.buffer] : [])));
  const derived = new Set(products.flatMap(({ derivative }) => (derivative ? [derivative.pre.buffer] : [])));
  let turn = 0, alone = 0;
  const context: Context = {
    scratch,
    // Two buffers take turns, so that one can be packed while the other is still read.
    panels: (op) => packed(op, scratch(`cpu.panels.${turn++ % 2}`, records.panelWords(op.k, op.n))),
    turn: () => alone++,
    derives: (pre) => activated.has(pre) && derived.has(pre),
    C: plan.layout.sizes.elements,
  };
  const packs = new Map<string, Record>(), evaluation = { ...context, panels: packedOnce(packs, context) };
  const made = eachList(plan.lists, (list, name) => [
    ...(name === "step" ? [records.rest()] : []),
    ...list.flatMap((op) => recordsOf(op, EVALUATION.includes(name) ? evaluation : context)),
  ]);
  const lists = { ...made, elements: [...packs.values(), ...made.elements] };
  for (const list of Object.values(lists)) check(list, buffers);
  return { buffers, lists };
}

/** A product's weights, packed before it. */
const packed = ({ label, form, b, k, n, columns = n }: Product, panels: string): Packed => {
  return { panels, before: [records.pack(`${label}, panels`, b, k, columns, form === "nt", panels)] };
};

/** Parameters are packed once an evaluation, each matrix in panels of its own: `packs` gets what does it, by their name. */
const packedOnce = (packs: Map<string, Record>, { scratch, panels }: Context) => (op: Product): Packed => {
  const { form, b, k, n } = op;
  if (b.buffer !== "params") return panels(op);
  const name = scratch(`cpu.panels.${form}.${b.offset}.${k}.${n}`, records.panelWords(k, n));
  packs.set(name, packed(op, name).before[0]);
  return { panels: name, before: [] };
};

function recordsOf(op: Op, context: Context): Record[] {
  const { label } = op;
  switch (op.op) {
    case "product":
      return product(op, context);
    case "norm":
      return [records.norm(op)];
    case "normBackward":
      return records.normBackward(op, context.scratch("cpu.norm_parts", records.normPartWords(op.D)));
    case "attention":
      return [records.attention(label, attends(op), op.z.buffer)];
    case "attentionBackward":
      return [attentionBackward(op)];
    case "embed":
      return embed(op, context);
    case "embedBackward":
      return embedBackward(op);
    case "pairs":
      return [records.pairs(op, context.C)];
    case "pairsBackward":
      return pairsBackward(op);
    case "sums":
      return [records.columnSums(label, op.x, op.rows, op.out, op.width)];
    case "fold":
      return fold(op);
    case "pool":
      return [records.pool(label, { ...op, rows: rowsOf(op.x) })];
    case "poolBackward":
      return poolBackward(op);
    case "loss":
      return [records.loss(label, { ...op, logits: op.logits.buffer, dlogits: op.dlogits?.buffer })];
    case "update":
      return [records.update(op)];
    case "gradientFilter":
      return [records.gradientFilter(op)];
    case "orthogonalGradient":
      return [records.orthogonalGradient(op, context.turn())];
    case "muonStart":
      return [records.muonStart(op)];
    case "muonPolynomial":
      return [records.muonPolynomial(op)];
    case "muonEnd":
      return [records.muonEnd(op)];
    case "clipRows":
      return [records.clipRows(op)];
    case "holdNorm":
      return [records.holdNorm(op)];
    case "sample":
      return [records.sample(label, op)];
    case "chunk":
      return [records.chunk(label, op)];
    case "lists":
      return [records.lists(label, op.batch, op)];
    case "endOfStep":
      return [records.endOfStep(label, op)];
    case "noisyRight":
      return [records.noisyRight(label, { ...op, sums: op.sum })];
    case "endOfChunk":
      return [records.endOfChunk(label, op)];
    case "endOfEvaluation":
      return [records.endOfEvaluation(op)];
    case "attentionSummary":
      return [records.attentionSummary(label, { ...op, l: op.layer, words: (3 + op.S) * 4 * op.queries })];
  }
}

/** Rows that a use of a view has. */
const rowsOf = ({ words, stride }: View) => words / stride;

/**
 * In training weights are packed before each product, which costs little and lies in the cache then. Rows that are looked up are put into C
 * first, then added to.
 */
function product(op: Product, { panels: panelsFor, derives }: Context): Record[] {
  const { label, form, m, n, k, a, b, bias, add, activation, derivative } = op;
  const c = activation && !derives(op.c.buffer) ? activation.out : op.c; // what an activation gets is kept for its derivative alone
  if (form === "tn") return [records.weightGradient(label, { rows: k, m, n, x: a, dy: b, dW: c, db: op.sums })];
  const gathered =
    add?.rows?.segments.map(({ first, count, to }) =>
      records.gather(`${label}, rows added`, { ...add.rows!, out: from(c, first), x: add.from, from: to, width: n, rows: count })
    ) ?? [];
  const { panels, before } = panelsFor(op);
  const after: records.After | undefined = derivative
    ? { does: derives(derivative.pre.buffer) ? "factor" : `${derivative.name} slope`, by: derivative.pre }
    : activation && { does: activation.name, out: activation.out, derivative: derives(op.c.buffer) };
  return [
    ...gathered,
    ...before,
    records.product(label, { m, n, k, a, panels, c, bias, add: add?.rows ? c : add?.from, after }),
  ];
}

/** Attention here sees the first positions, all of which are keys. @throws Error where a query sees others. */
function attends(op: Op & { op: "attention" | "attentionBackward" }): records.Attention {
  const first = (positions: readonly number[]) => positions.every((position, i) => position === i);
  if (!first(op.keys.map(({ position }) => position)) || !op.queries.every(({ sees }) => first(sees)) || op.keys.length > 4) {
    const seen = op.queries.map(({ sees }) => `[${sees}]`);
    throw new Error(
      `Cannot lower "${op.label}": a query must see the first of at most four positions, current value is ${seen} of ${op.keys.length}`,
    );
  }
  const queries = op.queries.map(({ position, base, sees }) => ({ position, base, keys: sees.length }));
  return { ...op, inputRows: rowsOf(op.qkv), outputRows: op.rows, qkv: op.qkv.buffer, queries };
}

function attentionBackward(op: AttentionBackward): Record {
  const { positions = [], out } = op.shared ?? {};
  return records.attentionBackward(op.label, attends(op), {
    dz: op.dz.buffer,
    dqkv: op.dqkv.buffer,
    partial: out?.buffer ?? "",
    positions,
  });
}

function embed({ label, segments, W_E, W_pos, out, ...batch }: Embed, { C }: Context): Record[] {
  return segments.map(({ first, count, position, token }) => {
    const constant = token.by === "constant";
    // How many rows of W_E can be meant.
    const values = constant ? 1 : token.by === "index" ? count : C;
    return records.embed(`${label}, position ${position}`, {
      ...batch,
      out: from(out, first),
      W_E,
      position: from(W_pos, position),
      token: { by: token.by === "constant" ? "index" : token.by, base: token.base, count: values },
      constant,
      rows: count,
    });
  });
}

/** Elements are folded from all positions they stand at; a position and a constant token get the sum of all its rows. */
function embedBackward({ label, segments, firstElement, dx, dW_E, dW_pos, head, ...byValue }: EmbedBackward): Record[] {
  const width = dx.stride;
  const elements = segments.filter(({ token }) => token.by !== "constant");
  const sources = elements.map(({ first, count, token }) => ({ x: from(dx, first), by: token.by as By, rows: count }));
  if (head) sources.push({ x: head, by: "index", rows: byValue.C });
  return [
    records.fold(`${label}, elements`, { out: from(dW_E, firstElement), rows: byValue.C, width, sources }, byValue),
    ...segments.flatMap(({ first, count, position, token }) => {
      const sum = (out: ReturnType<typeof from>) =>
        records.columnSums(`${label}, position ${position}`, from(dx, first), count, out, width);
      return [sum(from(dW_pos, position)), ...(token.by === "constant" ? [sum(from(dW_E, token.base))] : [])];
    }),
  ];
}

function pairsBackward({ label, width, dy, dx, second, factor, ...byValue }: PairsBackward): Record[] {
  return (["a", "b"] as const).map((by) =>
    records.fold(`${label}, ${by}`, {
      ...{ out: from(dx, by === "a" ? 0 : second), rows: byValue.C, width, factor },
      sources: [{ x: dy, by, rows: byValue.B }],
    }, byValue)
  );
}

function fold({ label, segments, width, out, ...byValue }: Fold): Record[] {
  return segments.map(({ first, count, sources }) =>
    records.fold(label, {
      out: from(out, first),
      rows: count,
      width,
      sources: sources.map(({ by, x, from: column = 0 }) => ({ x, by, rows: by === "index" ? count : byValue.B, first: column })),
    }, byValue)
  );
}

function poolBackward({ label, positions, width, dy, dx, ...byValue }: PoolBackward): Record[] {
  return positions.map(({ by, base, count, position }) =>
    records.fold(`${label}, position ${position}`, {
      out: from(dx, base),
      rows: count,
      width,
      sources: [{ x: dy, by, rows: byValue.B }],
      factor: 1 / positions.length,
    }, byValue)
  );
}

/** Something of each list, under its name. */
export function eachList<List, Value>(lists: { readonly [name in ListName]: List }, of: (list: List, name: string) => Value) {
  // `fromEntries` forgets the names.
  return Object.fromEntries(Object.entries(lists).map(([name, list]) => [name, of(list, name)])) as { readonly [name in ListName]: Value };
}
