/**
 * Tensors that a run takes over from a state of another one, as one text that is part of what it is: which run, at which step, which
 * groups, and a checksum of their numbers. The numbers themselves are kept here, by that checksum, as long as the process lasts.
 */
import { checksum } from "./files.ts";
import { type Group, groupsIn, groupsKind } from "./groups.ts";
import type { Kind } from "./kinds.ts";

/** What a value of `takenKind` says. */
export interface Taken {
  /** Of the run whose state it was. */
  readonly hash: string;
  readonly step: number;
  /** As a value of `groupsKind`. */
  readonly groups: string;
  /** Of the tensors: their names, sizes and bits; 16 hexadecimal digits of a SHA-256. */
  readonly digest: string;
}

/** A tensor's numbers, row-major. */
export interface TakenTensor {
  readonly dims: readonly number[];
  readonly values: Float32Array;
}

const WRITTEN = "none, or HASH@STEP:GROUPS:DIGEST, as taking over tensors from a run writes it";
const PATTERN = /^([0-9a-f]{16})@(0|[1-9]\d{0,9}):([a-z+]+):([0-9a-f]{16})$/;

/** What a value says; `null` where it is `none`, or no such text. */
export function takenIn(value: string): Taken | null {
  const [, hash, step, groups, digest] = value.match(PATTERN) ?? [];
  return hash === undefined ? null : { hash, step: Number(step), groups, digest };
}

/** What a run takes over, in one text, which has one spelling for each choice. */
export const takenKind = (): Kind<string> => ({
  refuse: (value) => {
    if (value === "none") return undefined;
    const groups = typeof value === "string" ? takenIn(value)?.groups : undefined;
    return groups !== undefined && groups !== "none" && groupsKind().refuse(groups) === undefined ? undefined : WRITTEN;
  },
  column: "TEXT",
  read: (text) => text,
  written: WRITTEN,
});

const KEPT = new Map<string, ReadonlyMap<string, TakenTensor>>();

/** Keeps tensors, by their names. @returns their checksum, by which `takenTensors` finds them. */
export function keepTaken(tensors: ReadonlyMap<string, TakenTensor>): string {
  const head = new TextEncoder().encode(JSON.stringify([...tensors].map(([name, { dims }]) => [name, dims])));
  const parts = [head, ...tensors.values().map(({ values }) => new Uint8Array(values.slice().buffer))];
  const bytes = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  const digest = checksum(bytes).slice(0, 16);
  KEPT.set(digest, tensors);
  return digest;
}

/** Whether a run can begin here: it takes nothing over, or what it takes is at hand. */
export const isAtHand = (value: string): boolean => value === "none" || KEPT.has(takenIn(value)!.digest);

/**
 * The tensors that a run takes over, by name; none where the value is `none`.
 * @throws Error in one line where they aren't at hand.
 */
export function takenTensors(value: string): ReadonlyMap<string, TakenTensor> {
  const taken = takenIn(value);
  if (!taken) return new Map();
  const found = KEPT.get(taken.digest);
  if (found) return found;
  const { hash, step, groups, digest } = taken;
  throw new Error(
    `Cannot begin a run that takes ${groups} from run ${hash}@${step}: these tensors (${digest}) must be at hand, they aren't; ` +
      "a lab that has that run at that step brings them (deno task db merge SUCH.db --db LAB.db copies it), or train --from",
  );
}

/** The groups that a run takes over. */
export const takes = (value: string): ReadonlySet<Group> => new Set(groupsIn(takenIn(value)?.groups ?? "none"));
