/**
 * Attention over at most four positions, one thread for an index of a group of rows and a head: all its queries and keys at once.
 * Positions are unrolled, the head's columns are looped over four at a time; what survives between the loops are the scores.
 */
import { pad4 } from "../../../run/layout.ts";
import type { Attention, AttentionBackward } from "../../op.ts";
import { elementwise, type Kernel, name, read, rowsOf, whole, write } from "./kernel.ts";
import { rowOf, UNPACK } from "./pair.ts";

/** WGSL that both directions share: the index's pair, the row of every position it touches, and where q, k, v begin. */
function prologue({ batch, examples, H, K, over, rows, queries, keys, qkv }: Attention | AttentionBackward) {
  const K4 = pad4(K) / 4, HK4 = H * K4;
  const lines = [
    `let h = i % ${H}u;`,
    `let at = i / ${H}u;`,
    ...(over === "ab" ? [`let pair = ${name(batch)}[r * ${examples}u + at];`] : []),
    ...keys.map((key) => `let x${key.position} = (r * ${rowsOf(qkv)}u + ${rowOf(key, "at", "pair")}) * ${3 * HK4}u + h * ${K4}u;`),
    ...queries.map(({ position: t, base }) => `let y${t} = r * ${rows}u + ${base}u + at;`),
  ];
  return {
    ...{ K4, HK4, lines, keys: keys.map(({ position }) => position), queries: queries.map(({ position }) => position) },
    pairs: queries.flatMap(({ position: t, sees }) => sees.map((s) => [t, s] as const)),
    bindings: over === "ab" ? [read.u32(batch, "[R, B]")] : [],
  };
}

const component = (s: number) => "xyzw"[s];
const each = <Value>(values: readonly Value[], line: (value: Value) => string) => values.map(line).join("\n    ");

