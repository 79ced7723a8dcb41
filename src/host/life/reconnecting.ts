/**
 * Keeps something connected: makes a session, waits until it ends, waits by a schedule, makes a new
 * one. This is the only place in the node that retries; everything below fails with a typed error
 * and is made anew.
 */
import { type Clock, delay } from "../../base/clock.ts";
import { describe, Fault } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import type { TaskBegin } from "./progress.ts";

export interface ReconnectingSession {
  /** Settles when the session is over: with what ended it, or undefined after `close`. */
  readonly ended: Promise<Error | undefined>;
  /** Never rejects. */
  close(): Promise<void>;
}

export interface KeepOptions {
  /** What is kept, for the log. */
  readonly name: string;
  /** Makes a session; rejects with a Fault and leaves nothing open. */
  readonly connect: (signal: AbortSignal) => Promise<ReconnectingSession>;
  /** Called with what went wrong each time a session could not be made or ended by itself. */
  readonly onDown?: (error: Error) => void;
  /** Waiting times, ms; begun anew once a session has lived for `settledAfterMs`. */
  readonly schedule: () => Iterator<number>;
  readonly settledAfterMs: number;
  readonly clock: Clock;
  readonly log: Log;
  /** Told of what must come to an end by itself. */
  readonly task?: TaskBegin | undefined;
}

export interface Reconnecting {
  /** Ends the session or the attempt at hand, in order. One promise, however often called. */
  stop(): Promise<void>;
}

/** Ways to fail that are counted apart; more are counted as one. */
const mostWords = 8;
const others = "";

export function reconnecting(options: KeepOptions): Reconnecting {
  const { connect, onDown, schedule, settledAfterMs, clock, log, name, task } = options;
  const stopping = new AbortController();
  const { signal } = stopping;
  let session: ReconnectingSession | undefined;
  let waits = schedule();
  /** How often it failed with which words, since it worked last. */
  const failures = new Map<string, number>();

  function failed(error: Error): void {
    const text = describe(error);
    // The same words every few seconds for a night would bury what matters, also by turns: say each at powers of 2.
    const counted = failures.has(text) || failures.size < mostWords ? text : others;
    const attempts = (failures.get(counted) ?? 0) + 1;
    failures.set(counted, attempts);
    if ((attempts & (attempts - 1)) === 0) log.warn(`${name}: ${text}`, { attempts });
    onDown?.(error);
  }

  async function live(): Promise<void> {
    while (!signal.aborted) {
      const begun = clock.now();
      const connected = task?.(`${name}: connecting`);
      try {
        session = await connect(signal).finally(connected);
        if (signal.aborted) {
          await session.close();
          return;
        }
        const error = await session.ended;
        session = undefined;
        if (signal.aborted) return;
        if (clock.now() - begun >= settledAfterMs) {
          waits = schedule();
          failures.clear();
        }
        failed(error ?? new Fault("link.closed", "session ended"));
      } catch (error) {
        session = undefined;
        if (signal.aborted) return;
        failed(error as Error);
      }
      await delay(clock, waits.next().value ?? 1_000, signal);
    }
  }

  const done = live();
  let stopped: Promise<void> | undefined;
  return {
    stop() {
      stopped ??= (async () => {
        stopping.abort();
        await session?.close();
        await done;
      })();
      return stopped;
    },
  };
}
