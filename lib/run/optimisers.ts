/** The optimisers, and what each does with fields that not all of them read: the help of these fields is made from it. */

interface Optimiser {
  /** The decay is added to the gradient; else it acts on the parameter, apart from the gradient. */
  readonly l2?: true;
  readonly reads: readonly ("beta1" | "beta2" | "eps")[];
  /** What help says of it beside its name. */
  readonly where?: string;
}

export const OPTIMISERS = {
  adamw: { reads: ["beta1", "beta2", "eps"] },
  adam: { l2: true, reads: ["beta1", "beta2", "eps"] },
  sgd: { l2: true, reads: [] },
  signsgd: { reads: [] },
  lion: { reads: ["beta1", "beta2"] },
  muon: { reads: ["beta1", "beta2", "eps"], where: "on hidden matrices and adamw on the rest" },
} as const satisfies Readonly<Record<string, Optimiser>>;

export type OptimiserName = keyof typeof OPTIMISERS;
export const OPTIMISER_NAMES = Object.keys(OPTIMISERS) as OptimiserName[];

const of = (name: OptimiserName): Optimiser => OPTIMISERS[name];
/** Those that add the decay to the gradient. */
export const withL2 = OPTIMISER_NAMES.filter((name) => of(name).l2);
export const reading = (field: Optimiser["reads"][number]) => OPTIMISER_NAMES.filter((name) => of(name).reads.includes(field));
export const without = (field: Optimiser["reads"][number]) => OPTIMISER_NAMES.filter((name) => !of(name).reads.includes(field));

/** `a`, `a and b`, `a, b and c`. */
export const listed = (names: readonly string[], last = "and"): string =>
  names.length < 2 ? names.join() : `${names.slice(0, -1).join(", ")} ${last} ${names.at(-1)}`;

/** All of them in a line; those with L2 stand together. */
export function optimisersInWords(): string {
  const words = OPTIMISER_NAMES.filter((name) => !withL2.includes(name) || name === withL2[0]).map((name) =>
    of(name).l2 ? `${listed(withL2)} (with L2)` : [name, of(name).where].filter(Boolean).join(" ")
  );
  return `${words.slice(0, -1).join(", ")}, or ${words.at(-1)}`;
}
