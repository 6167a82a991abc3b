/** Text that comes from files, made fit for one line of a terminal. */

/** Characters that move the cursor, hide text or turn its direction, line breaks among them, and halves of surrogate pairs. */
const UNSAFE = /[\p{Cc}\p{Cs}\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu;

const escape = (character: string) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;

/** A value as JSON, its unsafe characters escaped, cut to so many characters. */
export function quote(value: unknown, most = 80): string {
  // Of a long text only the beginning is written: a header may have megabytes.
  const short = typeof value === "string" ? value.slice(0, most) : value;
  const text = (JSON.stringify(short) ?? String(short)).replace(UNSAFE, escape);
  const cut = text.length > most || (typeof value === "string" && value.length > most);
  return cut ? `${text.slice(0, most - 1)}…` : text;
}

/** Text in one line: breaks become dots between words, unsafe characters are escaped; cut to so many characters. */
export function printable(text: string, most = 2000, trim = true): string {
  const joined = text.replaceAll(/\s*[\r\n]+\s*/g, " · "), line = (trim ? joined.trim() : joined).replace(UNSAFE, escape);
  return line.length > most ? `${line.slice(0, most - 1)}…` : line;
}
