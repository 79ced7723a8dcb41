import test from "ava";
import type { BlockRecord } from "../../../../src/node/keys/ports.ts";
import { ledgerOf } from "../../../../src/node/ledger/whose.ts";

/** @param module whose it is now @param blocks module IDs of those that are on record */
function ledger(module: string | undefined, ...blocks: string[]) {
  const pair = (moduleId: string) => ({ moduleId, matchingModuleId: "" });
  return {
    module: module === undefined ? undefined : pair(module),
    blocks: () => blocks.map((epoch) => ({ ref: { epoch, number: 0 } }) as BlockRecord),
    pairOf: pair,
  };
}

test("a module is that of another ledger if it was seen there, or blocks of it are on record there", (t) => {
  const own = ledger(undefined);
  const all = (...others: ReturnType<typeof ledger>[]) =>
    new Map([["own", own], ...others.map((one, i) => [`other-${i}`, one] as const)]);
  t.is(ledgerOf(all(ledger("A")), own, "A"), "other-0");
  t.is(ledgerOf(all(ledger("B"), ledger("C", "A")), own, "A"), "other-1");
  t.is(ledgerOf(all(ledger("B"), ledger(undefined)), own, "A"), undefined);
  // Its own is none of these.
  const mine = ledger("A", "A");
  t.is(ledgerOf(new Map([["own", mine]]), mine, "A"), undefined);
});
