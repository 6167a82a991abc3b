/** Numbers and names as people write them, for titles, tables and sentences. */

/** `weight decay` → `Weight decay`; symbols stay as they are. */
export const capital = (name: string) => /^[a-z]{2,}( |$)/.test(name) ? `${name[0].toUpperCase()}${name.slice(1)}` : name;

/** `a, b and c`. */
export const list = (words: readonly string[]) => [words.slice(0, -1).join(", "), words.at(-1)].filter((part) => part !== "").join(" and ");

/** A number as people write it in a table of settings: `0.1`, `1e-8`, `4704`. */
export const shortNumber = (value: number, digits = 4): string => String(Number(value.toPrecision(digits)));

/** Numbers as words: three digits where they tell the values apart. */
export function wordsOf(values: readonly number[]): (value: number) => string {
  const short = (value: number) => shortNumber(value, 3);
  return new Set(values.map(short)).size === new Set(values).size ? short : String;
}

export const percent = (share: number) => `${Math.round(100 * share)} %`;

/** A name that no line of a title breaks: `x − y`. */
export const tight = (name: string) => name.replaceAll(" ", "\u00a0");

/** 12345 → `12,345`. */
export const count = (n: number) => Math.round(n).toLocaleString("en-US");
