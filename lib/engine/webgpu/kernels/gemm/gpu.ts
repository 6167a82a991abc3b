/**
 * Products for hardware adapters: 16 × 16 threads stage both operands in workgroup memory and keep a block of C each in registers. A block
 * of 8 × 8 loads 16 floats for 64 multiply-adds, one of 4 × 4 loads 8 for 16, but fits small products better, and those of a single run
 * better still by 8 × 8 threads; which is best is measured (`tune.ts`).
 * Whatever the block, each element of C is summed over ascending k from zero by multiply-adds that are written as such, so that the choice
 * changes no bits.
 */
import { alias, at, type Generated, lines, type Operands, range, type Sizes, type Store } from "./view.ts";

/** What a thread owns of C, how many threads to a side share a tile, and how much of the contraction is staged at a time. */
export interface Block {
  readonly side: 8 | 16;
  readonly rows: 4 | 8;
  readonly columns: 4 | 8;
  readonly depth: 8 | 16;
}

export interface GpuTile {
  readonly kind: "gpu";
  /** Into how many parts to cut the contraction. */
  readonly splits: (sizes: Sizes) => number;
  readonly block: (sizes: Sizes) => Block;
}

export const BLOCKS: readonly Block[] = [[16, 4, 4], [16, 4, 8], [16, 8, 4], [16, 8, 8], [8, 4, 4]].flatMap(([side, rows, columns]) =>
  [8, 16].map((depth) => ({ side, rows, columns, depth }) as Block)
);

/** Bytes of workgroup memory that a block takes. */
export const workgroupBytes = ({ side, rows, columns, depth }: Block) => 16 * depth * ((rows + columns) * side / 4 + 2);

/**
 * Gradients of weights are small and their contractions long: these are cut, but into parts no shorter than `SHARE`, and no finer than
 * fills a large card with one run. Of a wide model's weights there are enough blocks anyway, and their parts would take more memory than
 * all else.
 */
const SHARE = 256, FULL = 512;

/** Without a measurement: eight rows or columns per thread where they fill a workgroup; at this depth every adapter has the memory. */
export const GPU_TILE: GpuTile = {
  kind: "gpu",
  splits: ({ form, m, n, k }) => (form === "tn" ? Math.ceil(k / Math.max(SHARE, k * Math.ceil(m / 64) * Math.ceil(n / 64) / FULL)) : 1),
  block: ({ m, n }) => ({ side: 16, rows: m < 128 ? 4 : 8, columns: n < 128 ? 4 : 8, depth: 8 }),
};

export function gpu(
  { form, m, n, k }: Sizes,
  { a: from, b }: Operands,
  { side, rows, columns, depth }: Block,
  splits: number,
  store: Store,
): Generated {
  // In steps that no block divides differently.
  const share = 16 * Math.ceil(k / 16 / splits), ragged = splits > 1 || k % 16 !== 0;
  const threads = side * side, [height, width] = [side * rows, side * columns], down = range(rows / 4), across = range(columns / 4);
  /**
   * Rows of a tile [depth, outer] in vec4, one more than there are, so that threads which store transposed blocks meet fewer of the same
   * bank.
   */
  const [highs, wides] = [height / 4 + 1, width / 4 + 1];
  const a = staging("a", alias(from, "x"), {
    threads,
    outer: height,
    depth,
    deep: form !== "tn",
    ragged,
    stride: highs,
    origin: "row0",
    limit: "u.m",
  });
  const y = staging("b", alias(b, "y"), {
    threads,
    outer: width,
    depth,
    deep: form === "nt",
    ragged,
    stride: wides,
    origin: "col0",
    limit: "(4u * u.n4)",
  });
  const sums = down.flatMap((i) => range(4).flatMap((w) => across.map((j) => ({ i, w, j, name: `c${i}${w}${j}` }))));
  const step = (d: number) =>
    [
      ...down.map((i) => `let a${i} = ta[${d * highs + side * i}u + top];`),
      ...across.map((j) => `let b${j} = tb[${d * wides + side * j}u + left];`),
      ...sums.map(({ i, w, j, name }) => `${name} = fma(vec4f(a${i}.${"xyzw"[w]}), b${j}, ${name});`),
    ].join(" ");
  const stores = lines(
    sums,
    ({ i, w, j, name }) =>
      `  { let row = row0 + ${4 * side * i + w}u + 4u * top; let col4 = col0 / 4u + ${side * j}u + left;
    if (row < u.m && col4 < u.n4) { ${store(name, "row", "col4", "part")} } }`,
  );
  const code = `
var<workgroup> ta: array<vec4f, ${depth * highs}>;
var<workgroup> tb: array<vec4f, ${depth * wides}>;
@compute @workgroup_size(${threads}) fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
  // The mask changes nothing, but with it a compiler knows the bound and doesn't check it at every index.
  let lane = thread & ${threads - 1}u;
  let col0 = group.x * ${width}u; let row0 = group.y * ${height}u; let part = group.z; let r = part / u.splits;
  let start = part % u.splits * u.share; let end = min(start + u.share, u.k);
  let left = lane % ${side}u; let top = lane / ${side}u;
${lines(sums, ({ name }) => `  var ${name} = vec4f();`)}
${lines([...a.names, ...y.names], (name) => `  var ${name} = vec4f();`)}
  var k0 = start;
  if (k0 < end) {
${a.fetch}
${y.fetch}
  }
  while (k0 < end) {
${a.put}
${y.put}
    workgroupBarrier();
    k0 += ${depth}u;
    if (k0 < end) {
${a.fetch}
${y.fetch}
    }
${lines(range(depth), (d) => `    { ${step(d)} }`)}
    workgroupBarrier();
  }
${stores}
}`;
  return { code, share, grid: [Math.ceil(n / width), Math.ceil(m / height)] };
}

