/** Dataframes where danfojs by itself goes wrong: columns called like its methods, and values that are missing. */
import { assertEquals, assertThrows } from "@std/assert";
import { DataFrame, type Series } from "danfojs";
import { Lab } from "../../lib/lab/store.ts";
import { frame, htmlTable } from "../../lib/notebook/frames.ts";

const named = (column: string) => frame([{ [column]: 1, b: 4 }, { [column]: 2, b: 5 }, { [column]: 3, b: 6 }]);

Deno.test("a column may be called like anything of danfojs's own: it gets an underscore, and all else works", () => {
  const own: string[] = [];
  for (let of = DataFrame.prototype; of; of = Object.getPrototypeOf(of)) own.push(...Object.getOwnPropertyNames(of));
  for (const column of [...own.filter((name) => name !== "__proto__"), "$data", "$columns"]) {
    const rows = named(column);
    assertEquals(rows.columns, [`${column}_`, "b"]);
    assertEquals([rows.shape, rows.head(1).values, rows.column("b").count()], [[3, 2], [[1, 4]], 3], column);
    assertEquals([rows.count({ axis: 0 }).values, rows.sum({ axis: 0 }).values], [[3, 3], [6, 15]], column);
    assertEquals(rows.sortValues(`${column}_`, { ascending: false }).values, [[3, 6], [2, 5], [1, 4]], column);
  }
  assertEquals(frame([{ count: 1, count_: 2, count__: 3 }]).columns, ["count___", "count_", "count__"]);
  assertEquals(frame([{ step: 1, loss: 2 }]).columns, ["step", "loss"]);
});

const holed = () =>
  frame([
    { key: "x", v: 1 },
    { key: "x", v: null },
    { key: "y", v: null },
    { key: "x", v: 4 },
  ]);

Deno.test("what is missing is left out by statistics and not counted, of columns and of groups", () => {
  const rows = holed(), v = rows.column("v");
  assertEquals([v.count(), v.mean(), v.sum(), v.min(), v.max()], [2, 2.5, 5, 1, 4]);
  const groups = (operation: string) => rows.groupby(["key"]).agg({ v: operation }).values;
  assertEquals(groups("count"), [["x", 2], ["y", 0]]);
  assertEquals(groups("mean"), [["x", 2.5], ["y", NaN]]);
  assertEquals(groups("sum"), [["x", 5], ["y", 0]]);
  assertEquals(groups("min"), [["x", 1], ["y", NaN]]);
  assertEquals(groups("max"), [["x", 4], ["y", NaN]]);
  const described = rows.describe();
  assertEquals(described.index, ["count", "mean", "std", "min", "median", "max", "variance"]);
  assertEquals((described.column("v").values as number[]).slice(0, 2), [2, 2.5]);
});

Deno.test("statistics of nothing are NaN, sum and count 0, and a single number has no spread", () => {
  const rows = frame([{ key: "x", none: null, one: 3 }, { key: "x", none: null, one: null }]),
    names = ["mean", "median", "min", "max", "std", "var"];
  type Statistics = Record<string, (options?: { axis: number }) => number & Series>;
  const of = (thing: DataFrame | Series, name: string, ...options: { axis: number }[]) =>
    (thing as unknown as Statistics)[name](...options);
  const both = rows.loc({ columns: ["none", "one"] });
  for (const name of names) {
    const single = name === "std" || name === "var" ? NaN : 3;
    assertEquals([of(rows.column("none"), name), of(rows.column("one"), name)], [NaN, single], name);
    assertEquals(of(both, name, { axis: 0 }).values, [NaN, single], name);
    assertEquals(of(both, name, { axis: 1 }).values, [single, NaN], name);
    if (name === "median") continue;
    assertEquals(rows.groupby(["key"]).agg({ none: name, one: name }).values, [["x", NaN, single]], name);
  }
  assertEquals([rows.column("none").sum(), rows.column("none").count()], [0, 0]);
  assertEquals(rows.describe().column("none").values, [0, NaN, NaN, NaN, NaN, NaN, NaN]);
});

Deno.test("no column is lost without a word: rows may lack some, and a query's must have different names", () => {
  const rows = frame([{ a: 1 }, { b: "x" }]);
  assertEquals([rows.columns, rows.values], [["a", "b"], [[1, null], [NaN, "x"]]]);
  using lab = Lab.scratch();
  assertThrows(() => frame(lab, "SELECT 1 AS a, 2 AS a"), Error, 'there are two called "a"; give one another with AS');
  for (const strange of [undefined, null, 5, [1], [[1, 2]], { a: 1 }]) {
    assertThrows(() => frame(strange as unknown as []), Error, "Cannot make a dataframe: must be rows like {step: 1}");
  }
});

Deno.test("sorting puts what is missing last, in place too, and of a single column", () => {
  for (const ascending of [true, false]) {
    const wanted = ascending ? [1, 4, NaN, NaN] : [4, 1, NaN, NaN], rows = holed();
    rows.sortValues("v", { ascending, inplace: true });
    assertEquals([rows.column("v").values, rows.column("key").values.length], [wanted, 4]);
    assertEquals(rows.index, ascending ? [0, 3, 1, 2] : [3, 0, 1, 2]);
    const column: Series = holed().column("v");
    assertEquals((column.sortValues({ ascending }) as unknown as Series).values, wanted);
    column.sortValues({ ascending, inplace: true });
    assertEquals([column.values, column.index], [wanted, ascending ? [0, 3, 1, 2] : [3, 0, 1, 2]]);
  }
});

Deno.test("a number in a table is rounded to four digits, but never to tens: from 1,000 on it is whole, with separators", () => {
  const shown = (value: number) => htmlTable(["n"], [[value]]).match(/<td[^>]*>(.*)<\/td>/)![1];
  assertEquals([12345.6, 17455.5, 123456.7, -12345.6, 1000.4, 999.96].map(shown), [
    ...["12,346", "17,456", "123,457", "-12,346", "1,000", "1,000"],
  ]);
  assertEquals([999.94, 12.3456, -0.123456, 12345, 7, 1e-9].map(shown), ["999.9", "12.35", "-0.1235", "12,345", "7", "1e-9"]);
});
