/** Groups of tensors: the words by which fields of a run say which of its parameters they concern. Every tensor is in exactly one. */
import type { Kind } from "./kinds.ts";

/**
 * `embed`: token embedding. `pos`: position table. `attn`, `mlp`: the matrices of attention and of the feed-forward part. `norms`: scales
 * and shifts of LayerNorms. `unembed`: the matrix of the output head. `biases`: of linear maps, the output head's too.
 */
export const GROUPS = ["embed", "pos", "attn", "mlp", "norms", "unembed", "biases"] as const;
export type Group = (typeof GROUPS)[number];

/** What decides which groups a model has: fields of it. */
interface Grouped {
  readonly mixer: string;
  readonly inputs: string;
  readonly norm: string;
  readonly tied: boolean;
  readonly biases: boolean;
}

/** The groups that a model has tensors of. */
export const groupsOf = ({ mixer, inputs, norm, tied, biases }: Grouped): readonly Group[] =>
  GROUPS.filter((group) => ({
    ...{ embed: inputs === "embedded", pos: mixer !== "none", attn: mixer !== "none", mlp: true },
    ...{ norms: norm !== "none", unembed: !tied, biases },
  }[group]));

/**
 * The group of a tensor.
 * @param tensor Its name, as in `layout.ts`: `blocks.0.attn.W_Q`, `ln_final.w`.
 * @throws Error where no group has a tensor of that name.
 */
export function groupOf(tensor: string): Group {
  const [last, parent] = tensor.split(".").reverse();
  if (last === "w" || last === "b") return "norms";
  if (last.startsWith("b_")) return "biases";
  if (parent === "pos_embed") return "pos";
  if (parent === "embed" || parent === "attn" || parent === "mlp" || parent === "unembed") return parent;
  throw new Error(`Cannot find a tensor's group: its name must be one of a layout's, current value is ${tensor}`);
}

/** The groups that a value of `groupsKind` names. */
export const groupsIn = (value: string): readonly Group[] =>
  value === "all" ? GROUPS : GROUPS.filter((group) => value.split("+").includes(group));

const WRITTEN = `all, none, or some of ${GROUPS.join("+")} in this order, joined by +`;

/** Some groups in one text, which has one spelling for each choice: `all`, `none`, `embed+unembed`. */
export const groupsKind = (): Kind<string> => ({
  refuse: (value) => {
    if (value === "all" || value === "none") return undefined;
    const named = typeof value === "string" ? groupsIn(value) : [];
    return named.length > 0 && named.length < GROUPS.length && named.join("+") === value ? undefined : WRITTEN;
  },
  column: "TEXT",
  read: (text) => text,
  written: WRITTEN,
});
