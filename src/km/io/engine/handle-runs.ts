/** Keys that came one after the other lie side by side: what is done with many is done with each stretch of them. */
import type { Handles } from "../../store/port.ts";
import { groupOf, placeOf } from "./group.ts";

/** Keys `[from, to)` of a group. */
export interface HandleRun {
  readonly group: number;
  readonly from: number;
  readonly to: number;
}

/** In the order of the handles. */
export function runsOf(handles: Handles): HandleRun[] {
  const runs: HandleRun[] = [];
  for (let i = 0; i < handles.length; ) {
    const first = handles[i] as number;
    let count = 1;
    while (i + count < handles.length && handles[i + count] === first + count) count++;
    const from = placeOf(first);
    // A group has fewer places than handles: no run goes on into the next.
    runs.push({ group: groupOf(first), from, to: from + count });
    i += count;
  }
  return runs;
}
