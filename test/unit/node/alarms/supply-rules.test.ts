/** Rules of supply that a reconnect, a restart or a new session must not set back. */

import test from "ava";
import { ms } from "../../../../src/base/duration.ts";
import { ModuleRules } from "../../../../src/node/alarms/module-rules.ts";
import { standardThresholds } from "../../../../src/node/alarms/thresholds.ts";
import type { Moment } from "../../../../src/ops/alarms/severity.ts";
import { AlarmBench } from "../../../rig/alarm-bench.ts";

const none = { supplied: 0, confirmed: 0, withheld: 0, quarantined: 0, refused: {} };

function link(answerTimeout = ms(10_000)) {
  const bench = new AlarmBench();
  const options = { module: "m", qberLimit: 0.11, intermittent: false, answerTimeout };
  const rules = new ModuleRules({ ...options, thresholds: standardThresholds() }, bench.book);
  rules.moduleUp(bench.moment);
  rules.kmUp("main", bench.moment);
  return { bench, rules };
}

const names = (lines: readonly string[]) => lines.map((line) => line.replace(/^\d+ /, ""));

test("keys that nobody confirms are told within 30 s, though nothing else is heard", (t) => {
  const { bench, rules } = link();
  bench.run(30, (moment) => {
    rules.counters({ ...none, supplied: 64, in_flight: 64, held_blocks: 9 }, moment);
    rules.tick(moment);
  });
  t.regex(bench.take().join(), /^2\d km_silent\.m raised major$/);
});

test("connections that are made anew every few seconds change nothing about that", (t) => {
  for (const every of [2, 3, 7, 11]) {
    const { bench, rules } = link();
    let repeats = 0;
    bench.run(60, (moment) => {
      if (moment.now % (every * 1_000) === 0) {
        rules.kmDown("main", "KM does not answer", moment);
        rules.kmUp("main", moment);
        repeats += 64;
      }
      rules.counters({ ...none, supplied: 64, repeats, in_flight: 64, held_blocks: 9 }, moment);
      rules.tick(moment);
    });
    t.is(bench.book.record("km_silent.m")?.severity, "major", `every ${every} s`);
  }
});

test("a KM with a longer answer timeout is given its time", (t) => {
  const { bench, rules } = link(ms(60_000));
  const look = (moment: Moment) => {
    rules.counters({ ...none, supplied: 64, in_flight: 64, held_blocks: 9 }, moment);
    rules.tick(moment);
  };
  bench.run(85, look);
  t.deepEqual(bench.take(), []);
  bench.run(15, look);
  t.deepEqual(names(bench.take()), ["km_silent.m raised major"]);
});

test("a KM that is slow and steady is no silent one", (t) => {
  const { bench, rules } = link();
  bench.run(600, (moment) => {
    const confirmed = Math.floor(moment.now / 9_000);
    const supplied = confirmed + 64;
    rules.counters({ ...none, supplied, confirmed, in_flight: 64, held_blocks: 9 }, moment);
    rules.tick(moment);
  });
  t.deepEqual(bench.take(), []);
});

test("a module that comes back every minute and gives no key is told of: the silence adds up", (t) => {
  const { bench, rules } = link();
  let keys = 0;
  const look = (moment: Moment) => {
    rules.counters({ ...none, supplied: keys, confirmed: keys }, moment);
    rules.tick(moment);
  };
  bench.run(100, (moment) => {
    keys++;
    look(moment);
  });
  bench.run(120, (moment) => {
    if (moment.now % 30_000 === 0) {
      rules.moduleDown("unplugged", false, moment);
      rules.moduleUp(moment);
      rules.kmDown("main", "closed", moment);
      rules.kmUp("main", moment);
    }
    look(moment);
  });
  t.true(names(bench.take()).includes("no_key.m raised major"));
});

test("while the KM has keys to answer for it is not the module that is missed", (t) => {
  const { bench, rules } = link();
  let keys = 0;
  bench.run(100, (moment) => {
    keys++;
    rules.counters({ ...none, supplied: keys, confirmed: keys }, moment);
    rules.tick(moment);
  });
  bench.run(300, (moment) => {
    const waits = { supplied: keys + 64, confirmed: keys, in_flight: 64, held_blocks: 9 };
    rules.counters({ ...none, ...waits }, moment);
    rules.tick(moment);
  });
  t.false(names(bench.take()).some((line) => line.startsWith("no_key")));
});

test("telemetry that stops is stale also where the module connects anew each time before", (t) => {
  const { bench, rules } = link();
  rules.telemetry({ values: { qber: 0.02 } }, bench.moment);
  bench.run(60, (moment) => {
    if (moment.now % 20_000 === 0) {
      rules.moduleDown("reset", false, moment);
      rules.moduleUp(moment);
    }
    rules.tick(moment);
  });
  t.true(names(bench.take()).includes("telemetry_stale.m raised warning"));
});

test("a module that was stopped is not blamed for giving no key", (t) => {
  const { bench, rules } = link();
  let keys = 0;
  const look = (moment: Moment) => {
    rules.counters({ ...none, supplied: keys, confirmed: keys }, moment);
    rules.tick(moment);
  };
  bench.run(100, (moment) => {
    keys++;
    look(moment);
  });
  rules.stop({ by: "noc", at: 0 });
  const dark = { values: { sifted_rate: 0, secret_key_rate: 0, qber: 0.5 } };
  bench.run(600, (moment) => {
    rules.telemetry(dark, moment);
    look(moment);
  });
  t.deepEqual(
    names(bench.take()).filter((line) => / raised /.test(line) && !line.startsWith("key_rate")),
    [],
  );
  rules.stop(undefined);
  bench.run(100, look);
  t.true(names(bench.take()).includes("no_key.m raised major"), "it counts from the start on");
});

test("what a process before told of a KM that is away holds until the KM is there", (t) => {
  const { bench, rules } = link();
  rules.kmDown("main", "connection refused", bench.moment);
  bench.run(60, (moment) => rules.tick(moment));
  t.is(bench.book.record("km_unreachable.m")?.severity, "major");
  const options = { module: "m", qberLimit: 0.11, intermittent: false };
  const again = new ModuleRules({ ...options, thresholds: standardThresholds() }, bench.book);
  again.moduleUp(bench.moment);
  bench.run(20, (moment) => again.tick(moment));
  t.is(bench.book.record("km_unreachable.m")?.severity, "major", "nothing is known of it yet");
  again.kmUp("main", bench.moment);
  bench.run(60, (moment) => again.tick(moment));
  t.is(bench.book.record("km_unreachable.m")?.severity, "cleared");
});

test("blocks without a QBER are no alarm where the configuration says that there is none", (t) => {
  for (const qberWaived of [false, true]) {
    const bench = new AlarmBench();
    const options = { module: "m", qberLimit: 0.11, intermittent: false, qberWaived };
    const rules = new ModuleRules({ ...options, thresholds: standardThresholds() }, bench.book);
    rules.custody("block_without_qber", {}, bench.moment);
    t.is(bench.take().length, qberWaived ? 0 : 1);
  }
});
