/** Attention whose weights are all the same, over at most four positions; one thread for an index of a group of rows and four columns. */
import { pad4 } from "../../../run/layout.ts";
import type { Attention, AttentionBackward } from "../../op.ts";
import { elementwise, type Kernel, name, read, rowsOf, whole, write } from "./kernel.ts";
import { rowOf, UNPACK } from "./pair.ts";

/** WGSL that both directions share: the index's pair, the row of every position it touches, in vec4s. */
function prologue({ batch, examples, H, K, over, rows, queries, keys, qkv }: Attention | AttentionBackward) {
  const W4 = H * pad4(K) / 4;
  return {
    W4,
    pair: over === "ab" ? [read.u32(batch, "[R, B]")] : [],
    lines: [
      `let at = i / ${W4}u;`,
      `let c = i % ${W4}u;`,
      ...(over === "ab" ? [`let pair = ${name(batch)}[r * ${examples}u + at];`] : []),
      ...keys.map((key) => `let x${key.position} = (r * ${rowsOf(qkv)}u + ${rowOf(key, "at", "pair")}) * ${W4}u + c;`),
      ...queries.map(({ position: t, base }) => `let y${t} = r * ${rows}u + ${base}u + at;`),
    ],
  };
}

/** pattern = 1 / n for each of the n positions seen; z = pattern · v. */
export function uniformAttention(op: Attention): Kernel {
  const { label, H, count, queries, keys, qkv, pattern, z } = op, { W4, pair, lines } = prologue(op), K4 = W4 / H;
  const weights = (sees: readonly number[]) => [0, 1, 2, 3].map((s) => (sees.includes(s) ? `${1 / sees.length}` : "0.0")).join(", ");
  return elementwise({
    label,
    count: count * W4,
    bindings: [
      ...pair,
      read.vec4f(whole(qkv), "[R, input rows, H, K]", "v"),
      write.vec4f(pattern, "[R, rows, H, key]", "pattern"),
      write.vec4f(whole(z), "[R, rows, H, K]", "z"),
    ],
    functions: UNPACK,
    body: `
  ${lines.join("\n  ")}
  ${
      queries.map(({ position: t, sees }) => `if (c % ${K4}u == 0u) { pattern[y${t} * ${H}u + c / ${K4}u] = vec4f(${weights(sees)}); }`)
        .join("\n  ")
    }
  ${
      queries.map(({ position: t, sees }) => `z[y${t} * ${W4}u + c] = ${1 / sees.length} * (${sees.map((s) => `v[x${s}]`).join(" + ")});`)
        .join("\n  ")
    }`,
    flop: count * W4 * 4 * queries.reduce((sum, { sees }) => sum + sees.length, 0),
    bytes: 16 * W4 * count * (keys.length + queries.length),
  });
}

/** dv = patternᵀ · dz. Rows of their own get their gradient here; rows that examples share get theirs by `fold` from `partial`. */
export function uniformAttentionBackward(op: AttentionBackward): Kernel {
  const { label, count, queries, keys, dz, dqkv, shared } = op, { W4, pair, lines } = prologue(op), positions = shared?.positions ?? [];
  const out = (s: number) => {
    const place = positions.indexOf(s);
    return place < 0 ? `dv[x${s}]` : `partial[(r * ${count}u + at) * ${positions.length * W4}u + ${place * W4}u + c]`;
  };
  const sum = (s: number) =>
    queries.filter(({ sees }) => sees.includes(s)).map(({ position: t, sees }) => `${1 / sees.length} * dz[y${t} * ${W4}u + c]`).join(
      " + ",
    );
  return elementwise({
    label,
    count: count * W4,
    bindings: [
      ...pair,
      read.vec4f(whole(dz), "[R, rows, H, K]", "dz"),
      ...(keys.some(({ position }) => !positions.includes(position)) ? [write.vec4f(whole(dqkv), "[R, input rows, H, K]", "dv")] : []),
      ...(shared ? [write.vec4f(whole(shared.out), "[R, index, shared, H, K]", "partial")] : []),
    ],
    functions: UNPACK,
    body: `
  ${lines.join("\n  ")}
  ${keys.map(({ position }) => `${out(position)} = ${sum(position)};`).join("\n  ")}`,
    flop: 2 * count * W4 * 4 * queries.reduce((sum, { sees }) => sum + sees.length, 0),
    bytes: 16 * W4 * count * (keys.length + queries.length),
  });
}
