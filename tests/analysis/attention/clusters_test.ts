/** k-means and silhouettes: on Ruspini's points with R's numbers, and on patterns made for it. */
import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { chooseClusters, kMeans, silhouettes } from "../../../lib/analysis/attention/clusters.ts";
import { Random } from "../../../lib/run/random.ts";

/** Means and distances of some 75 points in doubles. */
const EXACT = 1e-9;
const digits = (n: number) => 0.5 * 10 ** -n;
const mean = (values: ArrayLike<number>) => Array.from(values).reduce((sum, x) => sum + x, 0) / values.length;

/** Ruspini (1970), R's `cluster::ruspini`: 20, 23, 17 and 15 points in four groups, in this order. */
// deno-fmt-ignore
const RUSPINI = [
  [4, 53], [5, 63], [10, 59], [9, 77], [13, 49], [13, 69], [12, 88], [15, 75], [18, 61], [19, 65], [22, 74], [27, 72], [28, 76], [24, 58], [27, 55],
  [28, 60], [30, 52], [31, 60], [32, 61], [36, 72], [28, 147], [32, 149], [35, 153], [33, 154], [38, 151], [41, 150], [38, 145], [38, 143],
  [32, 143], [34, 141], [44, 156], [44, 149], [44, 143], [46, 142], [47, 149], [49, 152], [50, 142], [53, 144], [52, 152], [55, 155], [54, 124],
  [60, 136], [63, 139], [86, 132], [85, 115], [85, 96], [78, 94], [74, 96], [97, 122], [98, 116], [98, 124], [99, 119], [99, 128], [101, 115],
  [108, 111], [110, 111], [108, 116], [111, 126], [115, 117], [117, 115], [70, 4], [77, 12], [83, 21], [61, 15], [69, 15], [78, 16], [66, 18],
  [58, 13], [64, 20], [69, 21], [66, 23], [61, 25], [76, 27], [72, 31], [64, 30],
];

Deno.test("clusters: Ruspini's four groups, with the silhouettes that R prints", () => {
  const { assigned, counts, inertia, centroids } = kMeans(RUSPINI, 4);
  assertEquals(counts, [23, 20, 17, 15]); // the fullest first
  assertEquals([...assigned], [20, 23, 17, 15].flatMap((n, group) => Array<number>(n).fill([1, 0, 2, 3][group])));
  assertAlmostEquals(inertia, 12881.05, digits(2)); // R's kmeans(ruspini, 4)$tot.withinss
  assertAlmostEquals(centroids[3][0], mean(RUSPINI.slice(60).map(([x]) => x)), EXACT);
  // R's pam(ruspini, 4)$silinfo, the same clusters: 0.7262347 0.7548344 0.6691154 0.8042285, and 0.737657 in all.
  const widths = silhouettes(RUSPINI, assigned), from = [0, 20, 43, 60, 75];
  const groups = [0, 1, 2, 3].map((group) => mean(widths.slice(from[group], from[group + 1])));
  groups.forEach((width, i) => assertAlmostEquals(width, [0.7262347, 0.7548344, 0.6691154, 0.8042285][i], digits(7)));
  assertAlmostEquals(mean(widths), 0.737657, digits(6));
});

Deno.test("clusters: silhouettes choose Ruspini's four; the best inertia for each k is as good as SciPy's best of 60 starts", () => {
  const { k, silhouette, tried, centroids } = chooseClusters(RUSPINI, { starts: 30 });
  assertEquals([k, centroids.length, tried.map((trial) => trial.k)], [4, 4, [2, 3, 4, 5, 6, 7, 8]]);
  assertAlmostEquals(silhouette, 0.7376569908806615, EXACT);
  // scipy.cluster.vq.kmeans2(minit="++"), SciPy 1.17.1, and silhouettes by their definition in NumPy.
  const best = [89337.83214285714, 51063.475045670435, 12881.051236146632, 10126.719788182832];
  best.forEach((inertia, i) => assertAlmostEquals(tried[i].inertia, inertia, EXACT * inertia));
  [0.5827264208152947, 0.6327047140348644, 0.7376569908806615, 0.7019241413569157].forEach((width, i) =>
    assertAlmostEquals(tried[i].silhouette, width, EXACT)
  );
});

