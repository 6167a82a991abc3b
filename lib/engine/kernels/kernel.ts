/**
 * A kernel is plain data before a device exists: code, bindings, grid. Tests read it, benchmarks cost it,
 * and `gpu.ts` turns it into a pipeline and a bind group.
 */

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

/** One dispatch: what it runs, on which buffers, over which grid, and what it costs. */
export interface Kernel {
  /** What it computes, e.g. `blocks.0.mlp.pre = resid_mid · W_in + b_in`. */
  readonly label: string;
  /** WGSL with an entry point `main`; the binding declarations are prepended by `source`. */
  readonly code: string;
  readonly bindings: readonly Binding[];
  readonly grid: readonly [number, number, number];
  /** Floating-point operations of one dispatch. */
  readonly flop: number;
  /** Bytes that one dispatch must at least move. */
  readonly bytes: number;
}

/** The kernel's complete WGSL: its bindings, each line ending in the shape, then its code. */
export function source(kernel: Kernel): string {
  const lines = kernel.bindings.map(({ buffer, as, access, type, shape }, i) =>
    `@group(0) @binding(${i}) var<storage, ${access}> ${as ?? buffer}: ${type}; // ${shape}`
  );
  return `// ${kernel.label}\n${lines.join("\n")}\n${kernel.code}`;
}
