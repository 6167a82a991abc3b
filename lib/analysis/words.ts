/** Numbers and names formatted for titles, tables and sentences. */

/** `weight decay` → `Weight decay`; symbols stay as they are. */
export const capital = (name: string) => /^[a-z]{2,}( |$)/.test(name) ? `${name[0].toUpperCase()}${name.slice(1)}` : name;

/** `a, b and c`. */
export const list = (words: readonly string[]) => [words.slice(0, -1).join(", "), words.at(-1)].filter((part) => part !== "").join(" and ");

/** The most characters of several names that a title lists. */
const MOST_LISTED = 60;

/** The names of all that tie, for a title: `a, b and c`; `null` where several are too long for one, so that it says how many they are. */
export function listed(names: readonly string[]): string | null {
  const all = list(names);
  return names.length === 1 || all.length <= MOST_LISTED ? all : null;
}

/** A number for a table of settings: `0.1`, `1e-8`, `4704`. */
export const shortNumber = (value: number, digits = 4): string => String(Number(value.toPrecision(digits)));

/** A formatter for these numbers: three significant digits if the values stay different, else all digits. */
export function wordsOf(values: readonly number[]): (value: number) => string {
  const short = (value: number) => shortNumber(value, 3);
  return new Set(values.map(short)).size === new Set(values).size ? short : String;
}

/** A share, 0 … 1, in whole percent: `12 %`. */
export const percent = (share: number) => `${Math.round(100 * share)} %`;

/** The level of an interval: `95 %`, `97.5 %`. */
export const levelWord = (level: number) => `${shortNumber(100 * level)} %`;

/** A name with non-breaking spaces, so that no title breaks inside it: `x − y`. */
export const tight = (name: string) => name.replaceAll(" ", "\u00a0");

/** 12345 → `12,345`. */
export const count = (n: number) => Math.round(n).toLocaleString("en-US");

/** A fixed number of decimals, with a true minus sign, and none before a zero. */
export const signed = (value: number, digits: number) => {
  const text = digits === 0 ? count(Math.abs(value)) : Math.abs(value).toFixed(digits);
  return value < 0 && Number(text) !== 0 ? `−${text}` : text;
};

/** An interval, `−0.2 to 1.4`; a dash where a limit is missing. */
export const between = ({ low, high }: { readonly low: number | null; readonly high: number | null }, digits: number) =>
  low === null || high === null ? "–" : `${signed(low, digits)} to ${signed(high, digits)}`;

/** A factor, short: `3.5`, `24.1`; near 1 with one more digit, `1.04`; `0` and `∞` where times of 0 leave no other. */
export const factorShort = (factor: number): string =>
  factor === Infinity ? "∞" : String(Number(factor.toPrecision(factor >= 0.5 && factor < 2 || factor >= 10 ? 3 : 2)));

/** The limit of an interval: as `factorShort`, but what isn't 1 doesn't look like it. */
const limitWord = (factor: number): string =>
  factorShort(factor) !== "1" || factor === 1 ? factorShort(factor) : `just ${factor > 1 ? "above" : "below"} 1`;

/**
 * `1.1 to 1.6`; for an interval with one limit, `above 1.1` or `below 0.9`, also where the other is infinite; `0` or `∞` for one with no
 * other factor; a dash for one that holds all factors.
 */
export function factorBetween({ low, high }: { readonly low: number | null; readonly high: number | null }): string {
  if (high === 0) return "0";
  if (low === Infinity) return "∞";
  const most = high === Infinity ? null : high;
  if (low !== null && most !== null) return `${limitWord(low)} to ${limitWord(most)}`;
  return most !== null ? `below ${factorShort(most)}` : low !== null && low > 0 ? `above ${factorShort(low)}` : "–";
}
