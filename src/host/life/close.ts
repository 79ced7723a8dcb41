/** The end of a program: what it opened is closed in the opposite order, within a time. */
import { type Clock, within } from "../../base/clock.ts";
import { Fault } from "../../base/errors.ts";

/** @throws Fault `stopped` if not all is closed in time; whatever closing throws */
export function closeWithin(
  house: AsyncDisposableStack,
  clock: Clock,
  limitMs: number,
): Promise<void> {
  const late = () => new Fault("stopped", "not everything stopped in time", { limit_ms: limitMs });
  return within(clock, limitMs, house.disposeAsync(), late);
}

/**
 * Ends the process at once, after its last words. Exiting waits for every thread: one that a disk or a device keeps in the
 * kernel would keep the process, too, for as long as that hangs. What is on disk is as after a power cut.
 */
export function endAtOnce(): void {
  process.kill(process.pid, "SIGKILL");
}
