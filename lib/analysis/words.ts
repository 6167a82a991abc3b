/** Numbers and names as people write them, for titles, tables and sentences. */

/** `12,345`, whole. */
export const count = (value: number): string => Math.round(value).toLocaleString("en-US");
