import test from "ava";
import { Fault } from "../../../../src/base/errors.ts";
import { createLog } from "../../../../src/base/log.ts";
import { backoff } from "../../../../src/base/retry.ts";
import { reconnecting } from "../../../../src/host/life/reconnecting.ts";
import { ManualClock, settle } from "../../../clock.ts";

function sessions() {
  const made: { end: (error?: Error) => void; closed: boolean }[] = [];
  const connect = async () => {
    const { promise, resolve } = Promise.withResolvers<Error | undefined>();
    const session = { end: resolve as (error?: Error) => void, closed: false };
    made.push(session);
    return {
      ended: promise,
      async close() {
        session.closed = true;
        resolve(undefined);
      },
    };
  };
  return { made, connect };
}

test("waits grow by the factor up to the limit, and jitter only shortens them", (t) => {
  const take = (random: () => number) => {
    const waits = backoff({ firstMs: 100, maxMs: 1_000, random });
    return Array.from({ length: 6 }, () => waits.next().value);
  };
  t.deepEqual(
    take(() => 0),
    [100, 200, 400, 800, 1_000, 1_000],
  );
  t.deepEqual(
    take(() => 1),
    [50, 100, 200, 400, 500, 500],
  );
});

test("a session that ends is made anew, after a wait that starts over once one has lasted", async (t) => {
  const clock = new ManualClock();
  const lines: string[] = [];
  const { made, connect } = sessions();
  const kept = reconnecting({
    name: "KM",
    connect,
    schedule: () => backoff({ firstMs: 100, maxMs: 1_000, jitter: 0, random: () => 0 }),
    settledAfterMs: 5_000,
    clock,
    log: createLog((line) => lines.push(line), "debug"),
  });
  await settle();
  for (const wait of [100, 200, 400]) {
    const before = made.length;
    made.at(-1)?.end(new Fault("kq1.closed", "gone"));
    await clock.advance(wait - 1);
    t.is(made.length, before);
    await clock.advance(1);
    t.is(made.length, before + 1);
  }
  await clock.advance(6_000);
  made.at(-1)?.end(new Fault("kq1.closed", "gone"));
  await clock.advance(100);
  t.is(made.length, 5, "the schedule starts over");
  await kept.stop();
  t.true(made.at(-1)?.closed);
  t.is(clock.timers, 0);
});

test("the same failure all night is a few lines, a new one is told at once", async (t) => {
  const clock = new ManualClock();
  const lines: string[] = [];
  let what = "refused";
  const kept = reconnecting({
    name: "KM",
    connect: () => Promise.reject(new Fault("kq1.connect", what)),
    schedule: () => backoff({ firstMs: 1_000, maxMs: 1_000, jitter: 0, random: () => 0 }),
    settledAfterMs: 5_000,
    clock,
    log: createLog((line) => lines.push(line), "debug"),
  });
  await clock.advance(8 * 3_600_000 - 1);
  t.true(lines.length < 20, `${lines.length} lines`);
  what = "another CA";
  await clock.advance(1_000);
  t.regex(lines.at(-1) ?? "", /another CA.*attempts=1$/);
  await kept.stop();
});

test("ways to fail that take turns are as few lines, however many there are", async (t) => {
  for (const [ways, most] of [
    [2, 14],
    [1_000_000, 16],
  ] as const) {
    const clock = new ManualClock();
    const lines: string[] = [];
    let attempts = 0;
    const kept = reconnecting({
      name: "broker",
      connect: async () => {
        throw new Fault("kq1.closed", `way ${attempts++ % ways}`);
      },
      schedule: () => backoff({ firstMs: 100, maxMs: 100, jitter: 0, random: () => 0 }),
      settledAfterMs: 5_000,
      clock,
      log: createLog((line) => lines.push(line), "debug"),
    });
    await settle();
    while (attempts < 100) await clock.advance(100);
    await kept.stop();
    t.true(lines.length <= most, `${ways} ways: ${lines.length} lines`);
  }
});

test("stopping ends an attempt that would never come back, and is one promise", async (t) => {
  const clock = new ManualClock();
  const kept = reconnecting({
    name: "module",
    connect: (signal) =>
      new Promise((_, reject) => {
        signal.addEventListener("abort", () => reject(new Fault("stopped", "stopped")));
      }),
    schedule: () => backoff({ firstMs: 1, maxMs: 1, random: () => 0 }),
    settledAfterMs: 5_000,
    clock,
    log: createLog(() => t.fail("nothing to tell"), "debug"),
  });
  await settle();
  t.is(kept.stop(), kept.stop());
  await kept.stop();
});
