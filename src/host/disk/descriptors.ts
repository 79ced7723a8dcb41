/**
 * A descriptor for a file is waited for where all of them are taken. Connections take most, and come and go: a store that
 * failed because of one that is wanted for a moment would end the program with all that it does.
 */
import { setTimeout } from "node:timers/promises";
import { errorCode } from "../../base/errors.ts";

/** In all, and between two tries, ms. */
const longestMs = 10_000;
const pauseMs = 50;

/** A timer that keeps the process alive, as what waits for it does nothing else. */
async function usualPause(ms: number): Promise<void> {
  await setTimeout(ms);
}

/**
 * @param open takes a descriptor
 * @throws what it throws; for want of a descriptor not before ten seconds
 */
export async function withDescriptor<T>(
  open: () => Promise<T>,
  pause: (ms: number) => Promise<void> = usualPause,
): Promise<T> {
  for (let waited = 0; ; waited += pauseMs) {
    try {
      return await open();
    } catch (error) {
      const code = errorCode(error);
      if ((code !== "EMFILE" && code !== "ENFILE") || waited >= longestMs) throw error;
    }
    await pause(pauseMs);
  }
}
