/** What drivers tell of by themselves, over the end of a session, or of the node's process. */
import test from "ava";
import { Troubles } from "../../../drivers/etsi014/watch.ts";
import { Conditions } from "../../../drivers/qcrypto/conditions.ts";
import { silentLog } from "../../../src/base/log.ts";
import { AlarmBook } from "../../../src/node/alarms/book.ts";
import { ModuleRules } from "../../../src/node/alarms/module-rules.ts";
import { standardThresholds } from "../../../src/node/alarms/thresholds.ts";
import { ChannelEvents } from "../../../src/node/module/channel-events.ts";
import type { ModuleSink } from "../../../src/port/module.ts";
import { ManualClock } from "../../clock.ts";

/** A node's alarms: what a session of a driver tells goes to them as in a channel. */
function node() {
  const clock = new ManualClock();
  const told: string[] = [];
  const book = new AlarmBook({
    flap: { count: 5, window: 60_000 as never, quiet: 60_000 as never },
    onTransition: () => {},
  });
  const options = {
    module: "m",
    qberLimit: 0.11,
    intermittent: false,
    thresholds: standardThresholds(),
  };
  const rules = new ModuleRules(options as never, book);
  const moment = () => ({ now: clock.now(), wall: clock.wall() });
  const events = new ChannelEvents({
    module: "m",
    clock,
    log: silentLog,
    onEvent: ({ facts }) => told.push(`${facts.code} ${facts.severity}`),
    onSeen: ({ facts }) => rules.event(facts as never, moment()),
  });
  const sink = {
    event: (event) => events.module(event),
    absent: (code) => events.absent(code),
  } as Pick<ModuleSink, "event" | "absent"> as ModuleSink;
  const raised = () =>
    book.records().flatMap(({ id, severity }) => (severity === "cleared" ? [] : [id]));
  return { sink, raised, told };
}

test("qcrypto: what another session told ends when this one finds it not so, without an event", (t) => {
  const { sink, raised, told } = node();
  const session = () => new Conditions({ sink, log: silentLog, over: () => false });
  const before = session();
  before.begins("file_unreadable", "major", "a file");
  before.report("releases_not_kept", new Error("EROFS"), "not kept");
  t.deepEqual(raised(), ["module_fault.m.file_unreadable", "module_fault.m.releases_not_kept"]);
  const after = session();
  after.ends("file_unreadable", false);
  t.is(raised().length, 2, "not all files were looked at");
  after.ends("file_unreadable");
  after.report("releases_not_kept", undefined, "not kept");
  t.deepEqual(raised(), []);
  t.is(told.length, 2, "nothing happened: no event");
  // What is the same again is told again.
  after.begins("file_unreadable", "major", "a file");
  after.ends("file_unreadable");
  t.deepEqual(told.slice(2), ["file_unreadable major", "file_unreadable cleared"]);
});

test("014: what was told before a restart ends when the driver looks, and it is not so", (t) => {
  const { sink, raised, told } = node();
  const process = () => {
    const troubles = new Troubles();
    troubles.tell = (event) => sink.event(event);
    troubles.absent = (code) => sink.absent(code);
    return troubles;
  };
  process().is("ends_apart", true, "major", () => "away");
  t.deepEqual(raised(), ["module_fault.m.ends_apart"]);
  const after = process();
  after.is("ends_apart", false, "major", () => "away");
  t.deepEqual(raised(), []);
  after.is("kme_slow", false, "warning", () => "slow");
  t.deepEqual(told, ["ends_apart major"]);
});