/** pattern = softmax(q · k / √K) over the visible keys; z = pattern · v. */
export function attention(op: Attention): Kernel {
  const { label, H, K, count, qkv, pattern, z } = op, { K4, HK4, keys, queries, pairs, lines, bindings } = prologue(op);
  const sees = new Map(op.queries.map(({ position, sees }) => [position, sees])), visible = (t: number) => sees.get(t)!;
  const scale = 1 / Math.sqrt(K);
  const softmax = (t: number) => {
    const keys = visible(t);
    const score = (s: number) => `s${t}_${s}`;
    const max = keys.map(score).reduce((a, b) => `max(${a}, ${b})`);
    return `let m${t} = ${max};
  ${keys.map((s) => `let e${t}_${s} = exp(${score(s)} - m${t});`).join(" ")}
  let n${t} = 1.0 / (${keys.map((s) => `e${t}_${s}`).join(" + ")});
  ${keys.map((s) => `let p${t}_${s} = e${t}_${s} * n${t};`).join(" ")}
  pattern[y${t} * ${H}u + h] = vec4f(${[0, 1, 2, 3].map((s) => (keys.includes(s) ? `p${t}_${s}` : "0.0")).join(", ")});`;
  };
  return elementwise({
    label,
    count: count * H,
    bindings: [
      ...bindings,
      read.vec4f(whole(qkv), "[R, input rows, 3, H, K]", "qkv"),
      write.vec4f(pattern, "[R, rows, H, key]", "pattern"),
      write.vec4f(whole(z), "[R, rows, H, K]", "z"),
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
    ${each(queries, (t) => `z[y${t} * ${HK4}u + h * ${K4}u + k] = ${visible(t).map((s) => `p${t}_${s} * v${s}`).join(" + ")};`)}
  }`,
    flop: 4 * count * H * pairs.length * K4 * 4,
    bytes: 4 * 4 * HK4 * count * (2 * keys.length + 2 * queries.length),
  });
}

/**
 * dv = patternᵀ · dz, dscore = pattern ∘ (dz·v − Σ pattern ∘ dz·v), dq = dscore · k, dk = dscoreᵀ · q, all scaled.
 * Rows of their own get their gradient here; rows that examples share get theirs by `fold` from `partial`.
 */
export function attentionBackward(op: AttentionBackward): Kernel {
  const { label, H, K, count, qkv, pattern, dz, dqkv, shared } = op, { K4, HK4, keys, queries, pairs, lines, bindings } = prologue(op);
  const sees = new Map(op.queries.map(({ position, sees }) => [position, sees])), visible = (t: number) => sees.get(t)!;
  const scale = 1 / Math.sqrt(K), positions = shared?.positions ?? [];
  const sums = (terms: string[]) => (terms.length === 0 ? "vec4f(0.0)" : terms.join(" + "));
  const seeing = (s: number) => pairs.filter(([, key]) => key === s).map(([t]) => t);
  const out = (s: number, part: number) =>
    positions.includes(s) ? `partial[o + ${(positions.indexOf(s) * 3 + part) * HK4}u + k]` : `dqkv[x${s} + ${part * HK4}u + k]`;
  return elementwise({
    label,
    count: count * H,
    bindings: [
      ...bindings,
      read.vec4f(whole(qkv), "[R, input rows, 3, H, K]", "qkv"),
      read.vec4f(pattern, "[R, rows, H, key]", "pattern"),
      read.vec4f(whole(dz), "[R, rows, H, K]", "dz"),
      ...(keys.some((s) => !positions.includes(s)) ? [write.vec4f(whole(dqkv), "[R, input rows, 3, H, K]", "dqkv")] : []),
      ...(shared ? [write.vec4f(whole(shared.out), "[R, index, shared, 3, H, K]", "partial")] : []),
    ],
    functions: UNPACK,
    body: `
  ${lines.join("\n  ")}
  ${positions.length > 0 ? `let o = (r * ${count}u + at) * ${positions.length * 3 * HK4}u + h * ${K4}u;` : ""}
  ${pairs.map(([t, s]) => `var g${t}_${s} = 0.0;`).join(" ")}
  for (var k = 0u; k < ${K4}u; k++) {
    ${each(queries, (t) => `let d${t} = dz[y${t} * ${HK4}u + h * ${K4}u + k];`)}
    ${each(keys, (s) => `let v${s} = qkv[x${s} + ${2 * HK4}u + k];`)}
    ${each(pairs, ([t, s]) => `g${t}_${s} += dot(d${t}, v${s});`)}
  }
  ${queries.map((t) => `let p${t} = pattern[y${t} * ${H}u + h];`).join(" ")}
  ${queries.map((t) => `let c${t} = ${visible(t).map((s) => `p${t}.${component(s)} * g${t}_${s}`).join(" + ")};`).join(" ")}
  ${pairs.map(([t, s]) => `let a${t}_${s} = p${t}.${component(s)} * (g${t}_${s} - c${t}) * ${scale};`).join(" ")}
  for (var k = 0u; k < ${K4}u; k++) {
    ${each(queries, (t) => `let q${t} = qkv[x${t} + k];\n    let d${t} = dz[y${t} * ${HK4}u + h * ${K4}u + k];`)}
    ${each(keys, (s) => `let k${s} = qkv[x${s} + ${HK4}u + k];`)}
    ${each(queries, (t) => `${out(t, 0)} = ${visible(t).map((s) => `a${t}_${s} * k${s}`).join(" + ")};`)}
    ${each(keys, (s) => `${out(s, 1)} = ${sums(seeing(s).map((t) => `a${t}_${s} * q${t}`))};`)}
    ${each(keys, (s) => `${out(s, 2)} = ${sums(seeing(s).map((t) => `p${t}.${component(s)} * d${t}`))};`)}
  }`,
    flop: 10 * count * H * pairs.length * K4 * 4,
    bytes: 4 * 4 * HK4 * count * (5 * keys.length + 2 * queries.length),
  });
}
