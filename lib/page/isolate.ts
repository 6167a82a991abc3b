/** Makes the page isolated, so that threads can share memory, and lets it work without a network: both by a service worker. */
/// <reference lib="dom" />

/** Set while the page is loaded once more, so that it doesn't go round in circles where that doesn't help. */
const TRIED = "grokbook-isolated";

/** How long the service worker may take to get all files, in ms: without it, one thread trains. */
const PATIENCE = 5000;

/**
 * Registers the service worker, and loads the page again where only that isolates it.
 * @returns whether the page is isolated.
 */
export async function isolate(): Promise<boolean> {
  if (!("serviceWorker" in navigator)) return crossOriginIsolated;
  try {
    await navigator.serviceWorker.register(new URL("./offline.js", import.meta.url));
    if (crossOriginIsolated) return true;
    const ready = await Promise.race([navigator.serviceWorker.ready, new Promise<null>((resolve) => setTimeout(resolve, PATIENCE, null))]);
    if (!ready) return false;
    if (sessionStorage.getItem(TRIED)) return false;
    sessionStorage.setItem(TRIED, "yes");
    location.reload();
    return await new Promise<boolean>(() => {});
  } catch {
    return crossOriginIsolated; // a private window, a file: then there is one thread
  }
}
