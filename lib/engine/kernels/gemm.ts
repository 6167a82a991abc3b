/**
 * C[r] = A[r] · B[r] for every run r, as WGSL.
 *
 * Three forms say along which axis an operand is contiguous: "nn" is x · W, "nt" is dy · Wᵀ, "tn" is xᵀ · dy.
 * Two generators share one contract: run r only ever meets its own data, every sum is taken in an order that
 * the sizes m, n, k and the tile fix, and nothing outside C's view is written. So a run's result is bit for bit
 * the same alone and among others.
 *
 * - `software` is for drivers that compile WGSL to CPU vector code. There a load at an address that differs between lanes is
 *   a loop over lanes, and so is every load inside a WGSL loop or branch; only straight-line code with literal indices
 *   becomes plain multiply-adds. Hence: stage a tile of B, one barrier, then an unrolled body, one row of C per lane.
 * - `gpu` is the classic kernel: both operands staged in workgroup memory, a square of C per thread.
 *
 * With `splits` > 1 the contraction is cut, and C holds [R, splits, m, n] partial sums, which `sumSplits` adds in order.
 * The code depends on no R, so one compilation serves any number of runs.
 */
import { type Binding, type Kernel, name, read, write } from "./kernel.ts";

/** A matrix per run inside a buffer of `array<vec4f>`; all numbers count floats and are multiples of 4. */
export interface View {
  readonly buffer: string;
  /** From the run's start. */
  readonly offset: number;
  /** From one run to the next. */
  readonly runStride: number;
  /** From one row to the next. */
  readonly stride: number;
  readonly shape: string;
}

interface GpuTile {
  readonly kind: "gpu";
  /** Into how many parts to cut a contraction over `k` rows. */
  readonly splits: (k: number) => number;
}

interface SoftwareTile extends Omit<GpuTile, "kind"> {
  readonly kind: "software";
  /** Rows of C in a workgroup, at most. */
  readonly rows: number;
  /** Columns of C in a workgroup, in vec4, at most. */
  readonly columns: number;
  /** How much of the contraction is staged at a time. */
  readonly depth: number;
  /** How many multiply-adds of vec4 may be written out: about one second to compile for 1024 of them. */
  readonly unroll: number;
}

/** How the work is cut, by kind of device. Nothing in it may depend on R. */
export type Tile = SoftwareTile | GpuTile;

export const SOFTWARE_TILE: SoftwareTile = {
  ...{ kind: "software", rows: 256, columns: 8, depth: 128, unroll: 1024 },
  splits: (k) => Math.ceil(k / 128),
};
export const GPU_TILE: GpuTile = { kind: "gpu", splits: (k) => Math.ceil(k / 512) };

/** What becomes of each vec4f of C, instead of a plain store. */
export interface Epilogue {
  /** Buffers that `store` uses beside A, B and C, which are bound anyway, C for reading too. */
  readonly bindings?: readonly Binding[];
  /** WGSL functions that `store` calls. */
  readonly functions?: string;
  /** Statements that use the vec4f `value` at (`row`, 4 · `col4`) of run `r`, all u32 expressions; `at` is C's element there. */
  readonly store: (value: string, row: string, col4: string, r: string, at: string) => string;
}

export interface Gemm {
  readonly label: string;
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly a: View;
  readonly b: View;
  readonly c: View;
  readonly form: "nn" | "nt" | "tn";
  /** Cuts the contraction into so many parts; C is then [R, splits, m, n], its runStride still from one run to the next. */
  readonly splits?: number;
  readonly epilogue?: Epilogue;
  readonly tile: Tile;
}

const range = (n: number) => Array.from({ length: n }, (_, i) => i);
const lines = <T>(items: readonly T[], line: (item: T) => string) => items.map(line).join("\n");

/** The element of a view at (row, 4 · col4) of run r. */
const at = (v: View, r: string, row: string, col4: string) =>
  `${name(v.buffer)}[${r} * ${v.runStride / 4}u + (${row}) * ${v.stride / 4}u + ${v.offset / 4}u + (${col4})]`;
/** Partial sums seen as runs: part s of run r is r · splits + s, which is also how the grid counts. */
const parts = (v: View, splits: number): View => ({ ...v, runStride: v.runStride / splits });

type Store = (value: string, row: string, col4: string, r: string) => string;

const storing = (c: View, epilogue?: Epilogue): Store => (value, row, col4, r) => {
  const target = at(c, r, row, col4);
  return epilogue ? epilogue.store(value, row, col4, r, target) : `${target} = ${value};`;
};

