/** The first hidden layer of an MLP, from a row of a's table and a row of b's; and back. */
import type { Pairs, PairsBackward } from "../../op.ts";
import { ACTIVATION } from "./activation.ts";
import { LISTS } from "./batch.ts";
import { alias } from "./gemm/view.ts";
import { elementwise, type Kernel, read, whole, write } from "./kernel.ts";
import { UNPACK } from "./pair.ts";

/** pre[i] = factor · (x[a[i]] + x[second + b[i]]) + bias, out = act(pre). */
export function pairs({ label, batch, examples, width, x, second, factor, bias, activation, pre, out }: Pairs): Kernel {
  const W4 = width / 4, from = alias(x, "x"), isParameter = from === "params";
  return elementwise({
    label,
    count: examples * W4,
    bindings: [
      read.u32(batch, "[R, B]", "batch"),
      ...(isParameter ? [] : [read.vec4f(x.buffer, "[R, (a, b), C, M]", from)]),
      ...(isParameter || bias ? [read.vec4f("params", "[R, P]")] : []),
      write.vec4f(whole(pre), "[R, B, M]", "pre"),
      write.vec4f(whole(out), "[R, B, M]", "post"),
    ],
    constants: {
      ...{ examples, W4, second, x_run: x.words / 4, x_at: x.offset / 4, x_row: x.stride / 4 },
      ...bias && { P4: bias.words / 4, bias: bias.offset / 4 },
    },
    functions: UNPACK + ACTIVATION[activation],
    body: `
  let m4 = i % u.W4;
  let pair = batch[r * u.examples + i / u.W4];
  let at = r * u.x_run + u.x_at + m4;
  let sum = ${from}[at + a_of(pair) * u.x_row] + ${from}[at + (u.second + b_of(pair)) * u.x_row];
  let value = sum${factor === 1 ? "" : ` * ${factor}`}${bias ? " + params[r * u.P4 + u.bias + m4]" : ""};
  pre[r * u.count + i] = value;
  post[r * u.count + i] = act(value);`,
    flop: 3 * examples * width,
    bytes: 16 * examples * width,
  });
}

/** dx[v] = factor · Σ dy over the examples with a = v, dx[second + v] the same of b. */
export function pairsBackward({ label, lists, B, C, width, dy, dx, second, factor }: PairsBackward): Kernel {
  const W4 = width / 4;
  return elementwise({
    label,
    count: 2 * C * W4,
    bindings: [
      read.vec4f(whole(dy), "[R, B, M]", "dy"),
      read.u32(lists, "[R, 2, C + 1 + B]", "lists"),
      write.vec4f(dx.buffer, "[R, (a, b), C, M]", "dx"),
    ],
    constants: { W4, second, dx_run: dx.words / 4, dx_at: dx.offset / 4, dx_row: dx.stride / 4 },
    functions: LISTS(B, C),
    body: `
  let m4 = i % u.W4;
  let side = i / u.W4 / ${C}u;
  let v = i / u.W4 % ${C}u;
  var sum = vec4f(0.0);
  for (var k = list_start(r, side, v); k < list_start(r, side, v + 1u); k++) {
    sum += dy[(r * ${B}u + list_at(r, side, k)) * u.W4 + m4];
  }
  dx[r * u.dx_run + u.dx_at + (side * u.second + v) * u.dx_row + m4] = sum${factor === 1 ? "" : ` * ${factor}`};`,
    flop: 2 * B * width,
    bytes: 8 * B * width,
  });
}
