/** What ends a show before its time: Ctrl-C, SIGTERM, a terminal that is closed, a reader that is gone, npm killed. */
import { starter } from "./starter.ts";

const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
/** How often it is seen whether npm is there still, ms. */
const lookMs = 1_000;

/** From now on none of these ends the process itself, which would leave daemons and their folder behind. */
export function catchInterruption(): AbortController {
  const interrupted = new AbortController();
  for (const signal of signals) process.on(signal, () => interrupted.abort(signal));
  // A closed terminal or pipe takes no more text; thrown, that would end the process half way down.
  for (const stream of [process.stdout, process.stderr]) {
    stream.on("error", () => interrupted.abort("SIGHUP"));
  }
  const isStarterThere = starter();
  const look = setInterval(() => {
    if (!isStarterThere()) interrupted.abort("SIGHUP");
  }, lookMs);
  look.unref();
  return interrupted;
}

/** @returns what `begin` gives, or undefined where it failed because it was told to stop */
export async function unlessInterrupted<T>(
  signal: AbortSignal,
  begin: () => Promise<T>,
): Promise<T | undefined> {
  try {
    return await begin();
  } catch (error) {
    // A terminal's Ctrl-C goes to the daemons as well: what then fails is no failure.
    if (signal.aborted) return undefined;
    throw error;
  }
}
