/** What is said of a field of a run, and how a row of the table of fields is written. */
import type { Kind, Value } from "./kinds.ts";

/** What is said of a field. Its name in the command line and its column in the lab are made from the name that it has in a run. */
export interface About<T extends Value> {
  /** A line for the help of the command line. */
  readonly help: string;
  /** Its flag, where that isn't made from its name. */
  readonly flag?: string;
  /** Its column, where that isn't made from its name: no other table of the lab may have one of the same name. */
  readonly column?: string;
  /** How figures call it. Default: its name. */
  readonly label?: string;
  /** What its numbers count, in figures. */
  readonly unit?: string;
  /** How figures write a value. */
  say?(value: T): string;
  /** Runs train together only where they agree in it: how it reads in the name of a shape; `null` for values that don't count there. */
  shape?(value: T): string | null;
  /** Where people make it follow from the width, or from anything else: then it tells nothing new beside that. */
  readonly follows?: "width" | "others";
  /** Its value where it isn't given but another field of its part is; `undefined`: it doesn't follow from that value. */
  readonly from?: { readonly field: string; value(other: never): T | undefined };
  /**
   * Of a field that came later and that nothing reads where another field of its part has such a value: there it must be neutral.
   * `says`: where that is, in an error. Default: `norm is none`.
   */
  readonly unread?: { readonly field: string; where(value: never): boolean; says?(value: never): string };
  /**
   * Of a number that only some choices of another field of its part read: these, each with its default, or `null` where it has none. Under
   * these it may be 0 only where that is the default.
   */
  readonly readBy?: { readonly field: string; readonly choices: Readonly<Record<string, number | null>> };
  /** It isn't part of what a run is: a run that goes on for more steps is the same run. */
  readonly extent?: true;
}

export interface Field<T extends Value = Value> extends About<T> {
  readonly kind: Kind<T>;
  /**
   * Of a field that came later: the value at which a run is what it was before there was this field. There it is left out of the run's
   * identity and shape, so that hashes of stored runs stay as they are.
   */
  readonly neutral?: T;
}

/** A field that every stored run has. */
export const field = <T extends Value>(kind: Kind<T>, about: About<T>): Field<T> => ({ kind, ...about });

/** A field that came after runs were stored. */
export const later = <T extends Value>(kind: Kind<T>, neutral: T, about: About<T>): Field<T> & { readonly neutral: T } => ({
  kind,
  neutral,
  ...about,
});

/**
 * A number that came later and that only some choices of another field read, with its default under each of them: see `readBy`. Help that
 * names the choices is made from them.
 */
export function readBy(
  field: string,
  choices: Readonly<Record<string, number | null>>,
  kind: Kind<number>,
  { help, ...about }: Omit<About<number>, "help"> & { readonly help: string | ((choices: readonly string[]) => string) },
) {
  const words = Object.keys(choices), says = typeof help === "string" ? help : help(words);
  const defaults = Object.entries(choices).flatMap(([choice, value]) => value ? [`${value} with ${choice}`] : []);
  return later(kind, 0, {
    ...about,
    help: [says, ...defaults.length > 0 ? [`unless given, ${defaults.join(", ")}`] : []].join("; "),
    unread: {
      field,
      where: (choice: string) => !words.includes(choice),
      says: (choice: string) => `${field} is ${choice} (${words.join(" or ")} reads it)`,
    },
    readBy: { field, choices },
    from: { field, value: (choice: string) => choices[choice] ?? 0 },
  });
}