Deno.test("clusters: the same seed gives the same clusters, and one start may do worse than several", () => {
  assertEquals(kMeans(RUSPINI, 5, { seed: 3, starts: 2 }), kMeans(RUSPINI, 5, { seed: 3, starts: 2 }));
  const single = Array.from({ length: 12 }, (_, seed) => kMeans(RUSPINI, 6, { seed, starts: 1 }).inertia);
  assert(Math.max(...single) > Math.min(...single) * 1.01, "some start ends elsewhere");
  // Wherever it ends, it is at rest: each point's own centroid is the nearest, and centroids are the means of their points.
  for (const seed of [0, 1, 2, 3]) {
    const { centroids, assigned } = kMeans(RUSPINI, 6, { seed, starts: 1 });
    const nearest = RUSPINI.map(([x, y]) => centroids.map((c) => Math.hypot(x - c[0], y - c[1]))).map((d) => d.indexOf(Math.min(...d)));
    assertEquals([...assigned], nearest);
    centroids.forEach((c, k) => assertAlmostEquals(c[1], mean(RUSPINI.filter((_, i) => assigned[i] === k).map(([, y]) => y)), EXACT));
  }
  assert(kMeans(RUSPINI, 6, { starts: 30 }).inertia <= Math.min(...single) * (1 + EXACT));
});

Deno.test("clusters: heads that attend to a, to b, and evenly are found in noise; their centroids are patterns", () => {
  const random = new Random(4, "init"), kinds = [[0.9, 0.05, 0.05], [0.05, 0.05, 0.9], [1 / 3, 1 / 3, 1 / 3]];
  const heads = Array.from({ length: 90 }, (_, i) => {
    const weights = kinds[i % 3].map((x) => x * Math.exp(0.2 * random.normal())), sum = weights.reduce((a, b) => a + b, 0);
    return Float32Array.from(weights, (x) => x / sum);
  });
  const { k, assigned, centroids, counts } = chooseClusters(heads, { to: 6 });
  assertEquals([k, counts], [3, [30, 30, 30]]);
  assertEquals([...assigned], heads.map((_, i) => assigned[i % 3]));
  for (const centroid of centroids) assertAlmostEquals(centroid.reduce((sum, x) => sum + x, 0), 1, 1e-6); // points are f32
  assertEquals(chooseClusters(heads, { to: 4, sample: 30 }).k, 3); // a sample of them tells as well
});

Deno.test("clusters: repeated points, points alone, and one cluster only", () => {
  const repeated = [[0, 0], [0, 0], [0, 0], [1, 1], [5, 5]];
  for (const seed of [0, 1, 2, 3]) assertEquals(kMeans(repeated, 3, { seed, starts: 1 }).counts, [3, 1, 1]);
  assertAlmostEquals(kMeans(repeated, 1).inertia, 2 * (3 * 1.2 ** 2 + 0.2 ** 2 + 3.8 ** 2), EXACT); // all around (1.2, 1.2)
  assertEquals([...silhouettes([[0], [0], [7]], [5, 5, 9])], [1, 1, 0]);
  assertEquals([...silhouettes([[0], [0], [0]], [0, 0, 1])], [0, 0, 0]); // all in one place: no cluster is nearer
  assertEquals(chooseClusters(repeated).tried.map(({ k }) => k), [2, 3]);
});

Deno.test("clusters: what can't be clustered says so", () => {
  const message = (f: () => unknown, text: string) => assertEquals(assertThrows(f, Error).message, text);
  message(
    () => kMeans([[1], [1]], 2),
    "Cannot cluster: k must be a whole number from 1 to 1, the different points, current value is 2",
  );
  message(() => kMeans([[1], [NaN]], 1), "Cannot cluster: a coordinate must be finite, current value is NaN");
  message(() => kMeans([[1], [1, 2]], 1), "Cannot cluster: a point's length must be 1 as the first's, and not 0, current value is 2");
  message(
    () => chooseClusters([[1], [1]]),
    "Cannot choose the number of clusters: the number of different points must be at least 2, current value is 1",
  );
  message(() => silhouettes([[1], [2]], [0, 0]), "Cannot compute silhouettes: clusters must be at least 2, current value is 1");
});
