import { unfinished } from "../map_cells.ts";
import { count, list } from "../../analysis/words.ts";
import { criticalRowsOf } from "../../analysis/boundary/critical.ts";
import type { Surface, SurfaceCell } from "../../analysis/boundary/surface.ts";

/**
 * The values of x at which most networks grok, in one row: `from 1.03 on`, `up to 2`, `from 1.03 to 2 only`, `at 0.5 and from 2 on`,
 * `everywhere`, `nowhere`, or `in 3 separate stretches`.
 */
export function stretches(row: readonly SurfaceCell[], say: (x: number) => string): string {
  const known = row.filter(({ groks }) => groks !== null);
  const runs = known.flatMap((
    { groks },
    i,
  ) => (groks && !known[i - 1]?.groks ? [{ from: i, to: known.findIndex((c, k) => k > i && !c.groks) }] : []));
  if (runs.length === 0) return "nowhere";
  if (runs.length > 2) return `in ${runs.length} separate stretches`;
  const words = runs.map(({ from, to }) => {
    const last = to < 0 ? known.length - 1 : to - 1;
    if (from === 0 && to < 0) return "everywhere";
    if (from === last && runs.length > 1) return `at ${say(known[from].x)}`;
    if (to < 0) return `from ${say(known[from].x)} on`;
    if (from === 0) return `up to ${say(known[last].x)}`;
    const only = runs.length > 1 ? "" : " only";
    return from === last ? `at ${say(known[from].x)}${only}` : `from ${say(known[from].x)} to ${say(known[last].x)}${only}`;
  });
  return words.join(" and ");
}

/** In how many cells of a row most networks grok: `in 3 of 6 cells (no trend)`. */
function counted(row: readonly SurfaceCell[]): string {
  const known = row.filter(({ groks }) => groks !== null), yes = known.filter(({ groks }) => groks).length;
  return yes === 0 ? "nowhere" : yes === known.length ? "everywhere" : `in ${yes} of ${known.length} cells (no trend)`;
}

/**
 * `; watched for 20,000 to 200,000 steps`, where rows with networks that haven't grokked were watched for different numbers of steps; else
 * empty.
 */
export function watchedUnequally({ cells }: Pick<Surface, "cells">): string {
  const rows = cells.map((row) => Math.max(0, ...row.filter(({ grokked, runs }) => grokked < runs).map(({ watched }) => watched ?? 0)))
    .filter((steps) => steps > 0);
  const [least, most] = [Math.min(...rows), Math.max(...rows)];
  return rows.length > 1 && least < most ? `; watched for ${count(least)} to ${count(most)} steps` : "";
}

/** The level of the test that success changes along a row. */
const LEVEL = 0.95;

/**
 * The finding: where most networks grok. Of a row along which no change is shown (`criticalRowsOf`), only in how many cells most do: which
 * cells these are would be other ones with other seeds.
 */
export function surfaceFinding(surface: Surface): string {
  const { cells, names, say } = surface;
  const bound = (text: string) => text.replaceAll(" ", "\u00a0");
  const open = cells.flat().filter(({ open, groks }) => open > 0 && groks === null).length;
  const rest = `${unfinished(open)}${watchedUnequally(surface)}`;
  const rows = cells.filter((row) => row.some(({ groks }) => groks !== null));
  if (rows.length === 0) return "No setting is done";
  const n = rows.flat().length, yes = rows.flat().filter(({ groks }) => groks).length;
  if (yes === 0) return `At none of ${n} settings do most networks grok${rest}`;
  if (yes === n) return `At all ${n} settings most networks grok${rest}`;
  const flat = new Set(criticalRowsOf(surface, LEVEL).filter(({ course }) => course === "level" || course === "few").map(({ y }) => y));
  const at = rows.map((row) => {
    const trend = !flat.has(row[0].y);
    return { y: say.y(row[0].y), trend, where: trend ? stretches(row, say.x) : counted(row) };
  });
  const groups = [...Map.groupBy(at, ({ where }) => where)].map(([where, some]) => ({ where, ys: some.map(({ y }) => y) }));
  const order = (where: string) => (where === "nowhere" ? 2 : where === "everywhere" ? 0 : 1);
  groups.sort((a, b) => order(a.where) - order(b.where));
  if (groups.length <= 3) {
    const where = (words: string, first: boolean) =>
      first ? words.replace("everywhere", `at every ${names.x}`).replace(/^(from|up to|at(?= \d))/, `$1 ${names.x}`) : words;
    const parts = groups.map(({ where: words, ys }, i) =>
      `${bound(where(words, i === 0))} with ${i === 0 ? bound(`${names.y} `) : ""}${list(ys)}`
    );
    return `Most networks grok ${parts.join(", ")}${rest}`;
  }
  // Where most grok from the smallest value on, the boundary may lie below it.
  const least = cells[0][0].x;
  const froms = at.flatMap(({ y, where }) => {
    if (where === "everywhere") return [{ y, from: least, words: `${say.x(least)} or less` }];
    return /^from \S+ on$/.test(where) ? [{ y, from: Number(where.split(" ")[1]), words: where.split(" ")[1] }] : [];
  });
  if (froms.length < 2) return `At ${yes} of ${n} settings most networks grok${rest}`;
  const sorted = froms.toSorted((a, b) => a.from - b.from);
  const [lowest, highest] = [sorted[0], sorted[sorted.length - 1]], [first, last] = [froms[0].y, froms[froms.length - 1].y];
  const verb = lowest.y === last && highest.y === first ? "falls" : lowest.y === first && highest.y === last ? "rises" : null;
  const [a, b] = verb === "rises" ? [lowest, highest] : [highest, lowest], decay = bound(`${names.y} `);
  const numbers = lowest.from === highest.from
    ? `is ${lowest.words} throughout`
    : verb
    ? `${verb} from ${a.words} at ${decay}${a.y} to ${b.words} at ${b.y}`
    : `is lower at ${decay}${lowest.y} (${bound(lowest.words)}) than at ${highest.y} (${highest.words})`;
  const mixed = at.filter(({ y, where }) => where !== "nowhere" && !froms.some((row) => row.y === y));
  const others = ([
    ["no trend is shown", mixed.filter(({ trend }) => !trend)],
    ["no single one", mixed.filter(({ trend }) => trend)],
    ["nowhere", at.filter(({ where }) => where === "nowhere")],
  ] as const).filter(([, some]) => some.length > 0).map(([what, some]) => `; ${what} at ${list(some.map(({ y }) => y))}`).join("");
  return `The ${bound(names.x)} from which most networks grok ${numbers}${others}${rest}`;
}
