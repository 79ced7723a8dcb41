import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir, uptime } from "node:os";
import { join } from "node:path";
import test from "ava";
import { silentLog } from "../../../../src/base/log.ts";
import { brake, crashesIn, crashReport, recordCrash } from "../../../../src/host/life/crashes.ts";
import { Progress } from "../../../../src/host/life/progress.ts";
import { reconnecting } from "../../../../src/host/life/reconnecting.ts";
import { supervise } from "../../../../src/host/life/supervisor.ts";
import { Health } from "../../../../src/node/monitor/health.ts";
import { ManualClock } from "../../../clock.ts";
import { durable, Km, withBench } from "../../../rig/custody-bench.ts";

function watched(progress: Progress, clock: ManualClock) {
  const said: string[] = [];
  let told = 0;
  const log = {
    ...silentLog,
    error: (text: string, facts?: object) => said.push(`${text} ${JSON.stringify(facts)}`),
    info: (text: string) => said.push(text),
  };
  const notify = { watchdogMs: 30_000, watchdog: () => void told++ };
  const timer = supervise({ progress, notify, clock, log });
  return { said, told: () => told, timer };
}

test("the watchdog is told while nothing is stuck, thrice in its time", async (t) => {
  const clock = new ManualClock();
  const { told, said, timer } = watched(new Progress(), clock);
  await clock.advance(120_000);
  t.true(told() >= 11 && told() <= 14, `${told()}`);
  t.deepEqual(said, []);
  timer.cancel();
});

test("work that does not end keeps the watchdog from being told, until it has ended", async (t) => {
  const clock = new ManualClock();
  const progress = new Progress();
  const { told, said, timer } = watched(progress, clock);
  const begin = progress.beginner(clock);
  begin("quick")();
  const end = begin("ledger: writing");
  await clock.advance(59_000);
  const before = told();
  t.true(before > 4);
  await clock.advance(300_000);
  t.true(told() - before <= 1);
  t.deepEqual(said, ['no progress: the watchdog is not told {"stuck":"ledger: writing"}']);
  end();
  await clock.advance(12_000);
  t.true(told() > before);
  t.is(said[1], "progress again");
  timer.cancel();
});

test("an attempt to connect that never ends is stuck; one that fails for ever is not", async (t) => {
  const clock = new ManualClock();
  const progress = new Progress();
  const kept = (name: string, connect: () => Promise<never>) =>
    reconnecting({
      name,
      connect,
      schedule: () => [][Symbol.iterator](),
      settledAfterMs: 5_000,
      clock,
      log: silentLog,
      task: progress.beginner(clock),
    });
  const failing = kept("KM", () => Promise.reject(new Error("no")));
  const hanging = kept("module", () => new Promise(() => {}));
  await clock.advance(600_000);
  t.deepEqual(progress.stuck(clock.now()), ["module: connecting"]);
  void failing.stop();
  void hanging.stop();
});

test("a key that could be supplied and is not is seen; one that waits for others is not", async (t) => {
  await withBench({}, async (bench) => {
    const { module, custody, clock } = bench;
    const progress = new Progress();
    const steps = () => custody.counters().supplied;
    const ready = () => custody.couldSupply;
    progress.watch({ name: "supply", ready, steps, limitMs: 30_000 });
    for (let number = 0; number < 6; number++) module.add(number);
    module.connect(custody);
    module.offer();
    await durable(bench);
    const quiet = async () => {
      for (let s = 0; s < 100; s++) {
        await clock.advance(1_000);
        t.deepEqual(progress.stuck(clock.now()), []);
      }
    };
    await quiet();
    t.false(custody.couldSupply, "there is no KM");
    let room = 2;
    const km = new Km(custody);
    Object.defineProperty(km, "room", { get: () => room - km.outstanding.length });
    custody.kmUp(km);
    t.is(km.outstanding.length, 2);
    await quiet();
    t.false(custody.couldSupply, "the KM has as many as it takes");
    // What no code should do: there is room, and nobody is told.
    room = 3;
    t.true(custody.couldSupply);
    for (let s = 0; s < 40; s++) {
      await clock.advance(1_000);
      progress.stuck(clock.now());
    }
    t.deepEqual(progress.stuck(clock.now()), ["supply"]);
    custody.resume();
    t.is(km.outstanding.length, 3);
    t.deepEqual(progress.stuck(clock.now()), []);
  });
});

test("a node that crashes again and again begins later each time, up to a minute", (t) => {
  const waits = [0, 1, 2, 3, 4, 5, 9, 16].map((n) =>
    brake(
      Array.from({ length: n }, (_, i) => i),
      30,
    ),
  );
  t.deepEqual(waits, [0, 0, 0, 1_000, 2_000, 4_000, 60_000, 60_000]);
  const five = [100, 101, 102, 103, 104];
  t.is(brake(five, 800), 0, "forgotten after ten minutes");
  t.is(brake(five, 10), 0, "the machine was started anew");
});

test("crashes are remembered in a small file; whatever it holds, a start does not fail on it", (t) => {
  const folder = mkdtempSync(join(tmpdir(), "qkd-crash-"));
  try {
    const file = join(folder, "crashes");
    t.deepEqual(crashesIn(file), []);
    for (let n = 0; n < 40; n++) recordCrash(file, uptime());
    t.is(crashesIn(file).length, 16);
    t.true(readFileSync(file).length < 1_000);
    for (const text of ["", "\0\0\0", "x y\n", "{}", "\n\n"]) {
      writeFileSync(file, text);
      t.deepEqual(crashesIn(file), []);
    }
    t.notThrows(() => recordCrash(join(folder, "not", "there"), uptime()));
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("what is said of a crash quotes nothing", (t) => {
  const secret = "c2VjcmV0LWtleS1ieXRlcw==";
  const error = new SyntaxError(`Unexpected token in ${secret}`, { cause: new Error(secret) });
  Object.assign(error, { bytes: Buffer.from(secret) });
  const report = crashReport(error);
  t.false(report.includes(secret));
  t.regex(report, /^SyntaxError \| at /);
  t.is(crashReport(secret), "unknown error");
});

test("the process knows what it uses of what it may", (t) => {
  const health = new Health();
  const parts = new Map(health.take().map(({ resource, part }) => [resource, part]));
  for (const name of ["memory", "descriptors"] as const) {
    const part = parts.get(name) ?? -1;
    t.true(part > 0 && part < 1, `${name} ${part}`);
  }
  t.true(parts.has("event_loop"));
  health.stop();
});
