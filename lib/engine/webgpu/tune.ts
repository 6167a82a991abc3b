/**
 * Which block is fastest for each product of a model, on this hardware adapter: every block that fits is measured once, and the result is
 * kept on disk. Nothing but speed depends on it: whatever the block, an element of C is summed in the same order.
 */
import { writeWhole } from "../../run/files.ts";
import type { Plan } from "../op.ts";
import type { Gpu } from "./gpu.ts";
import { gemm } from "./kernels/gemm.ts";
import { type Block, BLOCKS, GPU_TILE, type GpuTile, workgroupBytes } from "./kernels/gemm/gpu.ts";
import type { Sizes, View } from "./kernels/gemm/view.ts";

/** Floats of the largest operand that is measured with, at most. */
const FLOATS = 2 ** 24;
/**
 * About as many runs are measured at once as will train, because few leave a card idle that many fill; but no more than these operations
 * need.
 */
const RUNS = [1, 8, 64, 256], FLOP = 5e9;
/** How often each block is timed; the blocks take turns. */
const TURNS = 5;

/** The fastest blocks by product and runs, `nn 512×128×128, 8 runs`, by adapter and driver: what the file holds. */
type Known = Record<string, Record<string, Block>>;

const keyOf = ({ form, m, n, k }: Sizes, runs: number) => `${form} ${m}×${n}×${k}, ${runs} runs`;
const adapterOf = ({ adapter: { name, driver } }: Pick<Gpu, "adapter">) => `${name}, ${driver}`;

/** The products of a plan, each once. */
export function productsOf({ lists }: Plan): Sizes[] {
  const products = Object.values(lists).flat().flatMap((
    op,
  ): Sizes[] => (op.op === "product" ? [{ form: op.form, m: op.m, n: op.n, k: op.k }] : []));
  return [...new Map(products.map((sizes) => [keyOf(sizes, 1), sizes])).values()];
}

/**
 * `GPU_TILE` with the fastest block for each of some products; for others, and on an adapter without timestamps, its own.
 * @param rows how many runs will train at once, about.
 * @param file where results are kept; it is made where there is none. One that can't be read or written costs time and nothing else.
 */
export async function tunedTile(
  gpu: Pick<Gpu, "adapter" | "allocate" | "prepare" | "time">,
  products: readonly Sizes[],
  rows: number,
  file: string,
): Promise<GpuTile> {
  const known = await kept(file), adapter = adapterOf(gpu), blocks = { ...known[adapter] };
  const runs = RUNS.find((runs) => runs >= rows) ?? RUNS.at(-1)!;
  const news = products.filter((sizes) => !blocks[keyOf(sizes, runs)]);
  for (const sizes of news) {
    const block = await fastest(gpu, sizes, runs);
    if (block) blocks[keyOf(sizes, runs)] = block;
  }
  if (news.length > 0) await keep(file, adapter, blocks);
  return { ...GPU_TILE, block: (sizes) => blocks[keyOf(sizes, runs)] ?? GPU_TILE.block(sizes) };
}

/** The block that computes a product of at most so many runs soonest; `null` where that can't be measured. */
async function fastest(
  gpu: Pick<Gpu, "adapter" | "allocate" | "prepare" | "time">,
  { form, m, n, k }: Sizes,
  wanted: number,
): Promise<Block | null> {
  const label = keyOf({ form, m, n, k }, wanted), splits = GPU_TILE.splits({ form, m, n, k }), pad = (x: number) => 4 * Math.ceil(x / 4);
  const [a, b] = [form === "tn" ? [k, m] : [m, k], form === "nt" ? [n, k] : [k, n]];
  const sizes = { a: a[0] * pad(a[1]), b: b[0] * pad(b[1]), c: splits * m * n };
  const most = Math.min(wanted, Math.floor(FLOATS / Math.max(...Object.values(sizes))));
  const runs = Math.max(1, Math.min(most, Math.ceil(FLOP / (2 * m * n * k))));
  const buffers = await gpu.allocate(new Map(Object.entries(sizes).map(([name, floats]) => [name, 4 * floats * runs])));
  if (!buffers) return null;
  const view = (name: keyof typeof sizes, columns: number): View => ({
    buffer: name,
    offset: 0,
    runStride: sizes[name],
    stride: pad(columns),
    shape: "",
  });
  const views = { a: view("a", a[1]), b: view("b", b[1]), c: view("c", n) };
  const blocks = BLOCKS.filter((block) => workgroupBytes(block) <= gpu.adapter.limits.maxComputeWorkgroupStorageSize);
  try {
    const kernels = blocks.map((block) => gemm({ label, form, m, n, k, ...views, splits, tile: { ...GPU_TILE, block: () => block } }));
    const timings = await gpu.time(await gpu.prepare(kernels, buffers), runs, TURNS);
    if (!timings) return null;
    const times = timings.map(({ milliseconds }) => milliseconds);
    return blocks[times.indexOf(Math.min(...times))];
  } finally {
    for (const buffer of buffers.values()) buffer.destroy();
  }
}

async function kept(file: string): Promise<Known> {
  try {
    return JSON.parse(await Deno.readTextFile(file));
  } catch {
    return {};
  }
}

/** Adds blocks to the file, beside what other processes have written meanwhile. */
async function keep(file: string, adapter: string, blocks: Record<string, Block>): Promise<void> {
  const known = await kept(file);
  try {
    await writeWhole(file, `${JSON.stringify({ ...known, [adapter]: { ...known[adapter], ...blocks } }, null, 1)}\n`);
  } catch { /* the next process measures again */ }
}
