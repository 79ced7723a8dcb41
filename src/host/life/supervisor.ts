/**
 * Tells systemd's watchdog that the node makes progress, as long as it does. What merely cannot be
 * reached is an alarm; only work that neither ends nor fails is a reason to be started anew.
 */
import { type Clock, every, type Timer } from "../../base/clock.ts";
import type { Log } from "../../base/log.ts";
import type { Notify } from "./notify.ts";
import type { Progress } from "./progress.ts";

export interface SupervisorParts {
  readonly progress: Progress;
  readonly notify: Pick<Notify, "watchdog" | "watchdogMs">;
  readonly clock: Clock;
  readonly log: Log;
}

const tickMs = 1_000;

/** @returns ends it */
export function supervise({ progress, notify, clock, log }: SupervisorParts): Timer {
  const tellMs = (notify.watchdogMs ?? Number.POSITIVE_INFINITY) / 3;
  let toldAt = Number.NEGATIVE_INFINITY;
  let complaint = "";
  return every(clock, tickMs, () => {
    const now = clock.now();
    const stuck = progress.stuck(now).join(", ");
    if (stuck !== complaint) {
      if (stuck !== "") log.error("no progress: the watchdog is not told", { stuck });
      else log.info("progress again");
    }
    complaint = stuck;
    if (stuck !== "" || now - toldAt < tellMs - tickMs) return;
    toldAt = now;
    notify.watchdog();
  });
}