interface Staged {
  /** Of a workgroup. */
  readonly threads: number;
  /** Rows or columns of C that a tile covers, and steps of the contraction. */
  readonly outer: number;
  readonly depth: number;
  /** Whether the operand is contiguous along the contraction. */
  readonly deep: boolean;
  /** Whether the contraction may end within a tile. */
  readonly ragged: boolean;
  /** From one step of the contraction to the next in a tile, in vec4. */
  readonly stride: number;
  /** WGSL: where in C the tile begins, and where C ends. */
  readonly origin: string;
  readonly limit: string;
}

/**
 * How a tile of an operand gets into workgroup memory: `fetch` reads what lies at `k0` into variables, a step ahead, so that memory is
 * waited for behind multiply-adds; `put` stores them. Rows beyond the matrix repeat its last, and what comes of them isn't stored.
 */
function staging(operand: "a" | "b", from: string, { threads, outer, depth, deep, ragged, stride, origin, limit }: Staged) {
  const items = depth * outer / (deep ? 16 : 4), tile = `t${operand}`;
  const dropped = (value: string) => (ragged ? `select(vec4f(), ${value}, d < end)` : value);
  const loads = range(Math.ceil(items / threads)).map((i) => {
    // Where half of the threads can stage an operand, the other half stages the other.
    const s = operand === "b" && 2 * items <= threads ? `(lane + ${threads / 2}u) % ${threads}u` : `lane + ${i * threads}u`;
    const names = range(deep ? 4 : 1).map((v) => `${tile}${i}${v}`);
    const each = (body: string) => {
      const place = deep
        ? `let q = s % ${depth / 4}u; let o = s / ${depth / 4}u;`
        : `let o = s % ${outer / 4}u; let q = s / ${outer / 4}u;`;
      return `    { let s = ${s}; ${place} ${(i + 1) * threads > items ? `if (s < ${items}u) { ${body} }` : body} }`;
    };
    if (!deep) {
      const index = at(operand, "r", "min(d, u.k - 1u)", `min(${origin} / 4u + o, ${limit} / 4u - 1u)`);
      const fetch = each(`let d = k0 + q; ${names[0]} = ${dropped(`${from}[${index}]`)};`);
      return { names, fetch, put: each(`${tile}[q * ${stride}u + o] = ${names[0]};`) };
    }
    // Four rows of four are contiguous along the contraction; they are transposed on the way.
    const row = (v: number) => at(operand, "r", `min(${origin} + 4u * o + ${v}u, ${limit} - 1u)`, "min(d, u.k - 4u) / 4u");
    const turned = (w: number) => `vec4f(${names.map((name) => `${name}.${"xyzw"[w]}`).join(", ")})`;
    const fetch = each(`let d = k0 + 4u * q; ${names.map((name, v) => `${name} = ${dropped(`${from}[${row(v)}]`)};`).join(" ")}`);
    return { names, fetch, put: each(range(4).map((w) => `${tile}[(4u * q + ${w}u) * ${stride}u + o] = ${turned(w)};`).join(" ")) };
  });
  return { names: loads.flatMap(({ names }) => names), fetch: lines(loads, ({ fetch }) => fetch), put: lines(loads, ({ put }) => put) };
}
