/**
 * C[r] = A[r] · B[r] for every run r, as WGSL.
 *
 * Two generators share one contract: run r only ever meets its own data, every sum is taken in an order that
 * the sizes m, n, k and the tile fix, and nothing outside C's view is written. So a run's result is bit for bit
 * the same alone and among others. `software` is for drivers on the processor, `gpu` for hardware.
 *
 * With `splits` > 1 the contraction is cut, and C holds [R, splits, m, n] partial sums, which `sumSplits` adds in order.
 * The code depends on no R, so one compilation serves any number of runs.
 */
import { gpu, type GpuTile } from "./gemm/gpu.ts";
import { software, type SoftwareTile } from "./gemm/software.ts";
import { alias, at, numbers, type Sizes, type Store, type View } from "./gemm/view.ts";
import { type Binding, type Constants, elementwise, type Kernel, read, write } from "./kernel.ts";

export type { View } from "./gemm/view.ts";
export { BLOCKS, GPU_TILE, type GpuTile } from "./gemm/gpu.ts";
export { SOFTWARE_TILE } from "./gemm/software.ts";

/** How the work is cut, by kind of device. Nothing in it may depend on R. */
export type Tile = SoftwareTile | GpuTile;

/** What becomes of each vec4f of C, instead of a plain store. */
export interface Epilogue {
  /** Buffers that `store` uses beside A, B and C, which are bound anyway, C for reading too. */
  readonly bindings?: readonly Binding[];
  /** WGSL functions that `store` calls. */
  readonly functions?: string;
  /** What `store` and the functions read as `u.name`. */
  readonly constants?: Constants;
  /**
   * Statements that use the vec4f `value` at (`row`, 4 · `col4`) of run `r`, all u32 expressions; `index` is where in C, which is `out`, it
   * goes.
   */
  readonly store: (value: string, row: string, col4: string, r: string, index: string) => string;
}

export interface Gemm extends Sizes {
  readonly label: string;
  readonly a: View;
  readonly b: View;
  readonly c: View;
  /** Cuts the contraction into so many parts; C is then [R, splits, m, n], its runStride still from one run to the next. */
  readonly splits?: number;
  readonly epilogue?: Epilogue;
  readonly tile: Tile;
}

/** Partial sums seen as runs: part s of run r is r · splits + s, which is also how the grid counts. */
const parts = (v: View, splits: number): View => ({ ...v, runStride: v.runStride / splits });

const storing = (epilogue?: Epilogue): Store => (value, row, col4, r) => {
  const index = at("c", r, row, col4);
  return epilogue ? epilogue.store(value, row, col4, r, index) : `out[${index}] = ${value};`;
};

/** Each buffer once, as WebGPU demands: the weights and the bias, say, are one. */
function bind(a: View, b: View | null, c: View, extra: readonly Binding[] = []): Binding[] {
  const operands = [read.vec4f(a.buffer, a.shape, alias(a, "x")), ...(b ? [read.vec4f(b.buffer, b.shape, alias(b, "y"))] : [])];
  const bindings = new Map([...operands, ...extra, write.vec4f(c.buffer, c.shape, "out")].map((binding) => [binding.buffer, binding]));
  return [...bindings.values()];
}

export function gemm({ splits = 1, ...options }: Gemm): Kernel {
  const { label, m, n, k, a, form, epilogue, tile } = options, c = parts(options.c, splits);
  // A matrix times itself, and a weight times a weight: their buffer is bound once.
  const b = options.b.buffer === a.buffer ? { ...options.b, as: alias(a, "x") } : options.b;
  for (const v of [a, b, c]) {
    if ([v.offset, v.runStride, v.stride].some((x) => x % 4)) throw new Error(`${label}: ${v.buffer} is not aligned to vec4f`);
  }
  if (n % 4 || (form !== "tn" && k % 4)) throw new Error(`${label}: ${m} × ${n} × ${k} must be padded to multiples of 4`);
  if (splits > 1 && epilogue) throw new Error(`${label}: partial sums take no epilogue`);
  const { code, grid, share } = tile.kind === "gpu"
    ? gpu(options, { a, b }, tile.block(options), splits, storing(epilogue))
    : software(options, { a, b }, tile, splits, storing(epilogue));
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
  return elementwise({
    label,
    count: m * n / 4,
    bindings: bind(partial, null, c, epilogue?.bindings),
    constants: { n4: n / 4, splits, ...numbers("a", parts(partial, splits)), ...numbers("c", c), ...epilogue?.constants },
    functions: epilogue?.functions ?? "",
    body: `
  let row = i / u.n4; let col4 = i % u.n4;
  var value = vec4f();
  for (var s = 0u; s < u.splits; s++) { value += x[${at("a", "(r * u.splits + s)", "row", "col4")}]; }
  ${storing(epilogue)("value", "row", "col4", "r")}`,
    flop: splits * m * n,
    bytes: 4 * (splits + 1) * m * n,
  });
}
