/** The end of a program: what it opened is closed in the opposite order, within a time. */
import { type Clock, within } from "../../base/clock.ts";
import { describe, Fault } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";

export function notInTime(limitMs: number): Fault {
  return new Fault("stopped", "not everything stopped in time", { limit_ms: limitMs });
}

/**
 * What is not closed in time, or fails to close, is as after a power cut, and found so by the next start: the process ends.
 * @param before what is done before it does
 */
export async function closeOrEnd(
  house: AsyncDisposableStack,
  clock: Clock,
  limitMs: number,
  log: Log,
  before = () => {},
): Promise<void> {
  try {
    await within(clock, limitMs, house.disposeAsync(), () => notInTime(limitMs));
  } catch (error) {
    before();
    log.warn(describe(error));
    endAtOnce();
  }
}

/**
 * Ends the process at once, after its last words. Exiting waits for every thread: one that a disk or a device keeps in the
 * kernel would keep the process, too, for as long as that hangs. What is on disk is as after a power cut.
 */
export function endAtOnce(): void {
  process.kill(process.pid, "SIGKILL");
}
