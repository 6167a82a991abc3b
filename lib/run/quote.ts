/**
 * Values from files and command lines as they may stand in an error: in one line, cut to a readable length, nothing in it that a terminal
 * obeys.
 */

/** Characters that a text in an error keeps. */
const LONGEST = 80;

/** Control characters, line breaks of any kind, and marks that are not seen but change how the rest is shown; halves of a character. */
const UNSEEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu;
const SHORT: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

const escapeOne = (character: string): string => {
  const code = character.codePointAt(0)!.toString(16);
  return SHORT[character] ?? (code.length > 4 ? `\\u{${code}}` : `\\u${code.padStart(4, "0")}`);
};

/** The first characters of a text, and how long it is where that isn't all; a character is never cut in two. */
function cut(text: string, longest: number): { head: string; rest: string } {
  if (text.length <= longest) return { head: text, rest: "" };
  const head = text.slice(0, longest).replace(/[\ud800-\udbff]$/, "");
  return { head: `${head}…`, rest: ` (${text.length.toLocaleString("en")} characters)` };
}

/**
 * Words that come from elsewhere, such as a parser's complaint or a name in a file, as a part of one line.
 * @param longest how many characters are kept, before those that can't be shown are escaped.
 */
export function inOneLine(text: string, longest = 2 * LONGEST): string {
  const { head, rest } = cut(text, longest);
  return `${head.replace(UNSEEN, escapeOne)}${rest}`;
}

/**
 * Any value as the current value of an error: texts in quotes, numbers as they are written (`Infinity` and `NaN` too), lists and plain
 * objects as JSON, other objects by what they are; `none` for what isn't there.
 * @param longest how many characters are kept, before those that can't be shown are escaped.
 */
export function quote(value: unknown, longest = LONGEST): string {
  if (value === undefined) return "none";
  if (typeof value === "string") {
    const { head, rest } = cut(value, longest);
    return `${JSON.stringify(head).replace(UNSEEN, escapeOne)}${rest}`;
  }
  if (typeof value === "function") return "a function";
  if (typeof value === "bigint") return inOneLine(`${value}n`, longest);
  if (typeof value !== "object" || value === null) return inOneLine(String(value), longest);
  return inOneLine(jsonOf(value) ?? kindOf(value), longest);
}

/** `undefined` for what JSON can't hold, or would hold as something else. */
function jsonOf(value: object): string | undefined {
  const prototype = Object.getPrototypeOf(value);
  if (!Array.isArray(value) && prototype !== Object.prototype && prototype !== null) return undefined;
  try {
    return JSON.stringify(value, (_, inner) => typeof inner === "number" && !Number.isFinite(inner) ? String(inner) : inner);
  } catch {
    // It holds itself, or a bigint.
    return undefined;
  }
}

/** `a Set`, `an Object`. */
function kindOf(value: object): string {
  const kind = Object.prototype.toString.call(value).slice("[object ".length, -1);
  return `${/^[AEIOU]/.test(kind) ? "an" : "a"} ${kind}`;
}
