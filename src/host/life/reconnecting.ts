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

export function reconnecting(options: KeepOptions): Reconnecting {
  const { connect, onDown, schedule, settledAfterMs, clock, log, name, task } = options;
  const stopping = new AbortController();
  const { signal } = stopping;
  let session: ReconnectingSession | undefined;
  let waits = schedule();
  let lastFailure = "";
  let failures = 0;

  function failed(error: Error): void {
    const text = describe(error);
    failures++;
    // The same words every few seconds for a night would bury what matters: say it at powers of 2.
    if (text !== lastFailure) failures = 1;
    if ((failures & (failures - 1)) === 0) log.warn(`${name}: ${text}`, { attempts: failures });
    lastFailure = text;
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
          lastFailure = "";
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
