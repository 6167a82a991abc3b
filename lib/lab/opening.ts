/** A lab that is opened to enter something. */
import { removeEmpty } from "../run/files.ts";
import { isThere, removeUnused } from "./database.ts";
import { Lab, type OpenOptions } from "./store.ts";

/**
 * Opens a lab for the time of some work. Where there was none before and the work fails before it has entered anything, there is none
 * afterwards.
 * @throws what `Lab.open` and the work throw.
 */
export async function withLab<T>(
  path: string,
  work: (lab: Lab) => T | Promise<T>,
  options: Pick<OpenOptions, "say"> = {},
): Promise<T> {
  const there = isThere(path), lab = Lab.open(path, options);
  let empty = false;
  try {
    return await work(lab);
  } catch (error) {
    empty = !there && lab.query("SELECT 1 FROM experiments UNION ALL SELECT 1 FROM runs LIMIT 1").length === 0;
    throw error;
  } finally {
    lab.close();
    if (empty) {
      removeUnused(path);
      await removeEmpty([lab.folder]);
    }
  }
}
