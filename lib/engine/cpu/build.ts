/**
 * Compiles the kernels: `deno run -A lib/engine/cpu/build.ts` writes `kernels.wasm`, which is committed. A test compiles them again and
 * compares. The compiler is needed here alone.
 */
import asc from "assemblyscript/asc";
import { join } from "node:path";
import { METRIC_COLUMNS } from "../../run/metrics.ts";
import { METRIC_WORDS } from "../evaluation.ts";
import { HYPER, STATE } from "../hyper.ts";

export const KERNELS = join(import.meta.dirname!, "kernels");
export const WASM = join(import.meta.dirname!, "kernels.wasm");

/** Memory is given by whoever makes an instance: shared, of 1 page to 4 GiB. */
const OPTIONS = [
  "-O3",
  "--noAssert",
  "--runtime",
  "stub",
  "--enable",
  "simd,relaxed-simd,threads",
  "--importMemory",
  "--sharedMemory",
  "--maximumMemory",
  "65536",
  "--use",
  "abort=",
];

/** Where each word of a run's `hyper` and `state` stands, in bytes: `WEIGHT_DECAY`, `STEP`. The kernels import it as "./hyper". */
const OFFSETS = [HYPER.map(({ name }) => name), STATE].flatMap((names) =>
  names.map((name, word) => `export const ${name.toUpperCase()}: usize = ${4 * word};\n`)
).join("");

/** Which word of `metrics` each metric is, `TRAIN_LOSS`, and how many there are. The kernels import it as "./metrics". */
const METRICS = [...METRIC_WORDS.map((name) => METRIC_COLUMNS[name].toUpperCase()), "METRIC_WORDS"]
  .map((name, word) => `export const ${name}: i32 = ${word};\n`).join("");

/** Modules that are made here. */
const MADE: Readonly<Record<string, string>> = { "hyper.ts": OFFSETS, "metrics.ts": METRICS };

/**
 * The compiled module.
 * @param text Called with the module as text, for people.
 * @throws Error with the compiler's messages.
 */
export async function compile(text?: (wat: string) => void): Promise<Uint8Array<ArrayBuffer>> {
  const written = new Map<string, string | Uint8Array>();
  const messages: string[] = [];
  const { error } = await asc.main(["interpreter.ts", ...OPTIONS, "--outFile", "out.wasm", ...(text ? ["--textFile", "out.wat"] : [])], {
    readFile: (name) => {
      if (Object.hasOwn(MADE, name)) return MADE[name];
      try {
        return Deno.readTextFileSync(join(KERNELS, name));
      } catch {
        return null;
      }
    },
    writeFile: (name, contents) => void written.set(name, contents),
    listFiles: () => [],
    stdout: { write: (line) => void messages.push(String(line)) },
    stderr: { write: (line) => void messages.push(String(line)) },
  });
  const wasm = written.get("out.wasm");
  if (error || !(wasm instanceof Uint8Array)) {
    throw new Error(`Cannot compile the kernels: ${[error?.message, ...messages].filter(Boolean).join("\n")}`);
  }
  text?.(String(written.get("out.wat")));
  return new Uint8Array(wasm);
}

if (import.meta.main) {
  const wasm = await compile();
  Deno.writeFileSync(WASM, wasm);
  console.log(`${WASM}: ${wasm.length} bytes`);
}
