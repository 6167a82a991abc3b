/** The logarithm and the cosine that initial weights are drawn with: near to the language's own, and always the same bits. */
import { assert, assertEquals } from "@std/assert";
import { createHash } from "node:crypto";
import { cos, log } from "../../lib/run/fdlibm.ts";
import { Random } from "../../lib/run/random.ts";

/** Doubles between two of one sign. */
function ulps(a: number, b: number): number {
  const [i, j] = new BigInt64Array(Float64Array.of(a, b).buffer);
  return Number(i > j ? i - j : j - i);
}

/** What draws are made of, and what lies at the edges: near 1, near multiples of π/2, the smallest and the largest. */
const uniforms = (n: number) => {
  const random = new Random(11, "probe");
  return Float64Array.from({ length: n }, () => random.uniform());
};
const EDGES = [
  0.5 / 2 ** 32,
  1 - 0.5 / 2 ** 32,
  0.5,
  1,
  1 + 2 ** -52,
  1 - 2 ** -53,
  1 + 2 ** -21,
  Math.SQRT1_2,
  Math.SQRT2,
  2,
  1e300,
  2 ** -1022,
];
const ANGLES = [0, 1e-300, 2 ** -28, 0.3, 0.78125, 1, 2, 3, 4, 5, 6, 19.9].concat(
  Array.from({ length: 12 }, (_, k) => [-1e-9, -(2 ** -50), 0, 2 ** -50, 1e-9].map((by) => Math.abs(k * Math.PI / 4 + by))).flat(),
);

Deno.test("fdlibm: log and cos are within 1 ulp of the language's own, at the edges too", () => {
  for (const x of [...EDGES, ...uniforms(100_000)]) assert(ulps(log(x), Math.log(x)) <= 1, `log ${x}: ${log(x)}, ${Math.log(x)}`);
  for (const x of [...ANGLES, ...uniforms(100_000).map((u) => 2 * Math.PI * u)]) {
    assert(ulps(cos(x), Math.cos(x)) <= 1, `cos ${x}: ${cos(x)}, ${Math.cos(x)}`);
  }
  assertEquals([log(0), log(1), cos(0)], [-Infinity, 0, 1]);
});

Deno.test("fdlibm: the same bits everywhere", () => {
  const hash = (f: (x: number) => number, xs: Float64Array) => createHash("sha256").update(new Uint8Array(xs.map(f).buffer)).digest("hex");
  const drawn = uniforms(20_000);
  assertEquals(hash(log, drawn), "860aa9382ec7172c6003ffb1ca056966945e8e415e7478d32c0ef5128517d64f");
  assertEquals(hash(cos, drawn.map((u) => 2 * Math.PI * u)), "22368d4082e035a20c7137a77655e801358c4eda85e86d012771315af43c23ab");
});
