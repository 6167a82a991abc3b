/**
 * From a gradient to new parameters, as operations: filter, update rule, limits on norms. Which, is the run's shape; where all is
 * neutral, one.
 */
import { type Area, areas } from "../run/areas.ts";
import { besideWords } from "../run/beside.ts";
import { type Group, groupOf, groupsIn } from "../run/groups.ts";
import type { Layout } from "../run/layout.ts";
import type { OptimSpec, RunSpec } from "../run/spec.ts";
import type { Op, View } from "./op.ts";
import type { Pass } from "./pass.ts";
import { type GradientFilter, MOMENTS, NEWTON_SCHULZ } from "./op/update.ts";

/** Groups whose tensors Muon updates: the hidden matrices. */
const HIDDEN: readonly Group[] = ["attn", "mlp"];
/** Groups whose rows are vectors of their own, and those where a column leads into a unit. */
const BY_ROWS: readonly Group[] = ["embed", "pos"], BY_COLUMNS: readonly Group[] = ["attn", "mlp", "unembed"];

/** The operations of an update, once `grads` is there. Frozen groups stay as they are, with their moments. */
export function optimise({ spec, layout, buffer }: Pick<Pass, "spec" | "layout" | "buffer">): Op[] {
  const { optim } = spec, { length: P } = layout, frozen = groupsIn(optim.frozen);
  const tensors = areas(layout).filter(({ group }) => !frozen.includes(group));
  for (const [name, words] of besideWords(spec, P)) buffer(name, words);
  const grads = optim.gradFilter === "none" ? "grads" : buffer("filtered", P);
  const hidden = optim.rule === "muon" ? tensors.filter(({ group }) => HIDDEN.includes(group)) : [];
  const clip = (area: Area, along: "rows" | "columns"): Op[] => [
    { op: "clipRows", label: `${area.name}: no ${along} above the largest norm`, P, area, along, params: "params" },
  ];
  return [
    ...filter(spec, layout, tensors),
    ...updates(spec, layout, grads),
    ...hidden.flatMap((area) => muon(spec, layout, area, grads, buffer)),
    ...optim.rowNorm === 0 ? [] : tensors.flatMap((area) => {
      return BY_ROWS.includes(area.group) ? clip(area, "rows") : BY_COLUMNS.includes(area.group) ? clip(area, "columns") : [];
    }),
    ...optim.heldNorm === 0
      ? []
      : [{ op: "holdNorm", label: "params = params · norm / |params|", P, params: "params", norm: "norm" } as const],
  ];
}

/** The filters that keep an average. */
const AVERAGES: Readonly<Record<Exclude<OptimSpec["gradFilter"], "none" | "orthogonal">, GradientFilter["kind"]>> = {
  "grokfast-ema": "ema",
  "grokfast-ma": "ma",
};

/** filtered = what becomes of grads. */
function filter({ optim: { gradFilter, filterWindow } }: RunSpec, { length: P }: Layout, tensors: readonly Area[]): Op[] {
  const out = { P, grads: "grads", out: "filtered" };
  if (gradFilter === "none") return [];
  if (gradFilter === "orthogonal") {
    return tensors.map((area) => {
      return { op: "orthogonalGradient", label: `filtered = ⊥Grad of ${area.name}`, area, params: "params", ...out };
    });
  }
  return [{
    op: "gradientFilter",
    label: `filtered = ${gradFilter}(grads)`,
    kind: AVERAGES[gradFilter],
    window: filterWindow,
    kept: "filter",
    ...out,
  }];
}

