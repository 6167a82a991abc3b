/** Works in turns within one run, so that a machine's drift hits all alike. */

/**
 * What each work took in each round, in ms: [round][work]. Each comes first in its turn. A work is told the number of its round, from 0; compile
 * and warm up before.
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

/** A ratio as what it adds. */
export const percent = (ratio: number): string => `${(100 * (ratio - 1)).toFixed(1)} %`;

/** Ratios of times as what was added: the median, the least and the most. */
export function added(ratios: readonly number[]): string {
  const sorted = ratios.toSorted((a, b) => a - b);
  return `${percent(sorted[(sorted.length - 1) >> 1])} (${percent(sorted[0])} to ${percent(sorted.at(-1)!)})`;
}
