/** A lock that one process at a time holds, as a file; the system lets go of it when the process ends, however that happens. */

export interface Lock extends Disposable {
  readonly path: string;
}

/** Takes the lock; `null` where another holds it. The file goes when it is let go of, and stays behind a killed process, of use to nobody. */
export function tryLock(path: string): Lock | null {
  while (true) {
    const file = Deno.openSync(path, { create: true, write: true });
    if (!file.tryLockSync(true)) {
      file.close();
      return null;
    }
    // Between the two lines above it was nobody's, and whoever held it before may have removed it.
    if (exists(path)) {
      return {
        path,
        [Symbol.dispose]: () => {
          Deno.removeSync(path);
          file.close();
        },
      };
    }
    file.close();
  }
}

function exists(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
