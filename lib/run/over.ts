/** Changes over a setting that says more than was meant: a complete one also has values of fields that nothing in it reads. */
import { type Field, type Part, PART_ENTRIES, PARTS } from "./fields.ts";
import type { Value } from "./kinds.ts";
import { PRESETS, type RunInput, valuesOf } from "./spec.ts";

/**
 * A setting with changes over it, each over those before it, field by field. A field of the setting keeps its value, unless a change
 * decides that it is read, or that it isn't: then it is as if the setting didn't have it.
 */
export const over = (setting: RunInput, ...changes: readonly RunInput[]): RunInput => changes.reduce(changed, setting);

function changed(base: RunInput, changes: RunInput): RunInput {
  const preset = PRESETS[changes.preset ?? base.preset ?? "ai-scientist"];
  const merged = <P extends Part>(part: P) => ({ ...kept(part, base[part] ?? {}, changes[part] ?? {}, preset[part]), ...changes[part] });
  return { ...base, ...changes, ...Object.fromEntries(PARTS.map((part) => [part, merged(part)])) };
}

type Values = Readonly<Record<string, Value>>;

/** What stays of a part of the base. */
function kept(part: Part, base: object, changes: object, preset: object): object {
  // A preset's part is of this part.
  const values = (given: object): Values => valuesOf(part, given, preset as never) as unknown as Values;
  const before = values(base), left: Record<string, Value> = { ...base };
  for (const { part: of, name, field } of PART_ENTRIES) {
    if (of !== part || !Object.hasOwn(base, name) || Object.hasOwn(changes, name)) continue;
    const given = { ...left, ...changes }, source = field.from?.field;
    const isAlone = source !== undefined && Object.hasOwn(base, source) && !Object.hasOwn(given, source);
    if (isAlone || isDecided(field, left[name], before, values(given))) delete left[name];
  }
  return left;
}

/** Whether a change decides that a field is read, or that it isn't: it was the other before. */
function isDecided({ unread, readBy, from }: Field, value: Value, before: Values, after: Values): boolean {
  if (readBy && value === 0 && before[readBy.field] !== after[readBy.field]) return true;
  if (unread && !unread.where(before[unread.field] as never) && unread.where(after[unread.field] as never)) return true;
  // A field that follows from some values of another one has no other value beside these.
  const follows = (values: Values) => from?.value(values[from.field] as never) !== undefined;
  return !follows(before) && follows(after);
}
