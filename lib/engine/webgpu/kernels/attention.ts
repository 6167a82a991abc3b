/**
 * Attention over at most four positions, one thread for an index of a group of rows and a head: all its queries and keys at once.
 * Positions are unrolled, the head's columns are looped over four at a time; what survives between the loops are the scores.
 */
import { headColumns, pad4 } from "../../../run/layout.ts";
import { type RunSpec, sizes } from "../../../run/spec.ts";
import { type Group, type LayerRows, rowOf, segmentAt, UNPACK, visible } from "../../rows.ts";
import { elementwise, type Kernel, name, read, write } from "./kernel.ts";

/** Where a group's gradient of shared rows goes before it is folded: [R, index, shared positions, 3·H·K]. */
export interface Partial {
  readonly buffer: string;
  readonly group: Group;
  /** The shared positions that the group attends to. */
  readonly positions: readonly number[];
}

/** The shared input positions that a group of queries attends to: their gradient is a sum over examples. */
export function sharedPositions(spec: RunSpec, rows: LayerRows, group: Group): number[] {
  const seen = new Set(group.queries.flatMap((query) => visible(spec, query.position)));
  return [...seen].filter((s) => segmentAt(rows.input, s).depends !== "ab");
}

/** WGSL that both directions share: the index's pair, the row of every position it touches, and where q, k, v begin. */
function prologue(spec: RunSpec, rows: LayerRows, group: Group, batch: string, examples: number) {
  const size = sizes(spec);
  const H = size.H, K4 = pad4(size.K) / 4, HK4 = headColumns(size) / 4;
  const keys = [...new Set(group.queries.flatMap((query) => visible(spec, query.position)))].sort();
  const lines = [
    `let h = i % ${H}u;`,
    `let at = i / ${H}u;`,
    ...(group.depends === "ab" ? [`let pair = ${name(batch)}[r * ${examples}u + at];`] : []),
    ...keys.map((s) => {
      const row = rowOf(segmentAt(rows.input, s), group.depends, "at", "pair");
      return `let x${s} = (r * ${rows.input.count}u + ${row}) * ${3 * HK4}u + h * ${K4}u;`;
    }),
    ...group.queries.map(({ position: t, base }) => `let y${t} = r * ${rows.output.count}u + ${base}u + at;`),
  ];
  const pairs = group.queries.flatMap(({ position: t }) => visible(spec, t).map((s) => [t, s] as const));
  return { H, K4, HK4, keys, pairs, lines, bindings: group.depends === "ab" ? [read.u32(batch, "[R, B]")] : [] };
}

const component = (s: number) => "xyzw"[s];
const each = <Value>(values: readonly Value[], line: (value: Value) => string) => values.map(line).join("\n    ");

/** pattern = softmax(q · k / √K) over the visible keys; z = pattern · v. */
export function attention(
  spec: RunSpec,
  rows: LayerRows,
  group: Group,
  { batch, examples, qkv, pattern, z }: {
    readonly batch: string;
    readonly examples: number;
    readonly qkv: string;
    readonly pattern: string;
    readonly z: string;
  },
): Kernel {
  const { H, K4, HK4, keys, pairs, lines, bindings } = prologue(spec, rows, group, batch, examples);
  const queries = group.queries.map(({ position }) => position);
  const scale = 1 / Math.sqrt(sizes(spec).K);
  const softmax = (t: number) => {
    const keys = visible(spec, t);
    const score = (s: number) => `s${t}_${s}`;
    const max = keys.map(score).reduce((a, b) => `max(${a}, ${b})`);
    return `let m${t} = ${max};
  ${keys.map((s) => `let e${t}_${s} = exp(${score(s)} - m${t});`).join(" ")}
  let n${t} = 1.0 / (${keys.map((s) => `e${t}_${s}`).join(" + ")});
  ${keys.map((s) => `let p${t}_${s} = e${t}_${s} * n${t};`).join(" ")}
  pattern[y${t} * ${H}u + h] = vec4f(${[0, 1, 2, 3].map((s) => (keys.includes(s) ? `p${t}_${s}` : "0.0")).join(", ")});`;
  };
  return elementwise({
    label: `${z} = softmax(q·k)·v, positions ${queries}`,
    count: group.count * H,
    bindings: [
      ...bindings,
      read.vec4f(qkv, "[R, input rows, 3, H, K]", "qkv"),
      write.vec4f(pattern, "[R, rows, H, key]", "pattern"),
      write.vec4f(z, "[R, rows, H, K]", "z"),
    ],
    functions: UNPACK,
    body: `
  ${lines.join("\n  ")}
  ${pairs.map(([t, s]) => `var s${t}_${s} = 0.0;`).join(" ")}
  for (var k = 0u; k < ${K4}u; k++) {
    ${each(queries, (t) => `let q${t} = qkv[x${t} + k];`)}
    ${each(keys, (s) => `let k${s} = qkv[x${s} + ${HK4}u + k];`)}
    ${each(pairs, ([t, s]) => `s${t}_${s} += dot(q${t}, k${s});`)}
  }
  ${pairs.map(([t, s]) => `s${t}_${s} *= ${scale};`).join(" ")}
  ${queries.map(softmax).join("\n  ")}
  for (var k = 0u; k < ${K4}u; k++) {
    ${each(keys, (s) => `let v${s} = qkv[x${s} + ${2 * HK4}u + k];`)}
    ${each(queries, (t) => `z[y${t} * ${HK4}u + h * ${K4}u + k] = ${visible(spec, t).map((s) => `p${t}_${s} * v${s}`).join(" + ")};`)}
  }`,
    flop: 4 * group.count * H * pairs.length * K4 * 4,
    bytes: 4 * 4 * HK4 * group.count * (2 * keys.length + 2 * queries.length),
  });
}

