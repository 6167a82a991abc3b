/** A run's buffers as plain numbers, and where its own numbers stand in them. */
import { HYPER, STATE } from "../../lib/engine/hyper.ts";

/** By name; a buffer of whole numbers holds them as they are. */
export type Memory = Readonly<Record<string, Float64Array>>;

/** A word of `hyper`, by its name; where a word of `state` stands. */
export const hyper = (memory: Memory, name: string) => memory.hyper[HYPER.findIndex((field) => field.name === name)];
export const stateAt = (name: typeof STATE[number]) => STATE.indexOf(name);
