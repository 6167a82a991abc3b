/**
 * Products for drivers that compile WGSL to CPU vector code. There a load at an address that differs between lanes is a loop over lanes,
 * and so is every load inside a WGSL loop or branch; only straight-line code with literal indices becomes plain multiply-adds. Hence: stage
 * a tile of B, one barrier, then an unrolled body, one row of C per lane.
 */
import { alias, at, type Generated, lines, type Operands, range, type Sizes, type Store, up } from "./view.ts";

export interface SoftwareTile {
  readonly kind: "software";
  /** Into how many parts to cut the contraction. */
  readonly splits: (sizes: Sizes) => number;
  /** Rows of C in a workgroup, at most. */
  readonly rows: number;
  /** Columns of C in a workgroup, in vec4, at most. */
  readonly columns: number;
  /** How much of the contraction is staged at a time. */
  readonly depth: number;
  /** How many multiply-adds of vec4 may be written out: about one second to compile for 1024 of them. */
  readonly unroll: number;
}

export const SOFTWARE_TILE: SoftwareTile = {
  ...{ kind: "software", rows: 256, columns: 16, depth: 128, unroll: 1024 },
  splits: ({ k }) => Math.ceil(k / 128),
};

export function software({ form, m, n, k }: Sizes, { a, b }: Operands, tile: SoftwareTile, splits: number, store: Store): Generated {
  const tn = form === "tn", nt = form === "nt", n4 = n / 4;
  // Equal blocks: 388 rows become 2 × 224 lanes, not 2 × 256. Whole steps, so that other sizes find the code compiled.
  const blocks = Math.ceil(m / tile.rows), lanes = up(Math.ceil(m / blocks), 32);
  // A part that would reach beyond the end begins early enough to end with it, and counts nothing twice: no load of A needs a bound.
  const share = splits === 1 ? k : up(Math.ceil(k / splits), tn ? 32 : 4), ragged = share * splits !== k;
  const widest = Math.max(1, Math.min(tile.columns, Math.floor(tile.unroll / share))), width = Math.ceil(n4 / Math.ceil(n4 / widest));
  const columns = range(width), A = alias(a, "x"), B = alias(b, "y");

  /** Copies depth [k0, k0 + depth) of B's columns; what the part before has counted becomes zero. */
  const stage = (k0: number, depth: number) => {
    const items = width * depth;
    return lines(range(Math.ceil(items / lanes)), (i) => {
      const s = `min(lane + ${i * lanes}u, ${items - 1}u)`, per = nt ? 4 * width : width;
      const d = nt ? `start / 4u + ${k0 / 4}u + s / ${per}u` : `start + ${k0}u + s / ${per}u`;
      const index = nt
        ? at("b", "r", `min(4u * col0 + s % ${per}u, 4u * u.n4 - 1u)`, "d")
        : at("b", "r", "d", `min(col0 + s % ${per}u, u.n4 - 1u)`);
      const value = ragged ? `select(vec4f(), ${B}[${index}], d >= first${nt ? " / 4u" : ""})` : `${B}[${index}]`;
      return `  { let s = ${s}; let d = ${d}; tile[lane + ${i * lanes}u] = ${value}; }`;
    });
  };
  const load = (d: number) => tn ? `  let a${d} = ${A}[a][row % 4u]; a += u.a_row;` : `  let a${d} = ${A}[a + ${d / 4}u];`;
  /** Up to four steps of the contraction at once, so that each accumulator leaves its register and returns once per four. */
  const body = (d: number, local: number, steps: number) => {
    const quad = range(steps), loads = tn ? quad.map((q) => load(d + q)) : [load(d)];
    const sums = columns.map((j) => {
      const dots = range(4).map((q) => `dot(a${d}, tile[${local * width + 4 * j + q}])`);
      const products = quad.map((q) => `${tn ? `a${d + q}` : `a${d}.${"xyzw"[q]}`} * tile[${(local + q) * width + j}]`);
      return `  c${j} += ${nt ? `vec4f(${dots.join(", ")})` : products.join(" + ")};`;
    });
    return [...loads, ...sums].join("\n");
  };
  const segments = range(Math.ceil(share / tile.depth)).map((i) => {
    const k0 = i * tile.depth, depth = Math.min(tile.depth, share - k0);
    const steps = range(Math.ceil(depth / 4)).map((s) => body(k0 + 4 * s, 4 * s, Math.min(4, depth - 4 * s)));
    return [...(i ? ["  workgroupBarrier();"] : []), stage(k0, depth), "  workgroupBarrier();", ...steps].join("\n");
  });
  const size = lanes * Math.ceil(width * Math.min(tile.depth, share) / lanes);
  const stores = columns.map((j) => {
    const text = `{ let col4 = col0 + ${j}u; ${store(`c${j}`, "own", "col4", "part")} }`;
    return n4 % width ? `  if (col0 + ${j}u < u.n4) ${text}` : `  ${text}`;
  });
  const code = `
var<workgroup> tile: array<vec4f, ${size}>;
@compute @workgroup_size(${lanes}) fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  // Column blocks come first in the grid, so that neighbouring workgroups find A's rows in the cache.
  let col0 = group.x * ${width}u; let part = group.z; let r = part / u.splits;
  let first = part % u.splits * u.share; let start = min(first, u.k - u.share);
  let own = group.y * ${lanes}u + lane; let row = min(own, u.m - 1u);
  ${tn ? "var" : "let"} a = ${tn ? at("a", "r", "start", "row / 4u") : at("a", "r", "row", "start / 4u")};
${lines(columns, (j) => `  var c${j} = vec4f();`)}
${segments.join("\n")}
  if (own >= u.m) { return; }
${stores.join("\n")}
}`;
  return { code, share, grid: [Math.ceil(n4 / width), blocks] };
}
