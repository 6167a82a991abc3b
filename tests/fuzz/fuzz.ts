/** `deno task fuzz`: many more inputs than the tests try, and which of them come out wrong. */
import { flagHelp, numberOf, parse } from "../../lib/cli/flags.ts";
import { run } from "../../lib/cli/main.ts";
import { cpuEngine } from "../../lib/engine/cpu/engine.ts";
import { engines } from "./engines.ts";
import { Chance, type Fuzzer } from "./finding.ts";
import { labs } from "./labs.ts";
import { safetensors } from "./safetensors.ts";
import { configs, flags, grids, inputs } from "./specs.ts";

/** All fuzzers, by name. */
export const FUZZERS: Readonly<Record<string, Fuzzer>> = {
  configs,
  grids,
  flags,
  inputs,
  safetensors,
  labs,
  runs: engines(() => cpuEngine(2)),
};

const FLAGS = {
  "cases": { value: "N", help: "inputs for each fuzzer [5000]" },
  "seed": { value: "S", help: "where chance begins: the same seed, the same inputs [1]" },
  "only": { value: "NAME", help: `one of them: ${Object.keys(FUZZERS).join(", ")}` },
  "help": { help: "this text" },
} as const;

async function main(args: string[]): Promise<number> {
  const given = parse(args, FLAGS), text = (name: string) => given.get(name) as string | undefined;
  if (given.has("help")) {
    console.log(
      `Gives broken inputs to what reads them, and says which aren't refused in one line; and runs of every kind to the\nprocessor engine, and says whose numbers aren't the oracle's.\n\n${
        flagHelp("Flags", Object.entries(FLAGS))
      }`,
    );
    return 0;
  }
  const cases = numberOf("cases", text("cases") ?? "5000"), seed = numberOf("seed", text("seed") ?? "1"), only = text("only");
  if (only !== undefined && !Object.hasOwn(FUZZERS, only)) {
    throw new Error(`Cannot read --only: must be one of ${Object.keys(FUZZERS).join(", ")}, current value is ${JSON.stringify(only)}`);
  }
  let found = 0;
  for (const [name, fuzzer] of Object.entries(FUZZERS)) {
    if (only !== undefined && name !== only) continue;
    const before = found;
    for await (const { input, problem } of fuzzer(new Chance(seed), cases)) {
      found++;
      console.log(`${name}: ${problem}\n  ${JSON.stringify(input)}`);
    }
    console.log(`${name}: ${cases} inputs from seed ${seed}, ${found - before} come out wrong`);
  }
  return found === 0 ? 0 : 1;
}

if (import.meta.main) await run(main);