/** Each buffer once, as WebGPU demands: the weights and the bias, say, are one. */
function bind(c: View, reads: readonly View[], extra: readonly Binding[] = []): Binding[] {
  const all = [...reads.map((v) => read.vec4f(v.buffer, v.shape)), ...extra, write.vec4f(c.buffer, c.shape)];
  const bindings = new Map<string, Binding>();
  for (const next of all) {
    const known = bindings.get(next.buffer);
    if (known && (known.access !== next.access || known.as !== next.as)) throw new Error(`${next.buffer} is bound in two ways`);
    bindings.set(next.buffer, next);
  }
  return [...bindings.values()];
}

export function gemm({ splits = 1, ...options }: Gemm): Kernel {
  const { label, m, n, k, a, b, form, epilogue, tile } = options, c = parts(options.c, splits);
  for (const v of [a, b, c]) {
    if ([v.offset, v.runStride, v.stride].some((x) => x % 4)) throw new Error(`${label}: ${v.buffer} is not aligned to vec4f`);
  }
  if (n % 4 || (form !== "tn" && k % 4)) throw new Error(`${label}: ${m} × ${n} × ${k} must be padded to multiples of 4`);
  if (splits > 1 && epilogue) throw new Error(`${label}: partial sums take no epilogue`);
  const { code, grid } = tile.kind === "gpu"
    ? gpu(options, splits, storing(c, epilogue))
    : software(options, tile, splits, storing(c, epilogue));
  return {
    label,
    code: `${epilogue?.functions ?? ""}${code}`,
    grid: [grid[0], grid[1], splits],
    bindings: bind(c, [a, b], epilogue?.bindings),
    flop: 2 * m * n * k,
    bytes: 4 * (m * k + k * n + splits * m * n),
  };
}

/** C[r] = Σ P[r][s], s ascending: what a split product leaves to do. */
export function sumSplits(
  { label, m, n, splits, partial, c }: Pick<Gemm, "label" | "m" | "n" | "c"> & { splits: number; partial: View },
): Kernel {
  const n4 = n / 4, store = storing(c);
  const code = `
@compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3u) {
  let row = id.x / ${n4}u; let col4 = id.x % ${n4}u; let r = id.z;
  if (row >= ${m}u) { return; }
  var value = vec4f();
  for (var s = 0u; s < ${splits}u; s++) { value += ${at(parts(partial, splits), `(r * ${splits}u + s)`, "row", "col4")}; }
  ${store("value", "row", "col4", "r")}
}`;
  return {
    label,
    code,
    bindings: bind(c, [partial]),
    grid: [Math.ceil(m * n4 / 64), 1, 1],
    flop: splits * m * n,
    bytes: 4 * (splits + 1) * m * n,
  };
}

function software({ m, n, k, a, b, form }: Gemm, tile: SoftwareTile, splits: number, store: Store) {
  const tn = form === "tn", nt = form === "nt", n4 = n / 4;
  // Equal blocks of whole vectors of 8 lanes: 388 rows become 2 × 200 lanes, not 2 × 256.
  const blocks = Math.ceil(m / tile.rows), lanes = 8 * Math.ceil(m / blocks / 8);
  const share = tn ? Math.ceil(k / splits) : 4 * Math.ceil(k / 4 / splits), ragged = share * splits > k;
  const widest = Math.max(1, Math.min(tile.columns, Math.floor(tile.unroll / share))), width = Math.ceil(n4 / Math.ceil(n4 / widest));
  const columns = range(width);

  /** Copies depth [k0, k0 + depth) of B's columns; past the end of the contraction it writes zeros. */
  const stage = (k0: number, depth: number) => {
    const items = width * depth;
    return lines(range(Math.ceil(items / lanes)), (i) => {
      const s = `min(lane + ${i * lanes}u, ${items - 1}u)`, per = nt ? 4 * width : width, step = nt ? k0 / 4 : k0;
      const end = nt ? k / 4 : k, deep = `start${nt ? " / 4u" : ""} + ${step}u + s / ${per}u`;
      const index = nt
        ? at(b, "r", `min(4u * col0 + s % ${per}u, ${n - 1}u)`, `min(d, ${end - 1}u)`)
        : at(b, "r", `min(d, ${end - 1}u)`, `min(col0 + s % ${per}u, ${n4 - 1}u)`);
      const value = ragged ? `select(vec4f(), ${index}, d < ${end}u)` : index;
      return `  { let s = ${s}; let d = ${deep}; tile[lane + ${i * lanes}u] = ${value}; }`;
    });
  };
  const load = (d: number, depth: string) => {
    const deep = ragged ? `min(${depth}, ${tn ? k - 1 : k / 4 - 1}u)` : depth;
    return `  let a${d} = ${tn ? `${at(a, "r", deep, "row / 4u")}[row % 4u]` : at(a, "r", "row", deep)};`;
  };
  /** Up to four steps of the contraction at once, so that each accumulator leaves its register and returns once per four. */
  const body = (d: number, local: number, steps: number) => {
    const quad = range(steps), loads = tn ? quad.map((q) => load(d + q, `start + ${d + q}u`)) : [load(d, `start / 4u + ${d / 4}u`)];
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
    return n4 % width ? `  if (col0 + ${j}u < ${n4}u) ${text}` : `  ${text}`;
  });
  const code = `
var<workgroup> tile: array<vec4f, ${size}>;
@compute @workgroup_size(${lanes}) fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  // Column blocks come first in the grid, so that neighbouring workgroups find A's rows in the cache.
  let col0 = group.x * ${width}u; let part = group.z; let r = part / ${splits}u; let start = part % ${splits}u * ${share}u;
  let own = group.y * ${lanes}u + lane; let row = min(own, ${m - 1}u);
${lines(columns, (j) => `  var c${j} = vec4f();`)}
${segments.join("\n")}
  if (own >= ${m}u) { return; }
${stores.join("\n")}
}`;
  return { code, grid: [Math.ceil(n4 / width), blocks] };
}

