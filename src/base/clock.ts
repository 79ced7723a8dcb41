/**
 * Time is passed in: no part of the node asks the operating system for it but through a
 * {@link Clock}, so that a test of a day runs in milliseconds.
 */

/** A pending timer; `cancel` may be called any number of times, also after it has fired. */
export interface Timer {
  cancel(): void;
}

export interface Clock {
  /** Monotonic milliseconds from an arbitrary origin; never goes back. */
  now(): number;
  /** Milliseconds since 1970-01-01 UTC; may jump either way. For stamps, never for durations. */
  wall(): number;
  /** Calls `fn` once, `ms` from now. A pending timer does not keep the process alive. */
  after(ms: number, fn: () => void): Timer;
}

export const systemClock: Clock = {
  now: () => performance.now(),
  wall: () => Date.now(),
  after(ms, fn) {
    const due = performance.now() + ms;
    let turn: NodeJS.Immediate | undefined;
    const handle = setTimeout(() => {
      if (performance.now() - due < heldUp) fn();
      else turn = setImmediate(fn);
    }, ms);
    handle.unref();
    return {
      cancel() {
        clearTimeout(handle);
        clearImmediate(turn);
      },
    };
  },
};

/**
 * A timer this late, ms, shows that the process stood still. What came meanwhile is heard first then:
 * a deadline must not be missed by an answer that lies there.
 */
const heldUp = 5;

/**
 * Calls `fn` every `ms` until cancelled, each time counted from the end of the call before, so that
 * a slow call or a suspended machine is not followed by a burst.
 */
export function every(clock: Clock, ms: number, fn: () => void): Timer {
  let stopped = false;
  let timer = clock.after(ms, tick);
  function tick() {
    fn();
    if (!stopped) timer = clock.after(ms, tick);
  }
  return {
    cancel() {
      stopped = true;
      timer.cancel();
    },
  };
}

/** Resolves after `ms`, or at once (without an error) when `signal` is aborted. */
export function delay(clock: Clock, ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const done = () => {
      timer.cancel();
      signal?.removeEventListener("abort", done);
      resolve();
    };
    const timer = clock.after(ms, done);
    signal?.addEventListener("abort", done, { once: true });
  });
}

/**
 * The outcome of `work`, or the error made by `onTimeout` when it has not settled within `ms`.
 * The work itself goes on: the caller closes what it holds.
 */
export function within<T>(
  clock: Clock,
  ms: number,
  work: Promise<T>,
  onTimeout: () => Error,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = clock.after(ms, () => reject(onTimeout()));
    work.then(resolve, reject).finally(() => timer.cancel());
  });
}

/** Nothing of this software existed before. */
const plausibleFrom = Date.parse("2026-01-01T00:00:00Z");
/** No machine runs for so long without a newer version of it. */
const plausibleUntil = Date.parse("2056-01-01T00:00:00Z");

/** @returns why a clock that shows this, ms since 1970 UTC, cannot be right; undefined: it can be */
export function clockProblem(wall: number): string | undefined {
  if (wall < plausibleFrom) return "before this software existed";
  if (wall >= plausibleUntil) return "30 years after this software was made";
  return undefined;
}
