/**
 * Gives memory back that a burst left behind. V8 keeps the pages that it filled for the next one, and
 * returns them only when told that memory is short, which never happens in a node that is never idle:
 * bursts would raise the node's memory step by step, for good.
 */
import { readFileSync } from "node:fs";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { type Clock, every, type Timer } from "../../base/clock.ts";
import type { Log } from "../../base/log.ts";
import { residentBytes } from "./memory.ts";

/** How often memory is looked at, ms; and for the first time, when a start is over. */
const lookMs = 60_000;
const firstLookMs = 3_000;
/** So much more than the least since the last time is given back, bytes. */
const slackBytes = 6_000_000;
/** Everything stands still for some tens of ms meanwhile: not more often than this, ms. */
const restMs = 600_000;

/** The memory of a process. */
export interface Memory {
  /** What is its own, and no file's pages; bytes. */
  own(): number;
  /** Collects all garbage, and gives back what is free then. */
  giveBack(): void;
}

/** What the start needed is the first that is given back. @returns ends it */
export function trimMemory(memory: Memory, clock: Clock, log: Log): Timer {
  let least = 0;
  let last = Number.NEGATIVE_INFINITY;
  const look = () => {
    const before = memory.own();
    least = Math.min(least, before);
    const now = clock.now();
    if (before - least < slackBytes || now - last < restMs) return;
    memory.giveBack();
    last = now;
    least = memory.own();
    log.debug("memory given back", { from_bytes: before, to_bytes: least });
  };
  const first = clock.after(firstLookMs, look);
  const others = every(clock, lookMs, look);
  return {
    cancel() {
      first.cancel();
      others.cancel();
    },
  };
}

/** Of this process. */
export const processMemory: Memory = {
  own() {
    const rss = residentBytes();
    try {
      const [, resident = 1, shared = 0] = readFileSync("/proc/self/statm", "latin1")
        .split(" ")
        .map(Number);
      return Math.round(rss * (1 - shared / resident));
    } catch {
      return rss;
    }
  },
  giveBack() {
    // There for this one call alone.
    setFlagsFromString("--expose-gc");
    const collect: NodeJS.GCFunction = runInNewContext("gc");
    setFlagsFromString("--no-expose-gc");
    collect({ type: "major", flavor: "last-resort" });
  },
};
