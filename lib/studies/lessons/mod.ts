/** The lessons: the network of the first, the exercises of the second, and the live notebook's tips. */
export * from "./first_grok.ts";
export * from "./knobs.ts";
export * from "./tiny_live.ts";
