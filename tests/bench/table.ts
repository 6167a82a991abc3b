/** From what was measured to what is read: medians, ratios, a table. Pure. */

/** One peer on one job. */
export interface Measurement {
  readonly peer: string;
  /** Seconds and updates of each turn, and how many runs the turn trained at once. */
  readonly turns: readonly { readonly seconds: number; readonly steps: number; readonly rows: number }[];
  /** Mean training loss after the first updates and at the end, and how many updates these are. */
  readonly firstLoss: number;
  readonly lastLoss: number;
  readonly firstUpdates: number;
  readonly updates: number;
  readonly warmUp: number;
}

export interface Missing {
  readonly peer: string;
  readonly absent: string;
}

export type Result = Measurement | Missing;
export const isMissing = (result: Result): result is Missing => "absent" in result;

export interface Summary {
  readonly peer: string;
  /** Run-steps a second, R × steps / s: median, least and most of the turns. */
  readonly median: number;
  readonly min: number;
  readonly max: number;
  /** Milliseconds for one step of one run, at the median. */
  readonly milliseconds: number;
}

/** The middle value; the mean of the two in the middle where they are even in number. NaN of nothing. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

export function summarise({ peer, turns }: Measurement): Summary {
  const rates = turns.map(({ rows, steps, seconds }) => (rows * steps) / seconds);
  const middle = median(rates);
  return { peer, median: middle, min: Math.min(...rates), max: Math.max(...rates), milliseconds: 1000 / middle };
}

/** What ratios are made with: `ours ÷ peer` where ours was measured, else `peer ÷ slowest`. */
export interface Reference {
  readonly label: string;
  readonly ratio: (summary: Summary) => number;
}

export function reference(summaries: readonly Summary[], ours: string): Reference {
  const mine = summaries.find(({ peer }) => peer === ours);
  if (mine) return { label: `${ours} ÷ peer`, ratio: ({ median }) => mine.median / median };
  const slowest = summaries.reduce((a, b) => (b.median < a.median ? b : a), summaries[0]);
  return { label: `peer ÷ ${slowest?.peer ?? "slowest"}`, ratio: ({ median }) => median / slowest.median };
}

/** A number as people compare it: three digits that count. */
export function digits(value: number): string {
  if (!Number.isFinite(value)) return "–";
  const places = value === 0 ? 0 : Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))));
  return value.toFixed(Math.min(places, 6));
}

/** The table of a job, the fastest first, absent peers below with their reasons. */
export function table(results: readonly Result[], ours: string): string {
  const measured = results.filter((result) => !isMissing(result)) as Measurement[];
  const summaries = measured.map(summarise);
  const { label, ratio } = reference(summaries, ours);
  const rows = measured.map((result, i) => ({ result, summary: summaries[i] })).sort((a, b) => b.summary.median - a.summary.median);
  const cells = [
    ["peer", "run-steps/s", "(min–max)", "ms a run-step", label, "loss", "after updates"],
    ...rows.map(({ result, summary }) => [
      summary.peer,
      digits(summary.median),
      `(${digits(summary.min)}–${digits(summary.max)})`,
      digits(summary.milliseconds),
      `${digits(ratio(summary))}×`,
      `${digits(result.firstLoss)} → ${digits(result.lastLoss)}`,
      `${result.firstUpdates} → ${result.updates}`,
    ]),
  ];
  const missing = results.filter(isMissing).map(({ peer, absent }) => `absent: ${peer} (${absent})`);
  return [...(measured.length ? columns(cells, 1) : []), ...missing].join("\n");
}

/** Lines of aligned columns; the first `left` and the last are words, the others numbers, which end at the same place. */
export function columns(cells: readonly (readonly string[])[], left: number): string[] {
  const widths = cells[0].map((_, column) => Math.max(...cells.map((row) => [...row[column]].length)));
  return cells.map((row) =>
    row.map((cell, column) => column < left ? cell.padEnd(widths[column]) : cell.padStart(widths[column])).join("  ")
  );
}
