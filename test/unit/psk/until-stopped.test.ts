import test from "ava";
import { createLog } from "../../../src/base/log.ts";
import { untilStopped } from "../../../src/psk/until-stopped.ts";
import { ManualClock } from "../../clock.ts";

function world() {
  const lines: string[] = [];
  const parts = { clock: new ManualClock(), log: createLog((line) => lines.push(line), "info") };
  return { ...parts, parts, lines, stop: new AbortController() };
}

test("work that ends when it is told to is waited for, also if it was told before", async (t) => {
  for (const isBefore of [false, true]) {
    const { parts, clock, stop, lines } = world();
    const work = Promise.withResolvers<void>();
    if (isBefore) stop.abort();
    const over = untilStopped(work.promise, stop.signal, parts).then(() => "over");
    stop.abort();
    await clock.advance(3_999);
    t.is(await Promise.race([over, Promise.resolve("not yet")]), "not yet");
    work.resolve();
    t.is(await over, "over");
    t.deepEqual(lines, []);
  }
});

test("work that does not end is left, within the time that systemd gives", async (t) => {
  const { parts, clock, stop, lines } = world();
  const over = untilStopped(new Promise(() => {}), stop.signal, parts);
  await clock.advance(60_000);
  stop.abort();
  await clock.advance(4_000);
  await over;
  t.regex(lines.join("\n"), /stops in the middle of a round.*limit_s=4/);
});

test("an error of the work is the program's", async (t) => {
  const { parts, stop } = world();
  const broken = Promise.reject(new TypeError("a defect"));
  await t.throwsAsync(untilStopped(broken, stop.signal, parts), { message: "a defect" });
});
