import test from "ava";
import { inventory } from "../../../../src/km/manager/payloads.ts";
import { maxPayload } from "../../../../src/ops/outbox/payload.ts";
import { Contract } from "../../../rig/contract.ts";

const facts = { km: "km-a", boot: 7, version: "1" };
const rest = { configuration_digest: "0123456789abcdef", commands: [], records: false };

/** So many names as long as a name may be. */
const names = (count: number) => Array.from({ length: count }, (_, i) => `${i}-`.padEnd(64, "x"));

for (const [links, modules] of [
  [2, 2],
  [64, 300],
  [300, 300],
] as const) {
  test(`of ${links} links and ${modules} modules the inventory has those that there is room for`, (t) => {
    const told = inventory(facts, { ...rest, links: names(links), modules: names(modules) });
    const payload = Buffer.from(JSON.stringify(told));
    t.true(payload.length <= maxPayload);
    const message = { topic: "qkdn/v1/km/km-a/inventory", payload, qos: 1, retain: true };
    t.deepEqual(Contract.load().check(message as never).problems, []);
    t.deepEqual(told.links, names(told.links.length));
    t.is(told.links.length + (told.links_left_out ?? 0), links);
    t.is(told.modules.length + (told.modules_left_out ?? 0), modules);
    const isAll = links + modules === 4;
    t.is(told.modules_left_out === undefined, isAll);
    // One more would not have fitted.
    if (!isAll) t.true(payload.length > maxPayload - 256);
  });
}
