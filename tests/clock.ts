/** A clock of a test's own, so that no result depends on how fast or busy the machine is. */
export interface Clock {
  /** In ms. */
  now: number;
}

/** Runs something while `performance.now()` shows a clock that only the test moves. It begins at 0. */
export function onClock<T>(use: (clock: Clock) => T): T {
  const clock = { now: 0 }, real = performance.now, restore = () => void (performance.now = real);
  performance.now = () => clock.now;
  let result: T;
  try {
    result = use(clock);
  } catch (error) {
    restore();
    throw error;
  }
  if (result instanceof Promise) return result.finally(restore) as T;
  restore();
  return result;
}
