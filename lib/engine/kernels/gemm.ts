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
import { type Binding, type Constants, type Kernel, read, write } from "./kernel.ts";

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

type Form = "nn" | "nt" | "tn";

interface GpuTile {
  readonly kind: "gpu";
  /** Into how many parts to cut a contraction of length `k`. */
  readonly splits: (form: Form, k: number) => number;
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
  ...{ kind: "software", rows: 256, columns: 16, depth: 128, unroll: 1024 },
  splits: (_, k) => Math.ceil(k / 128),
};
export const GPU_TILE: GpuTile = { kind: "gpu", splits: (form, k) => (form === "tn" ? Math.ceil(k / 512) : 1) };

/** What becomes of each vec4f of C, instead of a plain store. */
export interface Epilogue {
  /** Buffers that `store` uses beside A, B and C, which are bound anyway, C for reading too. */
  readonly bindings?: readonly Binding[];
  /** WGSL functions that `store` calls. */
  readonly functions?: string;
  /** What `store` and the functions read as `u.name`. */
  readonly constants?: Constants;
  /** Statements that use the vec4f `value` at (`row`, 4 · `col4`) of run `r`, all u32 expressions; `index` is where in C, which is `out`, it goes. */
  readonly store: (value: string, row: string, col4: string, r: string, index: string) => string;
}

export interface Gemm {
  readonly label: string;
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly a: View;
  readonly b: View;
  readonly c: View;
  readonly form: Form;
  /** Cuts the contraction into so many parts; C is then [R, splits, m, n], its runStride still from one run to the next. */
  readonly splits?: number;
  readonly epilogue?: Epilogue;
  readonly tile: Tile;
}

const range = (n: number) => Array.from({ length: n }, (_, i) => i);
const lines = <T>(items: readonly T[], line: (item: T) => string) => items.map(line).join("\n");

/** The index of (row, 4 · col4) in run r of a view, whose numbers are constants named after the operand. */
const at = (view: "a" | "b" | "c", r: string, row: string, col4: string) =>
  `${r} * u.${view}_run + (${row}) * u.${view}_row + u.${view}_at + (${col4})`;
const numbers = (view: "a" | "b" | "c", { offset, runStride, stride }: View): Constants => ({
  [`${view}_at`]: offset / 4,
  [`${view}_row`]: stride / 4,
  [`${view}_run`]: runStride / 4,
});
/** Partial sums seen as runs: part s of run r is r · splits + s, which is also how the grid counts. */
const parts = (v: View, splits: number): View => ({ ...v, runStride: v.runStride / splits });

type Store = (value: string, row: string, col4: string, r: string) => string;

const storing = (epilogue?: Epilogue): Store => (value, row, col4, r) => {
  const index = at("c", r, row, col4);
  return epilogue ? epilogue.store(value, row, col4, r, index) : `out[${index}] = ${value};`;
};

/** Weights keep their name, because biases lie in the same buffer; other operands are called the same in all products. */
const alias = (v: View, name: string) => (v.buffer === "params" ? "params" : name);

/** Each buffer once, as WebGPU demands: the weights and the bias, say, are one. */
function bind(a: View, b: View | null, c: View, extra: readonly Binding[] = []): Binding[] {
  const operands = [read.vec4f(a.buffer, a.shape, "x"), ...(b ? [read.vec4f(b.buffer, b.shape, alias(b, "y"))] : [])];
  const bindings = new Map([...operands, ...extra, write.vec4f(c.buffer, c.shape, "out")].map((binding) => [binding.buffer, binding]));
  return [...bindings.values()];
}

export function gemm({ splits = 1, ...options }: Gemm): Kernel {
  const { label, m, n, k, a, b, form, epilogue, tile } = options, c = parts(options.c, splits);
  for (const v of [a, b, c]) {
    if ([v.offset, v.runStride, v.stride].some((x) => x % 4)) throw new Error(`${label}: ${v.buffer} is not aligned to vec4f`);
  }
  if (n % 4 || (form !== "tn" && k % 4)) throw new Error(`${label}: ${m} × ${n} × ${k} must be padded to multiples of 4`);
  if (splits > 1 && epilogue) throw new Error(`${label}: partial sums take no epilogue`);
  const make = tile.kind === "gpu" ? gpu : software;
  const { code, grid, share } = make(options, tile as SoftwareTile, splits, storing(epilogue));
  return {
    label,
    code: `${epilogue?.functions ?? ""}${code}`,
    grid: [grid[0], grid[1], splits],
    bindings: bind(a, b, c, epilogue?.bindings),
    constants: { m, n4: n / 4, k, splits, share, ...numbers("a", a), ...numbers("b", b), ...numbers("c", c), ...epilogue?.constants },
    flop: 2 * m * n * k,
    bytes: 4 * (m * k + k * n + splits * m * n),
  };
}

/** C[r] = Σ P[r][s], s ascending: what a split product leaves to do. */
export function sumSplits(
  { label, m, n, splits, partial, c, epilogue }: Pick<Gemm, "label" | "m" | "n" | "c" | "epilogue"> & { splits: number; partial: View },
): Kernel {
  const code = `${epilogue?.functions ?? ""}
@compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3u) {
  let row = id.x / u.n4; let col4 = id.x % u.n4; let r = id.z;
  if (row >= u.m) { return; }
  var value = vec4f();
  for (var s = 0u; s < u.splits; s++) { value += x[${at("a", "(r * u.splits + s)", "row", "col4")}]; }
  ${storing(epilogue)("value", "row", "col4", "r")}
}`;
  return {
    label,
    code,
    bindings: bind(partial, null, c, epilogue?.bindings),
    constants: { m, n4: n / 4, splits, ...numbers("a", parts(partial, splits)), ...numbers("c", c), ...epilogue?.constants },
    grid: [Math.ceil(m * n / 4 / 64), 1, 1],
    flop: splits * m * n,
    bytes: 4 * (splits + 1) * m * n,
  };
}

