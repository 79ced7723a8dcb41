import test from "ava";
import { systemClock, within } from "../../../src/base/clock.ts";
import { settle } from "../../clock.ts";
import { eventually } from "../../eventually.ts";

/** The process stands still, as one that was stopped or has to share its processor. */
function standStill(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

test.serial(
  "an answer that came while the process stood still is heard before its deadline",
  async (t) => {
    const answered = new Promise<string>((resolve) => {
      process.once("SIGUSR2", () => resolve("answer"));
    });
    const heard = within(systemClock, 10, answered, () => new Error("too late"));
    // It lies there at once; it is read when the process goes on.
    process.kill(process.pid, "SIGUSR2");
    standStill(50);
    t.is(await heard, "answer");
  },
);

test.serial("a timer that gives way can still be cancelled", async (t) => {
  let calls = 0;
  const timers = [1, 1].map((ms) =>
    systemClock.after(ms, () => {
      calls++;
      for (const timer of timers) timer.cancel();
    }),
  );
  standStill(50);
  await eventually("one fires", () => calls, { atLeast: 1 });
  // Both were due at once: the other one would have fired in the same turn.
  await settle();
  t.is(calls, 1);
});

test.serial("a deadline that nothing meets is missed", async (t) => {
  const never = new Promise<string>(() => {});
  const alive = setInterval(() => {}, 1_000);
  await t.throwsAsync(
    within(systemClock, 5, never, () => new Error("too late")),
    { message: "too late" },
  );
  clearInterval(alive);
});
