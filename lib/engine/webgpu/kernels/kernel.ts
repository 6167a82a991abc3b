/**
 * A kernel is plain data before a device exists: code, bindings, grid. Tests read it, benchmarks cost it, and `gpu.ts` turns it
 * into a pipeline and a bind group.
 *
 * A kernel is written for one run. Its grid is one run's; the dispatch repeats it along z for every row, and `r` is the row.
 * So no code depends on R, and a run's bits don't either.
 */
import type { View } from "../../op.ts";

/** One storage buffer that a kernel reads or writes; `shape` is the legend's, for people. */
export interface Binding {
  /** The buffer's name in the plan. */
  readonly buffer: string;
  /** The variable's name in the WGSL code, where it differs from the buffer's. */
  readonly as?: string;
  readonly access: "read" | "read_write";
  /** The WGSL type, e.g. `array<vec4f>`. */
  readonly type: string;
  /** e.g. `[R, B, T, D]` */
  readonly shape: string;
}

/**
 * The buffer of a view that a kernel addresses from its beginning.
 * @throws Error where the view begins elsewhere.
 */
export function whole({ buffer, offset }: View): string {
  if (offset !== 0) throw new Error(`Cannot bind ${buffer}: the view must begin with the buffer, current value is ${offset}`);
  return buffer;
}

/** Rows of a view, all of the use's. */
export const rowsOf = ({ words, stride }: View) => words / stride;

export type Constants = Readonly<Record<string, number>>;

/** One dispatch: what it runs, on which buffers, over which grid, and what it costs a run. */
export interface Kernel {
  /** What it computes, e.g. `0.mlp_pre = mid · W_in + b_in`. */
  readonly label: string;
  /** WGSL with an entry point `main`; the binding declarations are prepended by `source`. */
  readonly code: string;
  readonly bindings: readonly Binding[];
  /** Sizes and offsets that the code reads as `u.name`: numbers that differ while the code doesn't, so that it is compiled once. */
  readonly constants?: Constants;
  /** Workgroups of one run; `main` has the row in z, divided by the grid's own z. */
  readonly grid: readonly [number, number, number];
  /** Floating-point operations of one run. */
  readonly flop: number;
  /** Bytes that one run must at least move. */
  readonly bytes: number;
}

/** The kernel's complete WGSL: its bindings, each line ending in the shape, its constants after them, then its code. */
export function source(kernel: Kernel): string {
  const lines = kernel.bindings.map(({ buffer, as, access, type, shape }, i) =>
    `@group(0) @binding(${i}) var<storage, ${access}> ${as ?? name(buffer)}: ${type}; // ${shape}`
  );
  const names = Object.keys(kernel.constants ?? {});
  if (names.length > 0) {
    lines.push(`struct Constants { ${names.map((name) => `${name}: u32`).join(", ")} }`);
    lines.push(`@group(0) @binding(${lines.length - 1}) var<uniform> u: Constants;`);
  }
  return `${lines.join("\n")}\n${kernel.code}`;
}

/** A buffer's name as a WGSL identifier: `0.mid` is `mid`, `eval.mid` too. */
export const name = (buffer: string) => buffer.split(".").at(-1)!;

const reading = (type: string) => (buffer: string, shape: string, as?: string): Binding => ({
  buffer,
  access: "read",
  type,
  shape,
  ...(as === undefined ? {} : { as }),
});
const writing = (type: string) => (buffer: string, shape: string, as?: string): Binding => ({
  ...reading(type)(buffer, shape, as),
  access: "read_write",
});

/** Bindings by type and access: `read.vec4f("mid", "[R, B, T, D]")`, with another name in the code as the third argument. */
export const read = {
  vec4f: reading("array<vec4f>"),
  vec2f: reading("array<vec2f>"),
  u32: reading("array<u32>"),
  f32: reading("array<f32>"),
};
export const write = {
  vec4f: writing("array<vec4f>"),
  vec2f: writing("array<vec2f>"),
  u32: writing("array<u32>"),
  f32: writing("array<f32>"),
};

/** Threads of a workgroup in kernels with one thread an element. */
export const THREADS = 64;
/** Workgroups along one axis of a grid, at most: the limit of WebGPU. */
export const AXIS = 65535;

/** One thread for each of `count` elements of a run: `body` sees `i`, the element, and `r`, the row. */
export function elementwise(
  { label, count, bindings, body, functions = "", constants = {}, flop = 0, bytes = 0 }: {
    readonly label: string;
    readonly count: number;
    readonly bindings: readonly Binding[];
    readonly body: string;
    readonly functions?: string;
    readonly constants?: Constants;
    readonly flop?: number;
    readonly bytes?: number;
  },
): Kernel {
  const groups = Math.ceil(count / THREADS);
  const code = `${functions}
@compute @workgroup_size(${THREADS}) fn main(@builtin(global_invocation_id) id: vec3u) {
  let r = id.z;
  let i = id.x${groups > AXIS ? ` + id.y * ${AXIS * THREADS}u` : ""};
  if (i >= u.count) { return; }
${body}
}`;
  return {
    label,
    code,
    bindings,
    constants: { count, ...constants },
    grid: [Math.min(groups, AXIS), Math.ceil(groups / AXIS), 1],
    flop,
    bytes,
  };
}

/**
 * A sum by one workgroup: every thread its share, then a tree; the order never changes. `type` is the WGSL type summed, `threads` a power
 * of two. Between two sums there must be a barrier.
 */
export const TREE = (type: string, threads = 256) => `
var<workgroup> tree: array<${type}, ${threads}>;
fn tree_sum(thread: u32, mine: ${type}) -> ${type} {
  tree[thread] = mine;
  for (var half = ${threads / 2}u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (thread < half) { tree[thread] += tree[thread + half]; }
  }
  workgroupBarrier();
  return tree[0];
}`;

/** WGSL: a struct of fields of four bytes. */
export function structOf(name: string, fields: readonly { readonly name: string; readonly type: string }[]): string {
  const each = fields.map(({ name, type }) => `${name}: ${type}`);
  if (each.length <= 4) return `\nstruct ${name} { ${each.join(", ")} }`;
  const lines = Array.from({ length: Math.ceil(each.length / 4) }, (_, i) => `  ${each.slice(4 * i, 4 * i + 4).join(", ")},`);
  return `\nstruct ${name} {\n${lines.join("\n")}\n}`;
}