/**
 * C[r] = A[r] · B[r] as one kernel, or as two where the tile cuts so long a contraction: partial sums into a buffer that `scratch` provides,
 * then their sum, with the epilogue.
 */
export function product(options: Gemm, scratch: (floats: number) => string): Kernel[] {
  const { label, m, n, k, c, form, tile, epilogue } = options;
  const splits = tile.splits(form, k);
  if (splits === 1) return [gemm(options)];
  const partial: View = { buffer: scratch(splits * m * n), offset: 0, runStride: splits * m * n, stride: n, shape: "[R, split, m, n]" };
  const { epilogue: _, ...plain } = options;
  return [
    gemm({ ...plain, label: `${label}, parts`, c: partial, splits }),
    sumSplits({ label: `${label}, sum of parts`, m, n, splits, partial, c, ...(epilogue ? { epilogue } : {}) }),
  ];
}

/** Rounds up to whole steps. */
const up = (n: number, step: number) => step * Math.ceil(n / step);

function software({ m, n, k, b, form }: Gemm, tile: SoftwareTile, splits: number, store: Store) {
  const tn = form === "tn", nt = form === "nt", n4 = n / 4;
  // Equal blocks: 388 rows become 2 × 224 lanes, not 2 × 256. Whole steps, so that other sizes find the code compiled.
  const blocks = Math.ceil(m / tile.rows), lanes = up(Math.ceil(m / blocks), 32);
  // A part that would reach beyond the end begins early enough to end with it, and counts nothing twice: no load of A needs a bound.
  const share = splits === 1 ? k : up(Math.ceil(k / splits), tn ? 32 : 4), ragged = share * splits !== k;
  const widest = Math.max(1, Math.min(tile.columns, Math.floor(tile.unroll / share))), width = Math.ceil(n4 / Math.ceil(n4 / widest));
  const columns = range(width), B = alias(b, "y");

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
  const load = (d: number) => tn ? `  let a${d} = x[a][row % 4u]; a += u.a_row;` : `  let a${d} = x[a + ${d / 4}u];`;
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

/** 16 × 16 threads own 64 × 64 of C, 4 × 4 each, and walk the contraction in steps of 16. */
function gpu({ m, n, k, b, form }: Gemm, _: Tile, splits: number, store: Store) {
  const share = 16 * Math.ceil(k / 16 / splits);
  /** One vec4 per thread into a tile [16, 64] with padded rows; beyond the matrix it is zero. */
  const stage = (tile: string, operand: "a" | "b", origin: string, limit: string, deep: boolean) => {
    const [outer, inner] = deep ? ["lane / 4u", "4u * (lane % 4u)"] : ["4u * (lane % 16u)", "lane / 16u"];
    const index = deep
      ? at(operand, "r", `min(o, ${limit} - 1u)`, "min(d, u.k - 4u) / 4u")
      : at(operand, "r", "min(d, u.k - 1u)", `min(o, ${limit} - 4u) / 4u`);
    const put = range(4).map((i) =>
      deep ? `${tile}[(i + ${i}u) * 68u + o - ${origin}] = v.${"xyzw"[i]};` : `${tile}[i * 68u + o - ${origin} + ${i}u] = v.${"xyzw"[i]};`
    );
    return `    { let i = ${inner}; let o = ${origin} + ${outer}; let d = k0 + i;
      let v = select(vec4f(), ${operand === "a" ? "x" : alias(b, "y")}[${index}], d < end && o < ${limit});
      ${put.join(" ")} }`;
  };
  const code = `
var<workgroup> ta: array<f32, 1088>;
var<workgroup> tb: array<f32, 1088>;
@compute @workgroup_size(256) fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let col0 = group.x * 64u; let row0 = group.y * 64u; let part = group.z; let r = part / u.splits;
  let start = part % u.splits * u.share; let end = min(start + u.share, u.k);
  let left = 4u * (lane % 16u); let top = 4u * (lane / 16u);
${lines(range(4), (i) => `  var c${i} = vec4f();`)}
  for (var k0 = start; k0 < end; k0 += 16u) {
${stage("ta", "a", "row0", "u.m", form !== "tn")}
${stage("tb", "b", "col0", "(4u * u.n4)", form === "nt")}
    workgroupBarrier();
${
    lines(range(16), (d) => {
      const [ia, ib] = [`top + ${d * 68}u`, `left + ${d * 68}u`];
      const products = range(4).map((i) => `c${i} += ta[${ia} + ${i}u] * b${d};`).join(" ");
      return `    let b${d} = vec4f(tb[${ib}], tb[${ib} + 1u], tb[${ib} + 2u], tb[${ib} + 3u]); ${products}`;
    })
  }
    workgroupBarrier();
  }
  let col4 = (col0 + left) / 4u;
  if (col4 >= u.n4) { return; }
${lines(range(4), (i) => `  if (row0 + top + ${i}u < u.m) { let row = row0 + top + ${i}u; ${store(`c${i}`, "row", "col4", "part")} }`)}
}`;
  return { code, share, grid: [Math.ceil(n / 64), Math.ceil(m / 64)] };
}
