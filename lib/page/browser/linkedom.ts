/** Stands in for the package linkedom on the page: the browser has the same. */
/// <reference lib="dom" />
export const DOMParser = globalThis.DOMParser;
