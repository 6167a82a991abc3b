/** Records of what makes new parameters of a gradient. */
import type { Area } from "../../../run/areas.ts";
import type {
  ClipRows,
  GradientFilter,
  HoldNorm,
  MuonEnd,
  MuonPolynomial,
  MuonStart,
  OrthogonalGradient,
  Schedule,
  Update,
  UpdateRule,
} from "../../op.ts";
import { MUON_EPS, NEWTON_SCHULZ } from "../../op/update.ts";
import * as code from "../kernels/opcode.ts";
import { type Range, reads, real, type Record, writes } from "../records.ts";
import { hyper, state } from "./run.ts";

/** The numbers by which kernels know a rule, a schedule and a filter. */
const ruleOf = (kind: UpdateRule) => code[`RULE_${kind.toUpperCase() as Uppercase<UpdateRule>}`];
const scheduleOf = (schedule: Schedule) => code[`SCHEDULE_${schedule.toUpperCase() as Uppercase<Schedule>}`];
const filterOf = (kind: GradientFilter["kind"]) => code[`FILTER_${kind.toUpperCase() as Uppercase<GradientFilter["kind"]>}`];

/** Words that an area reaches. */
const inArea = (range: (buffer: string, from: number, words: number) => Range, buffer: string, { offset, rows, columns, stride }: Area) =>
  range(buffer, offset, (rows - 1) * stride + columns);
const sizeOf = ({ rows, columns, stride }: Area) => [rows, columns, 4 * stride];

type Plain<Op> = Omit<Op, "op">;

/** params and moments, by a rule that treats every number by itself. */
export function update(op: Plain<Update>): Record {
  const { label, kind, schedule, first, words, vectorsFrom, decays, params, grads, moments } = op;
  const [m, v] = [0, 1].map((i) => moments[i] === undefined ? null : writes(moments[i], first, words));
  const matrices = Math.min(words, Math.max(0, vectorsFrom - first));
  return {
    label,
    opcode: code.UPDATE,
    args: [
      hyper,
      state,
      writes(params, first, words),
      reads(grads, first, words),
      m,
      v,
      words,
      matrices,
      decays ? 1 : 0,
      ruleOf(kind),
      scheduleOf(schedule),
    ],
    flop: (4 + 6 * moments.length) * words,
    bytes: (12 + 8 * moments.length) * words,
  };
}

/** filtered = grads and an average of them. */
export const gradientFilter = ({ label, kind, P, window, grads, kept, out }: Plain<GradientFilter>): Record => ({
  label,
  opcode: code.GRADIENT_FILTER,
  args: [
    hyper,
    state,
    reads(grads, 0, P),
    writes(kept, 0, (window === 0 ? 1 : window + 1) * P),
    writes(out, 0, P),
    P,
    window,
    filterOf(kind),
  ],
  flop: 5 * P,
  bytes: (window === 0 ? 16 : 28) * P,
});

/** filtered = the gradient of a tensor without its part along the tensor. `turn`: the thread of a run that does it, counted round. */
export const orthogonalGradient = ({ label, area, params, grads, out }: Plain<OrthogonalGradient>, turn: number): Record => ({
  label,
  opcode: code.ORTHOGONAL_GRADIENT,
  args: [inArea(reads, params, area), inArea(reads, grads, area), inArea(writes, out, area), ...sizeOf(area), turn],
  flop: 13 * area.rows * area.columns,
  bytes: 12 * area.rows * area.columns,
});

/** The momentum of a matrix, and X from it. */
export const muonStart = ({ label, area, grads, moment, out }: Plain<MuonStart>): Record => ({
  label,
  opcode: code.MUON_START,
  args: [
    ...[hyper, state, inArea(reads, grads, area), inArea(writes, moment, area), writes(out, 0, area.rows * area.columns)],
    ...[...sizeOf(area), real(MUON_EPS)],
  ],
  flop: 8 * area.rows * area.columns,
  bytes: 16 * area.rows * area.columns,
});

/** out = a I + b A + c A². */
export function muonPolynomial({ label, n, A, A2, out }: Plain<MuonPolynomial>): Record {
  const { a, b, c } = NEWTON_SCHULZ, words = n * n;
  const args = [reads(A, 0, words), reads(A2, 0, words), writes(out, 0, words), n, real(a), real(b), real(c)];
  return { label, opcode: code.MUON_POLYNOMIAL, args, flop: 4 * words, bytes: 12 * words };
}

/** A matrix, by X. */
export function muonEnd({ label, schedule, area, scale, decays, X, params }: Plain<MuonEnd>): Record {
  const words = area.rows * area.columns, ranges = [hyper, state, inArea(writes, params, area), reads(X, 0, words)];
  const args = [...ranges, ...sizeOf(area), real(scale), decays ? 1 : 0, scheduleOf(schedule)];
  return { label, opcode: code.MUON_END, args, flop: 4 * words, bytes: 12 * words };
}

/** Rows or columns of a tensor, no longer than the run allows. */
export const clipRows = ({ label, area, along, params }: Plain<ClipRows>): Record => ({
  label,
  opcode: code.CLIP_ROWS,
  args: [hyper, state, inArea(writes, params, area), ...sizeOf(area), along === "rows" ? 1 : 0],
  flop: 3 * area.rows * area.columns,
  bytes: 8 * area.rows * area.columns,
});

/** params, as long as the run holds them. */
export const holdNorm = ({ label, P, params, norm }: Plain<HoldNorm>): Record => ({
  label,
  opcode: code.HOLD_NORM,
  args: [state, writes(params, 0, P), reads(norm, 0, 4), P],
  flop: 3 * P,
  bytes: 8 * P,
});
