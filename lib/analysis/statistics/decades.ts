/** Steps on a logarithmic axis that begins at 0. */
/** A step in decades: log₁₀(1 + step). */
export const decades = (step: number): number => Math.log10(1 + step);

/** The step at x decades, the inverse. */
export const stepAt = (x: number): number => 10 ** x - 1;
