/** The rows of numbers that kernels read, in WGSL: what `hyper.ts` above lists, field by field. */
import { HYPER as FIELDS, STATE as STATE_FIELDS } from "../../hyper.ts";
import { type Binding, structOf } from "./kernel.ts";

/** WGSL: `struct Hyper` and `struct State`. */
export const HYPER = structOf("Hyper", FIELDS);
export const STATE = structOf("State", STATE_FIELDS.map((name) => ({ name, type: "u32" })));

/** Their bindings, a struct a run. */
export const hyper: Binding = { buffer: "hyper", access: "read", type: "array<Hyper>", shape: "[R]" };
export const state: Binding = { buffer: "state", access: "read", type: "array<State>", shape: "[R]" };
export const writesState: Binding = { ...state, access: "read_write" };
