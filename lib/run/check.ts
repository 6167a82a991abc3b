/**
 * Checks of what comes from people and their files, with valibot: the message of every schema is a clause such as "lr must be 0 or above",
 * and of an error one reads the action, the clause and the current value.
 */
import * as v from "valibot";
import { quote } from "./quote.ts";

/**
 * The value, if the schema takes it.
 * @throws Error in one line: `Cannot use this run: lr must be 0 or above, current value is -1`.
 */
export function checked<const Schema extends v.GenericSchema>(schema: Schema, value: unknown, action: string): v.InferOutput<Schema> {
  const result = v.safeParse(schema, value, { abortEarly: true });
  if (result.success) return result.output;
  const { message, input } = result.issues[0];
  throw new Error(`${action}: ${message}, current value is ${quote(input)}`);
}

/** What a value must be, by what is wrong with one that isn't; `undefined` where nothing is. `name` is what it is called. */
export const value = <T>(name: string, refuse: (value: unknown) => string | undefined): v.GenericSchema<T> =>
  v.custom<T>((each) => refuse(each) === undefined, ({ input }) => `${name} must be ${refuse(input)}`);

/** Whether something is an object as JSON has them: no list, no Set, nothing with methods. */
export function isPlain(value: unknown): value is Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null) return false;
  const prototype = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

/**
 * An object that has no fields but these, each of them or not.
 * @param name what it is called where it is none, and what its fields are called fields of where it has another one.
 */
export const fields = <const Entries extends v.ObjectEntries>(
  name: string,
  entries: Entries,
  says: { readonly other?: (names: string) => string; readonly none?: string } = {},
) => {
  const names = Object.keys(entries).join(", "), other = says.other?.(names) ?? `a field of ${name} must be one of ${names}`;
  return v.pipe(
    v.custom<object>(isPlain, says.none ?? `${name} must be an object with fields among ${names}`),
    v.strictObject(entries, other),
  );
};