/** Every parameter that isn't frozen and that Muon leaves, in stretches that are treated alike: all at once where all are. */
function updates(
  { optim: { rule, lrSchedule, decayGroups, frozen } }: RunSpec,
  { length: P, vectorsFrom, blocks, tensors }: Layout,
  grads: string,
): Op[] {
  const kind = rule === "muon" ? "adamw" : rule, decaying = groupsIn(decayGroups);
  const left: readonly Group[] = [...groupsIn(frozen), ...rule === "muon" ? HIDDEN : []];
  const stretches: { first: number; words: number; decays: boolean }[] = [];
  for (const { offset, rows, stride } of blocks.values()) {
    const group = groupOf(tensors.find((tensor) => tensor.offset === offset)!.name); // every block begins with a tensor
    if (left.includes(group)) continue;
    const last = stretches.at(-1), words = rows * stride, decays = decaying.includes(group);
    if (last && last.decays === decays && last.first + last.words === offset) last.words += words;
    else stretches.push({ first: offset, words, decays });
  }
  return stretches.map(({ first, words, decays }): Op => {
    const part = words === P ? "" : `, words ${first} to ${first + words - 1}`, moments = MOMENTS[kind];
    const label = kind === "adamw"
      ? `params, m, v = AdamW(${grads})${part}`
      : `${["params", ...moments].join(", ")} = ${kind}(${grads})${part}`;
    return {
      ...{ op: "update", label, kind, schedule: lrSchedule, P, first, words, vectorsFrom },
      ...{ decays, params: "params", grads, moments },
    };
  });
}

/** Of a matrix [inputs, outputs]. Heads side by side are one matrix; padding is zero and stays zero. */
function muon({ optim: { lrSchedule, decayGroups } }: RunSpec, layout: Layout, area: Area, grads: string, buffer: Pass["buffer"]): Op[] {
  const { length: P, sizes: { H, K } } = layout, { name, rows, columns } = area, wide = rows <= columns, n = Math.min(rows, columns);
  const matrix = (name: string, rows: number, columns: number): View => {
    return { buffer: buffer(name, rows * columns), offset: 0, stride: columns, words: rows * columns };
  };
  const X = [0, 1].map((i) => matrix(`muon.x.${i}`, rows, columns)),
    [A, A2, B] = ["a", "a2", "b"].map((name) => matrix(`muon.${name}`, n, n));
  const square = { m: n, n, k: n };
  const rounds = Array.from({ length: NEWTON_SCHULZ.times }, (_, i): Op[] => {
    const x = X[i % 2], next = X[(i + 1) % 2], label = `${name}, Newton–Schulz ${i + 1}: `;
    return [
      wide
        ? { op: "product", label: `${label}A = X · Xᵀ`, form: "nt", m: n, n, k: columns, a: x, b: x, c: A }
        : { op: "product", label: `${label}A = Xᵀ · X`, form: "tn", m: n, n, k: rows, a: x, b: x, c: A },
      { op: "product", label: `${label}A²`, form: "nn", ...square, a: A, b: A, c: A2 },
      { op: "muonPolynomial", label: `${label}B = a I + b A + c A²`, n, A: A.buffer, A2: A2.buffer, out: B.buffer },
      wide
        ? { op: "product", label: `${label}B · X`, form: "nn", m: rows, n: columns, k: rows, a: B, b: x, c: next }
        : { op: "product", label: `${label}X · B`, form: "nn", m: rows, n: columns, k: columns, a: x, b: B, c: next },
    ];
  });
  const { dims } = layout.tensors.find((tensor) => tensor.name === name)!; // areas are those of the layout's tensors
  const outputs = /W_[QKV]$/.test(name) ? H * K : dims.at(-1)!, inputs = dims.reduce((product, n) => product * n, 1) / outputs;
  const last = X[NEWTON_SCHULZ.times % 2].buffer,
    scale = Math.sqrt(Math.max(1, outputs / inputs)),
    decays = groupsIn(decayGroups).includes(area.group);
  return [
    { op: "muonStart", label: `m, X = momentum of ${name}, normalised`, P, area, grads, moment: "m", out: X[0].buffer },
    ...rounds.flat(),
    { op: "muonEnd", label: `${name} −= X`, schedule: lrSchedule, P, area, scale, decays, X: last, params: "params" },
  ];
}
