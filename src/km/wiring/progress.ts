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

/** @returns ends it */
export function watchProgress(
  progress: Progress,
  intake: Pick<Intake, "inFlight" | "answered">,
  store: Pick<KeyStore, "commit">,
  clock: Clock,
): Timer {
  progress.watch({
    name: "intake",
    ready: () => intake.inFlight.keys > 0,
    steps: () => intake.answered,
    limitMs: intakeLimitMs,
  });
  let asked = false;
  // An empty change writes nothing, and is answered when all before it is durable.
  return every(clock, askMs, () => {
    if (asked) return;
    asked = true;
    const end = progress.begin("store", clock.now(), storeLimitMs);
    store.commit({}, () => {
      end();
      asked = false;
    });
  });
}
