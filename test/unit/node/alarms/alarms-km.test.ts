/** What is told of a KM that answers, but not as it should. */
import test from "ava";
import { ModuleRules } from "../../../../src/node/alarms/module-rules.ts";
import { standardThresholds } from "../../../../src/node/alarms/thresholds.ts";
import type { Moment } from "../../../../src/ops/alarms/severity.ts";
import { AlarmBench } from "../../../rig/alarm-bench.ts";

const none = { supplied: 0, withheld: 0, quarantined: 0 };

function link() {
  const bench = new AlarmBench({});
  const rules = new ModuleRules(
    { module: "m", qberLimit: 0.11, intermittent: false, thresholds: standardThresholds() },
    bench.book,
  );
  return { bench, rules };
}

test("something answers in the KM's place: told after a while, until the KM answers itself again", (t) => {
  const { bench, rules } = link();
  const page = "something between the node and the KM answers: HTTP 403, text/html";
  const main = { own: 7, unclear: 0, what: "" };
  const look = (moment: Moment) => rules.heard("main", main, moment);
  bench.run(10, look);
  main.unclear++;
  main.what = page;
  bench.run(3, look);
  main.own++;
  bench.run(60, look);
  t.deepEqual(bench.take(), [], "one answer is no alarm");
  // The waits between two tries grow: without anything new it goes on.
  main.unclear++;
  bench.run(100, look);
  t.deepEqual(bench.take(), ["79 km_silent.m raised major"]);
  t.is(bench.book.record("km_silent.m")?.detail, `main: ${page}`);
  const other = { own: 0, unclear: 0, what: "" };
  const both = (moment: Moment) => {
    look(moment);
    other.own++;
    rules.heard("reserve", other, moment);
  };
  bench.run(60, both);
  t.deepEqual(bench.take(), [], "another KM is another matter");
  main.own++;
  bench.run(10, both);
  t.regex(bench.take().join(), /^\d+ km_silent\.m cleared cleared over$/);
});

test("a load balancer of which one half is no KM is told of", (t) => {
  const { bench, rules } = link();
  const main = { own: 0, unclear: 0, what: "HTTP 502" };
  bench.run(20, (moment) => {
    main.own += 5;
    main.unclear += 5;
    rules.heard("main", main, moment);
  });
  t.deepEqual(bench.take(), ["6 km_silent.m raised major"]);
});

test("a KM that takes nothing for now: the reason that is told is the one that came", (t) => {
  const { bench, rules } = link();
  const refused = { busy: 3, storage_full: 0, other: 0, unclear: 9 };
  rules.counters({ ...none, refused }, bench.moment);
  bench.run(10, (moment) => {
    refused.other++;
    rules.counters({ ...none, refused }, moment);
  });
  t.regex(bench.take().join(), /km_refusing\.m raised major$/);
  t.is(bench.book.record("km_refusing.m")?.detail, "a response that is not known here");
});
