import { getHeapStatistics, setFlagsFromString } from "node:v8";
import { type Clock, every, type Timer } from "../../base/clock.ts";

/** A small heap may grow by this much over what lives in it, %; a large one by so many bytes, and by that at the least. */
const most = 300;
const least = 75;
const mostBytes = 40_000_000;
/** How often it is looked how large the heap is, ms; and what lives in it is the least of so many looks. */
const lookMs = 5_000;
const looks = 6;

/**
 * V8 collects garbage only when the heap has grown by this much over what lives in it, %. For a process that holds much
 * outside of a small heap, which V8 counts with it: else it collects without end.
 * @param live bytes
 */
export function growthOf(live: number): number {
  return Math.round(Math.min(most, Math.max(least, (100 * mostBytes) / live)));
}

/**
 * Lets the heap of this process grow as {@link growthOf} says.
 *
 * Not on the command line: Node.js ships its own modules compiled, and with another flag of V8's than it was built with it
 * compiles them anew, which is a sixth of a start.
 * @returns ends it
 */
export function growHeap(clock: Clock): Timer {
  const seen: number[] = [];
  let now = 0;
  const look = () => {
    seen.push(getHeapStatistics().used_heap_size);
    if (seen.length > looks) seen.shift();
    const percent = growthOf(Math.min(...seen));
    if (percent !== now) setFlagsFromString(`--heap-growing-percent=${percent}`);
    now = percent;
  };
  look();
  return every(clock, lookMs, look);
}
