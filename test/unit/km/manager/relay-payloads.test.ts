import { readFileSync } from "node:fs";
import test from "ava";
import { linkTelemetry, telemetry } from "../../../../src/km/manager/payloads.ts";
import { check } from "../../../rig/json-schema.ts";
import { goodLink, goodRelay, goodStatus } from "../../../rig/km-status.ts";

function schemaOf(name: string) {
  const file = new URL(`../../../../contract/schemas/km_${name}.json`, import.meta.url);
  return JSON.parse(readFileSync(file, "utf8"));
}

test("what the manager is told of relays is in the contract", (t) => {
  const last = { failure: "tag", at: "km-x", route: ["km-x"], time: "2026-01-01T00:00:00.000Z" };
  const [pair] = goodRelay.pairs;
  const failing = { low_bits: 2_097_152, failing_since: last.time, last_failure: last };
  const supplied = { keys: 1, bits: 256 };
  const rates = { matched: undefined, supplied: undefined };
  const of = pair && { ...pair, ...failing };
  const told = linkTelemetry(1, goodLink, supplied, rates, 0, of);
  t.like(told.relay, { failed: 2, low_bits: 2_097_152, last_failure: { failure: "tag" } });
  t.deepEqual(check(told, schemaOf("link_telemetry"), "told"), []);
  const nothing = { dropped_telemetry: 0, dropped_events: 0, waiting_events: 0 };
  const all = telemetry(1, goodStatus(), nothing, 0);
  t.is(all.relays?.passed.relays, 12);
  t.deepEqual(check(all, schemaOf("telemetry"), "told"), []);
});

test("a key manager that relays nothing tells nothing of it", (t) => {
  const rates = { matched: undefined, supplied: undefined };
  const told = linkTelemetry(1, goodLink, { keys: 0, bits: 0 }, rates, 0);
  t.false("relay" in told);
  const { relay: _, ...status } = goodStatus();
  const nothing = { dropped_telemetry: 0, dropped_events: 0, waiting_events: 0 };
  t.false("relays" in telemetry(1, status, nothing, 0));
});
