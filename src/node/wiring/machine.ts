/** What the node takes from the machine; everything else is handed it. */
import { systemClock } from "../../base/clock.ts";

export const clock = systemClock;
export const random = Math.random;
