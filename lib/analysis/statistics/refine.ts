/**
 * Finds the boundary between yes and no on a grid without asking everywhere: a coarse lattice first, then only the places between
 * neighbours that differ (bisection in two dimensions). Each place is asked several times, but no more once the majority is known.
 */
import { must } from "./sample.ts";

/** The answers at a place so far. */
export interface Votes {
  readonly yes: number;
  readonly no: number;
}

export interface RefineOptions {
  /** How often each place can be asked: the number of seeds. */
  readonly of: number;
  /** The wanted precision of the boundary, in places: 1 between neighbours, 2 between every second place. A power of two. Default: 1. */
  readonly precision?: number;
  /**
   * The first lattice's step along both axes, a power of two; smaller islands may be missed. Default: the largest power of two up to a
   * third of the longer axis.
   */
  readonly stride?: number;
}

export interface Place {
  /** The majority's answer, or that of all around it; `null` where it isn't known yet, or off the lattice of the wanted precision. */
  readonly verdict: boolean | null;
  /** Whether it was asked itself; else its verdict comes from its neighbours. */
  readonly asked: boolean;
}

export interface Refinement {
  /** `places[j][i]`, i along the first axis. */
  readonly places: readonly (readonly Place[])[];
  /** What must be asked next, and how many times more; empty once all is known. */
  readonly wanted: readonly { readonly i: number; readonly j: number; readonly more: number }[];
}

/**
 * What is known about a grid of `[columns, rows]` places from their votes, and what to ask next. It depends on the votes alone, so that a
 * refinement can be resumed at any time, and tested on a grid that was asked everywhere.
 *
 * A place is decided when more than half of `of` say yes, or half or more say no; at first it is asked only as often as a decision takes at
 * least. Places of a finer lattice whose neighbours on the coarser one agree are assumed to agree with them, unless a place beside them
 * turns out otherwise: so in the end both sides of the whole boundary were asked.
 * @throws Error unless columns, rows and `of` are positive whole numbers, and precision and stride powers of two.
 */
export function refine(
  [columns, rows]: readonly [number, number],
  votes: (i: number, j: number) => Votes,
  options: RefineOptions,
): Refinement {
  const { of, precision = 1, stride = 2 ** Math.max(0, Math.floor(Math.log2((Math.max(columns, rows) - 1) / 3 || 1))) } = options;
  const action = "refine a map";
  for (const n of [columns, rows, of]) must(action, "columns, rows and votes", Number.isInteger(n) && n > 0, "must be positive", n);
  for (const n of [precision, stride]) must(action, "a stride", Number.isInteger(Math.log2(n)) && n >= 1, "must be a power of two", n);
  const state = Array.from({ length: rows }, () => Array.from({ length: columns }, (): Place => ({ verdict: null, asked: false })));
  const enough = { yes: Math.floor(of / 2) + 1, no: Math.ceil(of / 2) };
  const wanted: { i: number; j: number; more: number }[] = [];
  /** Decides a place from its votes, or asks for more. */
  const ask = (i: number, j: number) => {
    const { yes, no } = votes(i, j);
    const verdict = yes >= enough.yes ? true : no >= enough.no ? false : null;
    if (verdict === null) wanted.push({ i, j, more: Math.min(of - yes - no, enough.yes - yes, enough.no - no) });
    state[j][i] = { verdict, asked: true };
  };
  for (let step = Math.max(stride, precision); step >= precision; step /= 2) {
    const [xs, ys] = [lattice(columns, step), lattice(rows, step)], first = step === Math.max(stride, precision);
    const [coarseX, coarseY] = [lattice(columns, 2 * step), lattice(rows, 2 * step)];
    for (const j of ys) {
      for (const i of xs) {
        if (state[j][i].verdict !== null) continue;
        const around = first ? [] : neighbours(coarseX, i).flatMap((x) => neighbours(coarseY, j).map((y) => state[y][x].verdict));
        if (around.length > 0 && around.every((verdict) => verdict === around[0])) state[j][i] = { verdict: around[0], asked: false };
        else ask(i, j);
      }
    }
    // An assumed place beside one with another verdict is asked after all, until there is none.
    for (let changed = wanted.length === 0; changed;) {
      changed = false;
      for (const [b, j] of ys.entries()) {
        for (const [a, i] of xs.entries()) {
          const { verdict, asked } = state[j][i];
          if (asked) continue;
          const beside = [[xs[a - 1], j], [xs[a + 1], j], [i, ys[b - 1]], [i, ys[b + 1]]].filter(([x, y]) =>
            x !== undefined && y !== undefined
          );
          if (beside.some(([x, y]) => state[y][x].verdict !== null && state[y][x].verdict !== verdict)) {
            ask(i, j);
            changed = true;
          }
        }
      }
    }
    // A finer lattice needs all verdicts of the coarser one.
    if (wanted.length > 0) break;
  }
  return { places: state, wanted };
}

/** Every `step`-th place of an axis, and the last one. */
function lattice(length: number, step: number): number[] {
  const at: number[] = [];
  for (let i = 0; i < length - 1; i += step) at.push(i);
  return [...at, length - 1];
}

/** The lattice's place at `at`, or the two on either side of it. */
function neighbours(lattice: readonly number[], at: number): number[] {
  if (lattice.includes(at)) return [at];
  const after = lattice.findIndex((place) => place > at);
  return [lattice[after - 1], lattice[after]];
}
