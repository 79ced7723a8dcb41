/** What the watchdog goes by: that keys which came are answered, and that the store makes things durable. */
import { type Clock, every, type Timer } from "../../base/clock.ts";
import type { Progress } from "../../host/life/progress.ts";
import type { Intake } from "../acquisition/intake.ts";
import type { KeyStore } from "../store/port.ts";

/** A key that came is answered, or another one is, within this, ms. */
const intakeLimitMs = 30_000;
/** A tired disk may take a while; longer than this it is stuck, ms. */
const storeLimitMs = 60_000;
const askMs = 1_000;
/** A sync takes some seconds now and then; what is asked for after this would wait for longer than it may, ms. */
const stalledAfterMs = 3_000;

export interface ProgressWatch extends Timer {
  /** How long the store has not answered, ms; 0 while it does. */
  stalledMs(): number;
  /** Nothing that needs it is begun. */
  isStalled(): boolean;
}

/** @returns ends it, and tells how the store does */
export function watchProgress(
  progress: Progress,
  intake: Pick<Intake, "inFlight" | "answered">,
  store: Pick<KeyStore, "commit">,
  clock: Clock,
): ProgressWatch {
  progress.watch({
    name: "intake",
    ready: () => intake.inFlight.keys > 0,
    steps: () => intake.answered,
    limitMs: intakeLimitMs,
  });
  let asked: number | undefined;
  // An empty change writes nothing, and is answered when all before it is durable.
  const timer = every(clock, askMs, () => {
    if (asked !== undefined) return;
    asked = clock.now();
    const end = progress.begin("store", asked, storeLimitMs);
    store.commit({}, () => {
      end();
      asked = undefined;
    });
  });
  const stalledMs = () => (asked === undefined ? 0 : clock.now() - asked);
  return {
    cancel: () => timer.cancel(),
    stalledMs,
    isStalled: () => stalledMs() >= stalledAfterMs,
  };
}
