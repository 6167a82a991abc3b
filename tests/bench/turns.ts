/** Works in turns within one run, so that a machine's drift hits all alike. */

/**
 * What each work took in each round, in ms: [round][work]. Each comes first in its turn. A work is told the number of its round, from 0;
 * compile and warm up before.
 */
export async function inTurns(works: readonly ((round: number) => Promise<unknown>)[], rounds: number): Promise<number[][]> {
  const times: number[][] = [];
  for (let round = 0; round < rounds; round++) {
    const took: number[] = [];
    for (let i = 0; i < works.length; i++) {
      const which = (i + round) % works.length, began = performance.now();
      await works[which](round);
      took[which] = performance.now() - began;
    }
    times.push(took);
  }
  return times;
}

/**
 * How many steps make a turn of about so many seconds; `null` where one alone takes longer than `patience`. Doubled until the clock can
 * tell: waiting for a device takes 10 ms whatever it does, which a few steps would drown in.
 */
export async function stepsOfTurn(
  advance: (steps: number) => Promise<{ readonly steps: number; readonly seconds: number }>,
  seconds: number,
  patience = Infinity,
): Promise<number | null> {
  let done = await advance(1);
  if (done.seconds > patience) return null;
  while (done.seconds < seconds / 2) done = await advance(2 * done.steps);
  return Math.max(1, Math.round(done.steps * seconds / done.seconds));
}

/** A ratio as what it adds. */
export const percent = (ratio: number): string => `${(100 * (ratio - 1)).toFixed(1)} %`;

/** Ratios of times as what was added: the median, the least and the most. */
export function added(ratios: readonly number[]): string {
  const sorted = ratios.toSorted((a, b) => a - b);
  return `${percent(sorted[(sorted.length - 1) >> 1])} (${percent(sorted[0])} to ${percent(sorted.at(-1)!)})`;
}
