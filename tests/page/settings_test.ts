/** Settings, links and exports of the page, without a browser. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import * as here from "../../lib/engine/machine.ts";
import * as hereFiles from "../../lib/run/files.ts";
import * as there from "../../lib/page/browser/machine.ts";
import * as thereFiles from "../../lib/page/browser/files.ts";
import { browserName } from "../../lib/page/browser/name.ts";
import { asked, askedBy } from "../../lib/page/answers.ts";
import { settingFile, weightsAt } from "../../lib/page/exports.ts";
import { Gate } from "../../lib/page/gate.ts";
import {
  checked,
  FIRST,
  fragmentOf,
  keptSteps,
  nearestPrime,
  OFFERED,
  pairsOf,
  PRESETS,
  settingsIn,
  specsOf,
} from "../../lib/page/settings.ts";
import { initialise } from "../../lib/run/layout.ts";
import { type OperationName, OPERATIONS } from "../../lib/run/operations.ts";
import { runSpec, sizes, specHash } from "../../lib/run/spec.ts";

Deno.test("page: every preset can be trained, and its link gives it back", () => {
  for (const { settings } of PRESETS) assertEquals(settingsIn(fragmentOf(settings)), checked(settings));
  assertEquals(settingsIn(""), null);
  assertEquals(settingsIn("#prime=31&rate=5e-3"), { ...FIRST, prime: 31, rate: 0.005 });
});

Deno.test("page: links that can't be used say why", () => {
  const refusals: [string, string][] = [
    ["#operation=power", "operation must be one of x_plus_y, "],
    ["#operation=permutation", "operation must be one of x_plus_y, "],
    [
      "#colour=red",
      'each part must be one of operation, prime, share, width, decay, rate, networks, seed, steps, current value is "colour"',
    ],
    ["#prime=31&prime=47", 'prime must be there once, current value is "31, 47"'],
    ["#share=half", 'share must be a number, current value is "half"'],
    ["#prime=2000", "prime must be a whole number from 3 to 113, current value is 2000"],
    ["#width=30", "width must be divisible by 4, the attention heads, current value is 30"],
    ["#networks=0", "networks must be a whole number from 1 to 8, current value is 0"],
    ["#seed=1.5", "seed must be a whole number from 0, current value is 1.5"],
    ["#share=1.5", "trainFraction must be"],
    ["#operation=x_div_y&prime=48", "prime must be a prime number for x_div_y, current value is 48"],
  ];
  for (const [fragment, message] of refusals) assertThrows(() => settingsIn(fragment), Error, message);
  assertEquals([nearestPrime(48), nearestPrime(90), nearestPrime(4)], [47, 89, 3]);
});

Deno.test("page: as many pairs are named as the runs have, at every share and for every operation", () => {
  for (const operation of OFFERED) {
    for (const prime of [47, 89]) {
      for (const share of [0.1, 0.35, 0.5, 0.7, 0.9]) {
        const settings = { ...FIRST, operation, prime, share }, { pairs, trainPairs } = sizes(specsOf(settings)[0]);
        assertEquals(pairsOf(settings), { all: pairs, training: trainPairs });
      }
    }
  }
  assertEquals(pairsOf({ ...FIRST, operation: "x_div_y" }), { all: 2162, training: 1081 });
  assertEquals([0.35, 0.7].map((share) => pairsOf({ ...FIRST, prime: 90, share }).training), [2835, 5670]);
  assertEquals(pairsOf({ ...FIRST, operation: "x_div_y", prime: 48 }).all, 48 * 47, "one that is refused");
});

Deno.test("page: a pair is asked about with both numbers whole, in every operation", () => {
  for (const operation of Object.keys(OPERATIONS) as OperationName[]) {
    const text = asked(operation, 12, 40), constants = new Set<string>(OPERATIONS[operation].formula.match(/\d+/g));
    const numbers = [...new Set(text.match(/\d+/g))].filter((number) => !constants.has(number)).sort();
    const [letter] = text.match(/\b[a-z]\b/) ?? [];
    assertEquals([numbers, letter], [["12", "40"], undefined], `${text}: askedBy in lib/page/answers.ts doesn't read this formula`);
  }
  const table: Record<string, string> = {
    ...{ "x + y": "12 + 40", "x · y": "12 · 40", "x / y": "12 / 40", "random labels": "(12, 40)", "a · b in S5": "(12, 40)" },
    ...{ "x² + xy + y²": "12² + 12·40 + 40²", "x³ + xy² + y": "12³ + 12·40² + 40" },
    "x / y if y is odd, else x − y": "12 / 40 if 40 is odd, else 12 − 40",
    ...{ "max(x, y)": "max(12, 40)", "exp(x)y": "exp(12)·40", "x xor y": "12 xor 40", "|x − y|": "|12 − 40|" },
    ...{ "x⁴y": "12⁴·40", "x⁻¹y": "12⁻¹·40", "x¹⁰ + y": "12¹⁰ + 40", "−xy": "−12·40", "yxy": "40·12·40" },
    ...{ "2x + 3xy²": "2·12 + 3·12·40²", "x(x + y)": "12·(12 + 40)", "(x + y)²(x − y)x": "(12 + 40)²·(12 − 40)·12" },
  };
  assertEquals(Object.fromEntries(Object.keys(table).map((formula) => [formula, askedBy(formula, 12, 40)])), table);
});

Deno.test("page: networks are kept at the beginning and the end, at evaluations, about fifty in all", () => {
  for (const { settings } of PRESETS) {
    const [spec] = specsOf(settings), steps = keptSteps(spec);
    assertEquals([steps[0], steps.at(-1)], [0, settings.steps]);
    assert(steps.length >= 25 && steps.length <= 60 && steps.every((step) => step % spec.schedule.evalEvery === 0), `${steps}`);
    assertEquals(steps, [...new Set(steps)].sort((a, b) => a - b));
  }
});

Deno.test("page: an exported setting is the same run, whatever the presets become", () => {
  const [spec] = specsOf(FIRST);
  for (const step of [0, 120]) {
    const file = JSON.parse(settingFile(spec, step));
    assertEquals(runSpec(file), { ...spec, schedule: { ...spec.schedule, steps: step } });
    assertEquals(specHash(runSpec(file)), specHash(spec));
    const weights = new TextDecoder().decode(weightsAt(spec, { index: 0, step, params: initialise(spec) }).subarray(0, 4000));
    assert(weights.includes("blocks.0.attn.W_Q"));
    assertEquals(weights.match(/steps\W+(\d+)/)?.[1], String(step));
  }
});

Deno.test("page: what stands in for the machine and for files has the same functions", () => {
  const same: typeof here = there, sameFiles: typeof hereFiles = thereFiles;
  assertEquals(Object.keys(same).sort(), Object.keys(here).sort());
  assertEquals(Object.keys(sameFiles).sort(), Object.keys(hereFiles).sort());
  const bytes = new TextEncoder().encode("grokking");
  assertEquals(thereFiles.checksum(bytes), hereFiles.checksum(bytes));
  assertEquals(
    browserName("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/156.0.0.0"),
    "Chromium 156",
  );
  assertEquals(
    browserName("Mozilla/5.0 (iPhone) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Mobile/15E148 Safari/604.1"),
    "Safari 26",
  );
});

Deno.test("page: a closed gate lets one through at a time, an open one all", async () => {
  const gate = new Gate(), passed: number[] = [];
  gate.close();
  const both = [1, 2].map(async (n) => {
    await gate.pass();
    passed.push(n);
    await gate.pass();
    passed.push(10 * n);
  });
  await Promise.resolve();
  assertEquals(passed, []);
  gate.once();
  await new Promise((resolve) => setTimeout(resolve));
  assertEquals(passed, [1, 2]);
  gate.open();
  await Promise.all(both);
  assertEquals(passed, [1, 2, 10, 20]);
});
