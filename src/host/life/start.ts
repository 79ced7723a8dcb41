/** The start of a program: a disk that hangs is waited for, which is told, and a stop ends it all the same. */
import type { Clock, Timer } from "../../base/clock.ts";
import { describe } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import { endAtOnce, notInTime } from "./close.ts";

/** A start that takes longer is told, and again, ms. */
const firstTellMs = 10_000;
const tellMs = 60_000;

export interface StartParts {
  /** Resolves when it is told to stop. */
  readonly stop: Promise<unknown>;
  /** From then on so long, ms: the process ends. What is on disk is as after a power cut. */
  readonly limitMs: number;
  readonly clock: Clock;
  readonly log: Log;
}

/** @returns what the start gives @throws what it throws */
export async function startInTime<T>(
  start: Promise<T>,
  { stop, limitMs, clock, log }: StartParts,
): Promise<T> {
  const begun = clock.now();
  let isOver = false;
  let late: Timer | undefined;
  const tell = () => {
    const for_s = Math.round((clock.now() - begun) / 1_000);
    log.warn("still starting: what it waits for may be its disk", { for_s });
    telling = clock.after(tellMs, tell);
  };
  let telling = clock.after(firstTellMs, tell);
  stop.then(() => {
    if (isOver) return;
    late = clock.after(limitMs, () => {
      log.warn(describe(notInTime(limitMs)));
      endAtOnce();
    });
  });
  try {
    return await start;
  } finally {
    isOver = true;
    telling.cancel();
    late?.cancel();
  }
}
