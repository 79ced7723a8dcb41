/**
 * How long a test waits on a machine that has more to do than this test. A deadline counts the time that
 * a task which wants a processor gets one: with four of them on one processor it is four times as late.
 */
import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";

/** The load is looked at no more often than this, ms. */
const lookMs = 100;
/** However busy the machine, a deadline is at most so many times as late: what hangs must end. */
const most = 4;

let share = 1;
let looked = Number.NEGATIVE_INFINITY;

/** @returns 0 to 1: what a task that wants a processor gets of one right now */
function shareNow(now: number): number {
  if (now < looked + lookMs) return share;
  looked = now;
  try {
    // The fourth field: tasks that run or wait for a processor, and all there are.
    const running = Number.parseInt(
      readFileSync("/proc/loadavg", "latin1").split(" ")[3] ?? "",
      10,
    );
    share = Math.min(1, Math.max(1 / most, availableParallelism() / Math.max(1, running)));
  } catch {
    share = 1;
  }
  return share;
}

/** Counts time as a busy machine gives it. */
export class Patience {
  #last = performance.now();
  #gone = 0;

  /** @returns what has gone by since it was made, ms; to be asked several times a second */
  gone(): number {
    const now = performance.now();
    this.#gone += (now - this.#last) * shareNow(now);
    this.#last = now;
    return this.#gone;
  }
}

/**
 * `AbortSignal.timeout` by that time; keeps no process alive.
 * @param ms on a machine at rest
 * @param stop aborts it before
 */
export function patience(ms: number, stop?: AbortSignal): AbortSignal {
  const controller = new AbortController();
  const counted = new Patience();
  const timer = setInterval(() => {
    if (counted.gone() < ms) return;
    clearInterval(timer);
    const why = `not within ${ms / 1_000} s, as a busy machine counts them`;
    controller.abort(new DOMException(why, "TimeoutError"));
  }, lookMs);
  timer.unref();
  return stop === undefined ? controller.signal : AbortSignal.any([stop, controller.signal]);
}
