/** What a check of a lab finds. */

/** Something that isn't as it should be. */
export interface Finding {
  readonly about: "database" | "rules" | "experiments" | "sessions" | "runs" | "training" | "evaluations" | "milestones" | "files";
  /** One line. */
  readonly text: string;
}

/** Numbers and texts as requirements of checks. */
export const isWhole = (value: unknown, least = 0): boolean => Number.isSafeInteger(value) && (value as number) >= least;
export const isFlag = (value: unknown): boolean => value === 0 || value === 1;
export const isShare = (value: unknown): boolean => typeof value === "number" && value >= 0 && value <= 1;
/** UTC as ISO 8601, as the lab writes it. */
export const isTime = (value: unknown): value is string =>
  typeof value === "string" && /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/.test(value) && !Number.isNaN(Date.parse(value));