/** 16 × 16 threads own 64 × 64 of C, 4 × 4 each, and walk the contraction in steps of 16. */
function gpu({ m, n, k, a, b, form }: Gemm, splits: number, store: Store) {
  const share = 16 * Math.ceil(k / 16 / splits);
  /** One vec4 per thread into a tile [16, 64] with padded rows; beyond the matrix it is zero. */
  const stage = (tile: string, v: View, origin: string, limit: number, deep: boolean) => {
    const [outer, inner] = deep ? ["lane / 4u", "4u * (lane % 4u)"] : ["4u * (lane % 16u)", "lane / 16u"];
    const index = deep
      ? at(v, "r", `min(o, ${limit - 1}u)`, `min(d, ${k - 4}u) / 4u`)
      : at(v, "r", `min(d, ${k - 1}u)`, `min(o, ${limit - 4}u) / 4u`);
    const put = range(4).map((i) =>
      deep ? `${tile}[(i + ${i}u) * 68u + o - ${origin}] = v.${"xyzw"[i]};` : `${tile}[i * 68u + o - ${origin} + ${i}u] = v.${"xyzw"[i]};`
    );
    return `    { let i = ${inner}; let o = ${origin} + ${outer}; let d = k0 + i;
      let v = select(vec4f(), ${index}, d < end && o < ${limit}u);
      ${put.join(" ")} }`;
  };
  const code = `
var<workgroup> ta: array<f32, 1088>;
var<workgroup> tb: array<f32, 1088>;
@compute @workgroup_size(256) fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let col0 = group.x * 64u; let row0 = group.y * 64u; let part = group.z; let r = part / ${splits}u;
  let start = part % ${splits}u * ${share}u; let end = min(start + ${share}u, ${k}u);
  let x = 4u * (lane % 16u); let y = 4u * (lane / 16u);
${lines(range(4), (i) => `  var c${i} = vec4f();`)}
  for (var k0 = start; k0 < end; k0 += 16u) {
${stage("ta", a, "row0", m, form !== "tn")}
${stage("tb", b, "col0", n, form === "nt")}
    workgroupBarrier();
${
    lines(range(16), (d) => {
      const [ia, ib] = [`y + ${d * 68}u`, `x + ${d * 68}u`];
      const products = range(4).map((i) => `c${i} += ta[${ia} + ${i}u] * b${d};`).join(" ");
      return `    let b${d} = vec4f(tb[${ib}], tb[${ib} + 1u], tb[${ib} + 2u], tb[${ib} + 3u]); ${products}`;
    })
  }
    workgroupBarrier();
  }
  let col4 = (col0 + x) / 4u;
  if (col4 >= ${n / 4}u) { return; }
${lines(range(4), (i) => `  if (row0 + y + ${i}u < ${m}u) { let row = row0 + y + ${i}u; ${store(`c${i}`, "row", "col4", "part")} }`)}
}`;
  return { code, grid: [Math.ceil(n / 64), Math.ceil(m / 64)] };
}
