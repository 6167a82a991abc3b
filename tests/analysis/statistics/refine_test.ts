/** Maps refined where they turn: as the whole grid says, at a part of its cost. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { refine, type RefineOptions, type Votes } from "../../../lib/analysis/statistics/refine.ts";
import { Random } from "../../../lib/run/random.ts";

/** Asks as it is told to, until all is known. `truth(i, j, seed)` is what the grid would say there. */
function play(size: readonly [number, number], truth: (i: number, j: number, seed: number) => boolean, options: RefineOptions) {
  const votes = new Map<string, { yes: number; no: number }>();
  const of = (i: number, j: number): Votes => votes.get(`${i} ${j}`) ?? { yes: 0, no: 0 };
  let asked = 0, rounds = 0;
  while (true) {
    const { places, wanted } = refine(size, of, options);
    if (wanted.length === 0) return { places, asked, rounds };
    rounds++;
    for (const { i, j, more } of wanted) {
      const { yes, no } = of(i, j), now = { yes, no };
      assert(more >= 1 && yes + no + more <= options.of);
      for (let k = 0; k < more; k++, asked++) truth(i, j, yes + no + k) ? now.yes++ : now.no++;
      votes.set(`${i} ${j}`, now);
    }
  }
}

const verdicts = (places: readonly (readonly { readonly verdict: boolean | null }[])[]) =>
  places.map((row) => row.map(({ verdict }) => verdict === null ? "?" : verdict ? "+" : "-").join(""));

Deno.test("a straight edge in one dimension is found by bisection", () => {
  const { places, asked } = play([17, 1], (i) => i >= 11, { of: 1 });
  assertEquals(verdicts(places), ["-----------++++++"]);
  // 0, 4, 8, 12 and 16; 10; 11 and, beside the edge, nothing that wasn't asked.
  assertEquals(asked, 7);
});

Deno.test("both sides of every edge were asked, and the map is the grid's, for edges that turn", () => {
  const wave = (i: number, j: number) => i > 16 + 9 * Math.sin(j / 6);
  const { places, asked } = play([33, 33], wave, { of: 1 });
  places.forEach((row, j) => row.forEach(({ verdict }, i) => assertEquals(verdict, wave(i, j), `${i} ${j}`)));
  places.forEach((row, j) =>
    row.forEach(({ verdict, asked }, i) => {
      for (const other of [places[j][i + 1], places[j + 1]?.[i]]) if (other && other.verdict !== verdict) assert(asked && other.asked);
    })
  );
  assert(asked < 0.35 * 33 * 33, `${asked} of ${33 * 33}`);
});

Deno.test("a band, failing on both sides of it, as where too much of something harms too", () => {
  const { places } = play([17, 17], (i, j) => i >= 5 && i <= 11 && j >= 4, { of: 1 });
  assertEquals(verdicts(places)[4], "-----+++++++-----");
  assertEquals(verdicts(places)[3], "-".repeat(17));
});

Deno.test("a place is asked until its majority is known, and no more", () => {
  const asked = (answers: readonly boolean[]) => play([1, 1], (_i, _j, seed) => answers[seed], { of: 5 });
  const [yes, no] = [true, false];
  for (
    const [answers, needed, verdict] of [
      [[yes, yes, yes, no, no], 3, true],
      [[no, no, no, yes, yes], 3, false],
      [[yes, no, yes, no, yes], 5, true],
      [[yes, no, yes, yes, no], 4, true],
    ] as const
  ) {
    const { places, asked: n } = asked(answers);
    assertEquals([n, places[0][0].verdict], [needed, verdict]);
  }
  // Of an even number, half is no majority.
  assertEquals(play([1, 1], (_i, _j, seed) => seed < 2, { of: 4 }).places[0][0].verdict, false);
});

Deno.test("chance near the edge: what is asked is what the whole grid's majority says there", () => {
  const random = new Random(7, "resample"), table = new Map<string, boolean>();
  const truth = (i: number, j: number, seed: number) => {
    const key = `${i} ${j} ${seed}`;
    if (!table.has(key)) table.set(key, random.below(1000) < 1000 / (1 + Math.exp(12 + j / 2 - i)));
    return table.get(key)!;
  };
  const { places, asked } = play([33, 9], truth, { of: 5 });
  const majority = (i: number, j: number) => [0, 1, 2, 3, 4].filter((seed) => truth(i, j, seed)).length >= 3;
  let wrong = 0;
  places.forEach((row, j) =>
    row.forEach(({ verdict, asked }, i) => asked ? assertEquals(verdict, majority(i, j)) : wrong += Number(verdict !== majority(i, j)))
  );
  // Off the edge the odds are so long that the majority of five hardly ever errs; an island of one place may be missed.
  assert(wrong <= 3, `${wrong}`);
  assert(asked < 0.4 * 5 * 33 * 9, `${asked}`);
});

Deno.test("a coarser precision asks less, and leaves what lies between open", () => {
  const { places, asked } = play([17, 1], (i) => i >= 11, { of: 1, precision: 4 });
  assertEquals(verdicts(places), ["-???-???-???+???+"]);
  assertEquals(asked, 5);
});

Deno.test("no grid, no votes, or a stride that can't be halved: says so", () => {
  const none = () => ({ yes: 0, no: 0 });
  assertThrows(
    () => refine([0, 1], none, { of: 1 }),
    Error,
    "Cannot refine a map: columns, rows and votes must be positive, current value is 0",
  );
  assertThrows(() => refine([2, 1], none, { of: 1, stride: 3 }), Error, "a stride must be a power of two, current value is 3");
});
