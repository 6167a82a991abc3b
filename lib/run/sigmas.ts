/** The standard deviations of single tensors' initial weights, as one text. */
import { groupOf, GROUPS } from "./groups.ts";
import { type Kind, NOT_NEGATIVE, single } from "./kinds.ts";

/** Groups of weights, and single weights by the last part of their names. */
const NAMES: readonly string[] = [
  ...GROUPS.filter((group) => group !== "norms" && group !== "biases"),
  ...["W_Q", "W_K", "W_V", "W_O", "W_in", "W_out"],
];
const WRITTEN = `none, or NAME=σ joined by +, the names in this order: ${NAMES.join(", ")}, each σ 0 or above in its shortest form`;

/** Some σ in one text, which has one spelling for each choice: `none`, `unembed=0.1`, `pos=0.02+W_out=0.01`. */
export const sigmasKind = (): Kind<string> => ({
  refuse: (value) => {
    if (value === "none") return undefined;
    const given = typeof value === "string" ? value.split("+").map((each) => each.split("=")) : [];
    const places = given.map(([name]) => NAMES.indexOf(name));
    const inOrder = places.every((place, i) => place > (places[i - 1] ?? -1));
    return given.length > 0 && inOrder && given.every(([, ...sigmas]) => sigmas.length === 1 && isSigma(sigmas[0])) ? undefined : WRITTEN;
  },
  column: "TEXT",
  read: (text) => text,
  written: WRITTEN,
});
const isSigma = (text: string) => String(Number(text)) === text && single(NOT_NEGATIVE).refuse(Number(text)) === undefined;

/** The σ that a value of `sigmasKind` gives a tensor: that of its own name before that of its group; `undefined` where it gives none. */
export function sigmaOf(sigmas: string, tensor: string): number | undefined {
  const given = new Map(sigmas.split("+").map((each) => each.split("=") as [string, string]));
  const sigma = given.get(tensor.split(".").at(-1)!) ?? given.get(groupOf(tensor));
  return sigma === undefined ? undefined : Number(sigma);
}