/**
 * dv = patternᵀ · dz, dscore = pattern ∘ (dz·v − Σ pattern ∘ dz·v), dq = dscore · k, dk = dscoreᵀ · q, all scaled.
 * Rows of their own get their gradient here; rows that examples share get theirs by `fold` from the partial.
 */
export function attentionBackward(
  spec: RunSpec,
  rows: LayerRows,
  group: Group,
  { batch, examples, qkv, pattern, dz, dqkv, partial }: {
    readonly batch: string;
    readonly examples: number;
    readonly qkv: string;
    readonly pattern: string;
    readonly dz: string;
    readonly dqkv: string;
    readonly partial: Partial;
  },
): Kernel {
  const { H, K4, HK4, keys, pairs, lines, bindings } = prologue(spec, rows, group, batch, examples);
  const queries = group.queries.map(({ position }) => position);
  const scale = 1 / Math.sqrt(sizes(spec).K);
  const { positions } = partial;
  const sums = (terms: string[]) => (terms.length === 0 ? "vec4f(0.0)" : terms.join(" + "));
  const seeing = (s: number) => pairs.filter(([, key]) => key === s).map(([t]) => t);
  const out = (s: number, part: number) =>
    positions.includes(s) ? `partial[o + ${(positions.indexOf(s) * 3 + part) * HK4}u + k]` : `dqkv[x${s} + ${part * HK4}u + k]`;
  return elementwise({
    label: `${dqkv} = gradient of attention, positions ${queries}`,
    count: group.count * H,
    bindings: [
      ...bindings,
      read.vec4f(qkv, "[R, input rows, 3, H, K]", "qkv"),
      read.vec4f(pattern, "[R, rows, H, key]", "pattern"),
      read.vec4f(dz, "[R, rows, H, K]", "dz"),
      ...(keys.some((s) => !positions.includes(s)) ? [write.vec4f(dqkv, "[R, input rows, 3, H, K]", "dqkv")] : []),
      ...(positions.length > 0 ? [write.vec4f(partial.buffer, "[R, index, shared, 3, H, K]", "partial")] : []),
    ],
    functions: UNPACK,
    body: `
  ${lines.join("\n  ")}
  ${positions.length > 0 ? `let o = (r * ${group.count}u + at) * ${positions.length * 3 * HK4}u + h * ${K4}u;` : ""}
  ${pairs.map(([t, s]) => `var g${t}_${s} = 0.0;`).join(" ")}
  for (var k = 0u; k < ${K4}u; k++) {
    ${each(queries, (t) => `let d${t} = dz[y${t} * ${HK4}u + h * ${K4}u + k];`)}
    ${each(keys, (s) => `let v${s} = qkv[x${s} + ${2 * HK4}u + k];`)}
    ${each(pairs, ([t, s]) => `g${t}_${s} += dot(d${t}, v${s});`)}
  }
  ${queries.map((t) => `let p${t} = pattern[y${t} * ${H}u + h];`).join(" ")}
  ${queries.map((t) => `let c${t} = ${visible(spec, t).map((s) => `p${t}.${component(s)} * g${t}_${s}`).join(" + ")};`).join(" ")}
  ${pairs.map(([t, s]) => `let a${t}_${s} = p${t}.${component(s)} * (g${t}_${s} - c${t}) * ${scale};`).join(" ")}
  for (var k = 0u; k < ${K4}u; k++) {
    ${each(queries, (t) => `let q${t} = qkv[x${t} + k];\n    let d${t} = dz[y${t} * ${HK4}u + h * ${K4}u + k];`)}
    ${each(keys, (s) => `let k${s} = qkv[x${s} + ${HK4}u + k];`)}
    ${each(queries, (t) => `${out(t, 0)} = ${visible(spec, t).map((s) => `a${t}_${s} * k${s}`).join(" + ")};`)}
    ${each(keys, (s) => `${out(s, 1)} = ${sums(seeing(s).map((t) => `a${t}_${s} * q${t}`))};`)}
    ${each(keys, (s) => `${out(s, 2)} = ${sums(seeing(s).map((t) => `p${t}.${component(s)} * d${t}`))};`)}
  }`,
    flop: 10 * group.count * H * pairs.length * K4 * 4,
    bytes: 4 * 4 * HK4 * group.count * (5 * keys.length + 2 * queries.length),
  });
}
