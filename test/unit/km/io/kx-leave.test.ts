import test from "ava";
import type { KxMessage } from "../../../../src/wire/kx/messages.ts";
import { ManualClock } from "../../../clock.ts";
import { eventually } from "../../../eventually.ts";
import { withKx } from "../../../rig/kx-bench.ts";

const match = (number: number): KxMessage => {
  return { type: "match", number, digest: Buffer.alloc(32, number) };
};

for (const who of ["dialled", "was dialled"] as const) {
  test(`a KM that stops and ${who} hears nothing more, and what it said before is with the other all the same`, async (t) => {
    await withKx(async ({ dialer, b, linkB }) => {
      const { end: a, link } = dialer();
      link.start();
      await eventually("sessions", () => a.sessions.length + b.sessions.length, { is: 2 });
      const isDialer = who === "dialled";
      const [mine, theirs, stopping] = isDialer ? [a, b, link] : [b, a, linkB];
      const answered = Promise.withResolvers<void>();
      const stopped = stopping.stop(answered.promise);
      // More than a socket takes at once.
      for (let n = 1; n <= 20_000; n++) mine.session.send(match(n));
      theirs.session.send(match(7));
      answered.resolve();
      await stopped;
      mine.session.send(match(8));
      await eventually("all that was said", () => theirs.messages.length, { is: 20_000 });
      t.deepEqual(mine.messages, []);
      t.like(mine.ends, [{ code: "stopped" }]);
      t.is(mine.ends.length, 1);
      // Nor does another begin.
      const again = isDialer ? undefined : dialer();
      again?.link.start();
      if (again !== undefined) {
        await eventually("faults told", () => again.link.faults.size, { atLeast: 1 });
        t.deepEqual(again.end.sessions, []);
      }
      // What is not with the other end in time is late: here no time passes.
    }, ManualClock.ofToday());
  });
}
