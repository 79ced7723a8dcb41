import test from "ava";
import { audit, compareEnds, type Ledgers, type NodeSays } from "../../../faults/oracle.ts";

const nothing: NodeSays = {
  complete: false,
  keptBack: false,
  first: 0,
  delivered: [],
  quarantined: [],
};

/** Two blocks of two keys: one with the KM and released, one withheld. */
function good(): Ledgers {
  return {
    module: new Map([
      ["e/1", { keys: ["k1", "k2"], released: true, discarded: false }],
      ["e/2", { keys: ["k3", "k4"], released: false, discarded: false }],
    ]),
    node: new Map([["e/2", { ...nothing, keptBack: true }]]),
    km: new Map([
      ["id1", "k1"],
      ["id2", "k2"],
    ]),
    kmConflicts: 0,
  };
}

const lie = (change: Partial<Ledgers>) => audit({ ...good(), ...change }, true);

test("ledgers that fit are passed", (t) => {
  t.deepEqual(audit(good(), true), []);
  t.deepEqual(compareEnds(good(), good()), []);
});

test("a key under two IDs, an ID with two keys, and a key from nowhere are found", (t) => {
  const km = (more: [string, string][]) => new Map([...good().km, ...more]);
  t.regex(lie({ km: km([["id9", "k1"]]) }).join(), /one key has 2 IDs: id1, id9/);
  t.regex(lie({ kmConflicts: 1 }).join(), /other bytes/);
  t.regex(lie({ km: km([["id9", "k9"]]) }).join(), /id9: a key that no module distilled/);
});

test("a key that was let go of without being delivered is found", (t) => {
  t.regex(lie({ km: new Map([["id1", "k1"]]) }).join(), /e\/1: released, and 1 of its keys/);
});

test("a key that is held without a reason is found, but only at the end", (t) => {
  t.regex(lie({ node: new Map() }).join(), /e\/2: held, 2 keys are not with the KM/);
  t.deepEqual(audit({ ...good(), node: new Map() }, false), []);
  const one = new Map([["e/2", { ...nothing, quarantined: ["id3"] }]]);
  t.regex(lie({ node: one }).join(), /e\/2: held, 2 keys/);
  const both = new Map([["e/2", { ...nothing, quarantined: ["id3", "id4"] }]]);
  t.deepEqual(lie({ node: both }), []);
});

test("a node that records what is not so is found", (t) => {
  const complete = new Map([["e/2", { ...nothing, complete: true }]]);
  t.regex(lie({ node: complete }).join(), /e\/2: complete by the node's ledger/);
  const delivered = new Map([["e/2", { ...nothing, keptBack: true, delivered: ["id3"] }]]);
  t.regex(lie({ node: delivered }).join(), /id3: delivered by the node's ledger/);
  const first = new Map([["e/2", { ...nothing, keptBack: true, first: 1 }]]);
  t.regex(lie({ node: first }).join(), /e\/2: 1 keys delivered by the node's ledger/);
});

test("ends that disagree are found", (t) => {
  const other = (km: [string, string][]) => ({ ...good(), km: new Map(km) });
  t.regex(compareEnds(good(), other([["id1", "x"]])).join(), /id1: another key/);
  t.regex(compareEnds(good(), other([["id9", "k1"]])).join(), /id1: called id9/);
  t.deepEqual(compareEnds(good(), other([["id1", "k1"]])), []);
});
