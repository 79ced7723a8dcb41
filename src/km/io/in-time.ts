/** A request is answered in time, though a disk may hang: what comes later finds its client gone. */
import type { ServerResponse } from "node:http";
import type { Clock } from "../../base/clock.ts";
import { isGone } from "../../host/door/turns.ts";

/** @param late answers without what was asked for */
export function answerInTime(
  clock: Pick<Clock, "after">,
  response: ServerResponse,
  withinMs: number,
  late: () => void,
): void {
  const timer = clock.after(withinMs, () => {
    if (!isGone(response)) late();
  });
  response.once("close", () => timer.cancel());
}
