/** The random streams of `run/random.ts` in WGSL: the same words, so that the GPU draws the very batches that TypeScript draws. */
import { PARITY, ROTATIONS } from "../../../run/random.ts";

/** `threefry` in WGSL: `fn threefry(key: vec2u, counter: vec2u) -> vec2u`. */
export const THREEFRY = `
fn threefry(key: vec2u, counter: vec2u) -> vec2u {
  var x = counter.x + key.x;
  var y = counter.y + key.y;
  let parity = key.x ^ key.y ^ ${PARITY}u;
${
  [0, 1, 2, 3, 4].map((group) => {
    const rounds = [0, 1, 2, 3].map((i) => ROTATIONS[(group & 1) * 4 + i])
      .map((rotation) => `  x += y; y = ((y << ${rotation}u) | (y >> ${32 - rotation}u)) ^ x;`);
    const key = ["key.x", "key.y", "parity"];
    return [...rounds, `  x += ${key[(group + 1) % 3]}; y += ${key[(group + 2) % 3]} + ${group + 1}u;`].join("\n");
  }).join("\n")
}
  return vec2u(x, y);
}`;
