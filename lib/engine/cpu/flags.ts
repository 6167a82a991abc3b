/**
 * V8's flags that let it pair 128-bit vectors into 256 bits on x86-64: the second packs pairs, the first takes the bounds checks away that
 * stand between them. They count where a process starts, for all WebAssembly in it; every range that the kernels reach has been checked
 * before, in `records.ts`. No bit depends on them.
 */
export const V8_FLAGS = ["--no-wasm-bounds-checks", "--experimental-wasm-revectorize"] as const;

/** The variable that Deno reads V8's flags from, and ours: `off` leaves them out. */
const VARIABLE = "DENO_V8_FLAGS", SWITCH = "GROKBOOK_V8_FLAGS";

type Environment = { readonly [name: string]: string };

/** Whether a process with this environment has all of them. */
export const hasFlags = (environment: Environment = Deno.env.toObject()) =>
  V8_FLAGS.every((flag) => (environment[VARIABLE] ?? "").split(",").includes(flag));

/**
 * What a process that trains should be started with: DENO_V8_FLAGS, with what it holds already.
 * @returns `null` where it is to stay as it is: on other architectures, where the flags are there, and where GROKBOOK_V8_FLAGS is off.
 * @throws Error where GROKBOOK_V8_FLAGS is neither on nor off.
 */
export function flagged(environment: Environment = Deno.env.toObject(), arch: string = Deno.build.arch): { [VARIABLE]: string } | null {
  const wanted = environment[SWITCH] ?? "on";
  if (wanted !== "on" && wanted !== "off") throw new Error(`Cannot use ${SWITCH}: it must be on or off, current value is ${wanted}`);
  if (wanted === "off" || arch !== "x86_64" || hasFlags(environment)) return null;
  const already = (environment[VARIABLE] ?? "").split(",").filter((flag) => flag !== "");
  return { [VARIABLE]: [...new Set([...already, ...V8_FLAGS])].join(",") };
}

/** Whether this V8 knows them: an unknown flag ends a process. Takes the time that Deno takes to start. */
export async function knowsFlags(flags: readonly string[] = V8_FLAGS): Promise<boolean> {
  const { success } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", ""],
    env: { [VARIABLE]: flags.join(",") },
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).output();
  return success;
}
