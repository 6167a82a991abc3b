/**
 * What a command writes to its terminal: made safe, whatever file the text comes from, and no reason to fail where the terminal is gone, as
 * it is when a connection drops and training still has its states to save.
 */
import { inOneLine } from "../run/quote.ts";

/** Characters of a line that say enough. */
const LONGEST = 1000;

/** Text in one line without anything that a terminal obeys; dots stand for line breaks between words. */
export const printable = (text: string, longest = LONGEST): string => inOneLine(text.trim().replaceAll(/\s*[\r\n]+\s*/g, " · "), longest);

/** A line on stderr. */
export function say(line: string): void {
  unlessGone(() => console.error(printable(line)));
}

/** Text on stdout, of any number of lines. @throws what writing throws, but for a reader that is gone. */
export function tell(text: string): void {
  unlessGone(() => console.log(safe(text)));
}

/** Text whose lines are kept and whose other control characters are escaped. */
export const safe = (text: string): string => text.split("\n").map((line) => inOneLine(line, Infinity)).join("\n");

/** Does what writes to a terminal or a pipe; nobody being there to read it is no error. */
export function unlessGone(write: () => void): void {
  try {
    write();
  } catch (error) {
    if (!isGone(error)) throw error;
  }
}

/** Whether the terminal hung up, or the reader of a pipe closed it. */
export const isGone = (error: unknown): boolean =>
  error instanceof Deno.errors.BrokenPipe || (error instanceof Error && /Input\/output error|Broken pipe|EIO|EPIPE/.test(error.message));
