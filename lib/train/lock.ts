/** A lock that one process at a time holds, as a file; the system releases it when the process ends, however that happens. */

export interface Lock extends Disposable {
  readonly path: string;
}

/** Takes the lock; `null` where another holds it. Releasing it removes the file; that of a killed process stays and locks nothing. */
export function tryLock(path: string): Lock | null {
  while (true) {
    const file = Deno.openSync(path, { create: true, write: true });
    if (!file.tryLockSync(true)) {
      file.close();
      return null;
    }
    // Between the two lines above no process held it, and its last holder may have removed it.
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
