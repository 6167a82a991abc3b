/** Exact GELU, ReLU and x² in WGSL, and their derivatives: `act` and `dact`, on vec4f. */
import type { ModelSpec } from "../../../run/spec.ts";

/**
 * erf as x · P(x²) / Q(x²) on |x| ≤ 4, an odd rational minimax approximation that is right to about two units in the last place of an
 * fp32; the coefficients are those that XLA and Eigen use.
 */
const ERF = `
fn erf4(value: vec4f) -> vec4f {
  let x = clamp(value, vec4f(-4.0), vec4f(4.0));
  let s = x * x;
  let p = x * (((((((-2.72614225801306e-10 * s + 2.77068142495902e-08) * s - 2.10102402082508e-06) * s - 5.69250639462346e-05) * s
    - 7.34990630326855e-04) * s - 2.95459980854025e-03) * s - 1.60960333262415e-02));
  let q = (((-1.45660718464996e-05 * s - 2.13374055278905e-04) * s - 1.68282697438203e-03) * s - 7.37332916720468e-03) * s
    - 1.42647390514189e-02;
  return p / q;
}`;

export const ACTIVATION: Record<ModelSpec["activation"], string> = {
  gelu: `${ERF}
fn act(x: vec4f) -> vec4f { return 0.5 * x * (1.0 + erf4(x * ${Math.SQRT1_2})); }
fn dact(x: vec4f) -> vec4f { return 0.5 * (1.0 + erf4(x * ${Math.SQRT1_2})) + x * exp(-0.5 * x * x) * ${1 / Math.sqrt(2 * Math.PI)}; }`,
  relu: `
fn act(x: vec4f) -> vec4f { return max(x, vec4f(0.0)); }
fn dact(x: vec4f) -> vec4f { return select(vec4f(0.0), vec4f(1.0), x > vec4f(0.0)); }`,
  square: `
fn act(x: vec4f) -> vec4f { return x * x; }
fn dact(x: vec4f) -> vec4f { return 2.0 * x; }`,
};
