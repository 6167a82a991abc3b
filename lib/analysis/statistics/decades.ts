/** Steps on a logarithmic axis that begins at 0. */
/** Where a step lies on the axis of decades. */
export const decades = (step: number): number => Math.log10(1 + step);

/** The step at so many decades. */
export const stepAt = (x: number): number => 10 ** x - 1;
