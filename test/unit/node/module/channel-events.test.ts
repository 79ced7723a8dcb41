import test from "ava";
import { silentLog } from "../../../../src/base/log.ts";
import { ChannelEvents } from "../../../../src/node/module/channel-events.ts";
import type { ModuleEvent } from "../../../../src/port/module.ts";
import { ManualClock } from "../../../clock.ts";

/** More of a kind than is told in a minute. */
const flood = 700;

test("what is left out of the event log is seen by the alarms: no flood hides a contact, or an end", (t) => {
  const clock = new ManualClock();
  const told: string[] = [];
  const seen: string[] = [];
  const lastOf = new Map<unknown, unknown>();
  const events = new ChannelEvents({
    module: "alice",
    clock,
    log: silentLog,
    onEvent: ({ type, facts }) => told.push(`${type} ${facts.code ?? ""} ${facts.left_out ?? ""}`),
    onSeen: ({ type, facts }) => {
      seen.push(type);
      lastOf.set(facts.code, facts.severity);
    },
  });
  const say = (code: string, severity: ModuleEvent["severity"]) =>
    events.module({ code, severity, text: "" });
  for (let i = 0; i < 64; i++) say(`vendor_${i}`, "warning");
  for (let i = 0; i < flood; i++) say(`vendor_${100 + i}`, "warning");
  for (let i = 0; i < flood; i++) say("vendor_0", i % 2 === 0 ? "major" : "cleared");
  say("tamper", "critical");
  events.custody({ type: "block_replayed", facts: { block: "1/1" } });
  t.is(told.length, 64 + 600 + 599);
  t.is(seen.length, 64 + 2 * flood + 2, "alarms see all");
  t.is(lastOf.get("tamper"), "critical");
  t.is(lastOf.get("vendor_0"), "cleared");
  t.is(seen.at(-1), "block_replayed");
});

test("an event that is told again says how many were left out before it", async (t) => {
  const clock = new ManualClock();
  const left: unknown[] = [];
  const events = new ChannelEvents({
    module: "alice",
    clock,
    log: silentLog,
    onEvent: ({ facts }) => left.push(facts.left_out),
  });
  const say = () => events.module({ code: "vendor_1", severity: "warning", text: "" });
  for (let i = 0; i < flood; i++) say();
  t.is(left.length, 600);
  await clock.advance(60_000);
  say();
  t.is(left.at(-1), 100);
});
