/** What the engine takes from newer JavaScript, for browsers that are some years behind. */
/// <reference lib="dom" />

Map.prototype.getOrInsertComputed ??= function <K, V>(this: Map<K, V>, key: K, compute: (key: K) => V): V {
  if (!this.has(key)) this.set(key, compute(key));
  return this.get(key)!; // it is there now
};

Promise.try ??= (async (work: () => unknown) => await work()) as unknown as typeof Promise.try;
