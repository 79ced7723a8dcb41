/** How alarms that come and go are told, as it is configured. */

import * as v from "valibot";
import type { Duration } from "../../base/duration.ts";
import { seconds, whole } from "../../host/config/values.ts";
import type { FlapLimits } from "./alarm.ts";

export const flapEntries = {
  flap_count: v.optional(whole(2, 100), 5),
  flap_window_s: seconds(10, 86_400, 600),
  flap_quiet_s: seconds(10, 86_400, 300),
};

/** @param table times in ms */
export function flapLimits(table: {
  readonly flap_count: number;
  readonly flap_window: Duration;
  readonly flap_quiet: Duration;
}): FlapLimits {
  return { count: table.flap_count, window: table.flap_window, quiet: table.flap_quiet };
}
