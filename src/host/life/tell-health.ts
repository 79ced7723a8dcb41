/**
 * How a daemon is, in one line, for `systemctl status`. On an appliance it also decides whether an update was
 * good: a slot on trial stays only once each daemon's line begins with `healthy`.
 */
import { type Clock, every, type Timer } from "../../base/clock.ts";
import type { Notify } from "./notify.ts";

const lookMs = 2_000;

/** Tells systemd the line whenever it has changed. @returns ends it */
export function tellHealth(
  notify: Pick<Notify, "status">,
  clock: Clock,
  line: () => string,
): Timer {
  let told = "";
  return every(clock, lookMs, () => {
    const now = line();
    if (now !== told) notify.status(now);
    told = now;
  });
}
