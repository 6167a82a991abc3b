/** The attention of every head of one network at one step: one row per layer, its heads side by side. */
// @ts-types="@types/d3-array"
import { range } from "d3-array";
import type * as Plot from "@observablehq/plot";
import { rowsOf } from "../../analysis/attention/patterns.ts";
import { attentionSizes } from "../../run/attention.ts";
import { type RunSpec, tokenNames } from "../../run/spec.ts";
import { FAINT, type Panel } from "../theme.ts";
import { type HeatMap, heatMarks, pixelPanel, shadeKey, tokenMarks, words } from "./shared.ts";

const LEFT = 28, HEAD = 40, GAP = 16, BELOW = 26;

/** @param mean the mean pattern, [L, H, T, T] by layer, head, query and key. @param width pixels. */
export function headsPanel(spec: RunSpec, mean: ArrayLike<number>, width: number): Panel {
  const sizes = attentionSizes(spec), { L, H, T } = sizes, options = { tokens: tokenNames(spec.model.tokens), mask: spec.model.mask };
  const cell = Math.max(6, Math.min(30, Math.floor((width - LEFT - GAP * H) / (H * T)))), side = cell * T, row = side + BELOW + 10;
  const maps = range(L).map((layer) =>
    range(H).map((head): HeatMap => ({
      ...{ pattern: rowsOf(mean, sizes, { layer, head }), left: LEFT + head * (side + GAP), top: HEAD + layer * row, cell },
    }))
  );
  return pixelPanel(HEAD + L * row, [
    words(maps[0].map(({ left }, head) => ({ x: left + side / 2, y: HEAD - 10, text: `head ${head}` })), {
      textAnchor: "middle",
      fill: FAINT,
    }),
    ...heatMarks(maps.flat(), options),
    ...maps.flatMap(([first]) => tokenMarks(first, options, "left")),
    ...maps.flat().flatMap((map) => tokenMarks(map, options, "below")),
    ...shadeKey(width - 4, 10),
  ] as Plot.Markish[], width);
}
