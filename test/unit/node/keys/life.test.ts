import { readFileSync } from "node:fs";
import test from "ava";
import { assert } from "../../../../src/base/assert.ts";
import { Fault } from "../../../../src/base/errors.ts";
import { silentLog } from "../../../../src/base/log.ts";
import {
  type BlockState,
  blockEvents,
  blockStates,
  isOpen,
  next,
  whenOffered,
} from "../../../../src/node/keys/life.ts";
import type { LedgerEntry } from "../../../../src/node/keys/ports.ts";
import { LedgerFile } from "../../../../src/node/ledger/ledger-file.ts";
import { LedgerIndex } from "../../../../src/node/ledger/ledger-index.ts";
import { Disk } from "../../../faults/disk.ts";
import { random } from "../../../random.ts";

const ref = { epoch: "00112233aabbccdd", number: 1 };
const keyId = "8e2b0d3c-5f60-8a1b-9c3d-1234567890ab";

const complete: LedgerEntry = { kind: "complete", ref };
const withheld: LedgerEntry = { kind: "withheld", ref, reason: "qber" };
const assigned: LedgerEntry = {
  kind: "assigned",
  ref,
  keyId,
  offset: 0,
  length: 256,
  claimant: "1".repeat(32),
};

function after(...entries: readonly LedgerEntry[]): LedgerIndex {
  const index = new LedgerIndex();
  for (const entry of entries) index.apply(entry);
  return index;
}

test("the documentation shows the table that the code has", (t) => {
  const text = readFileSync(new URL("../../../../docs/block-life.md", import.meta.url), "utf8");
  const rows = text
    .split("\n")
    .filter((line) => line.startsWith("|"))
    .map((line) => line.slice(2, -2).split(" | "));
  const [head, , ...body] = rows;
  t.deepEqual(head?.slice(1), [...blockStates]);
  const offered = body.pop()?.slice(1);
  t.deepEqual(
    offered,
    blockStates.map((state) => `*${whenOffered[state]}*`),
  );
  t.deepEqual(
    body,
    blockEvents.map((event) => [event, ...blockStates.map((state) => next(state, event) ?? "–")]),
  );
});

test("no key leaves a block that is withheld, given up, or whole at the KM", (t) => {
  const shut: readonly BlockState[] = ["withheld", "withheld_damaged", "complete", "discarded"];
  for (const state of shut) {
    for (const event of ["assigned", "delivered_to", "complete"] as const) {
      t.is(next(state, event), undefined, `${state}, ${event}`);
    }
  }
});

test("what is whole at the KM or given up ends in no other way than by being let go of", (t) => {
  for (const state of ["complete", "discarded"] as const) {
    for (const event of blockEvents) {
      const then = next(state, event);
      t.true(then === undefined || then === state || then === "released", `${state}, ${event}`);
    }
    t.is(next(state, "released"), "released");
    t.false(isOpen(state));
  }
});

test("a word about one reason lifts nothing that is kept back for another", (t) => {
  const quarantined: LedgerEntry = { kind: "quarantined", ref, keyId, reason: "unknown_module" };
  const damaged: LedgerEntry = { kind: "damaged", ref };
  const lift = (reason?: "qber" | "operator" | "damaged"): LedgerEntry =>
    reason === undefined
      ? { kind: "reinstated", ref, keyId: undefined }
      : { kind: "reinstated", ref, keyId: undefined, reason };
  const told = (...lifts: readonly LedgerEntry[]) => {
    const record = after(quarantined, withheld, damaged, ...lifts).get("00112233aabbccdd/1");
    return [record?.state, record?.why, record?.quarantined.size];
  };
  t.deepEqual(told(), ["withheld_damaged", "qber", 1]);
  t.deepEqual(told(lift("operator")), ["withheld_damaged", "qber", 1]);
  t.deepEqual(told(lift("qber")), ["damaged", undefined, 1]);
  t.deepEqual(told(lift("damaged")), ["withheld", "qber", 1]);
  t.deepEqual(told(lift("qber"), lift("damaged")), ["offered", undefined, 1]);
  t.deepEqual(told(lift()), ["offered", undefined, 0], "as earlier versions wrote it");
});

test("from every state the module can let go of the block", (t) => {
  for (const state of blockStates) t.is(next(state, "released"), "released");
});

test("the ledger takes no entry that can't happen, and nothing of it is on disk", async (t) => {
  const disk = new Disk();
  const ledger = await LedgerFile.open(disk, "/ledger", silentLog);
  ledger.append(withheld);
  t.throws(() => ledger.append(assigned), { instanceOf: Fault, message: /a block's life/ });
  ledger.append({ kind: "reinstated", ref, keyId: undefined, reason: "qber" });
  ledger.append(assigned);
  ledger.append(complete);
  for (const entry of [complete, withheld, assigned]) {
    t.throws(() => ledger.append(entry), { instanceOf: Fault });
  }
  await ledger.close();
  const again = await LedgerFile.open(disk, "/ledger", silentLog);
  t.is(again.get("00112233aabbccdd/1")?.state, "complete");
  t.is(again.get("00112233aabbccdd/1")?.assigned.size, 0);
  await again.close();
});

test("what an earlier version wrote is read, whatever the table says", (t) => {
  t.is(after(complete, withheld).get("00112233aabbccdd/1")?.state, "complete");
  t.is(after(complete, withheld).get("00112233aabbccdd/1")?.why, undefined);
  t.is(after(withheld, complete).get("00112233aabbccdd/1")?.state, "withheld");
});

test("a ledger written anew says the same of every state", (t) => {
  const damaged: LedgerEntry = { kind: "damaged", ref };
  const discarded: LedgerEntry = { kind: "discarded", ref, keyId: undefined };
  const released: LedgerEntry = { kind: "released", ref };
  const replayed: LedgerEntry = { kind: "withheld", ref, reason: "replayed" };
  const lifted: LedgerEntry = { kind: "reinstated", ref, keyId: undefined, reason: "replayed" };
  const lives: readonly (readonly LedgerEntry[])[] = [
    [assigned],
    [withheld],
    [damaged],
    [withheld, damaged],
    [complete],
    [discarded],
    [released, replayed],
    [released, replayed, lifted],
    [released, assigned],
    [released, assigned, discarded],
  ];
  for (const entries of lives) {
    const index = after(...entries);
    const copy = after(...index.entries());
    t.deepEqual([...copy.blocks()], [...index.blocks()], entries.map(({ kind }) => kind).join());
    t.not([...index.blocks()][0]?.state, "released");
    t.is(index.live(), [...index.entries()].length);
  }
});

test("an assertion says the sentence that is not so, and nothing else", (t) => {
  assert(true, "never seen");
  const fault = t.throws(() => assert(false, "credit is never negative"), { instanceOf: Fault });
  t.is(fault?.code, "invariant");
  t.is(fault?.message, "credit is never negative");
});

test("whatever happens to a block, a ledger written anew says the same of it", (t) => {
  const reasons = [undefined, "qber", "no_qber", "operator", "replayed"] as const;
  for (let seed = 1; seed <= 3_000; seed++) {
    const draw = random(seed);
    const pick = <T>(list: readonly T[]): T => list[Math.floor(draw() * list.length)] as T;
    const index = new LedgerIndex();
    const kinds: string[] = [];
    for (let n = 0; n < 8; n++) {
      const id = pick([keyId, keyId.replace("8e", "8f")]);
      const why = pick(reasons);
      const reason = why === undefined ? {} : { reason: why };
      const entry = pick<LedgerEntry>([
        { ...assigned, keyId: id } as LedgerEntry,
        { kind: pick(["delivered", "sent", "returned"] as const), ref, keyId: id },
        { kind: "delivered_to", ref, bits: 8 },
        { kind: "quarantined", ref, keyId: id, reason: "unknown_module" },
        { kind: pick(["complete", "damaged", "released"] as const), ref },
        { kind: "withheld", ref, ...reason },
        { kind: "discarded", ref, keyId: pick([undefined, id]) },
        { kind: "reinstated", ref, keyId: id },
        { kind: "reinstated", ref, keyId: undefined, ...reason },
        { kind: "reinstated", ref, keyId: undefined, reason: "damaged" },
      ]);
      if (!index.allows(entry)) continue;
      index.apply(entry);
      kinds.push(entry.kind);
      const copy = after(...index.entries());
      t.is(copy.live(), index.live(), kinds.join());
      // Of a block about which nothing is recorded there may be a record, or none.
      const isSaid = [...copy.blocks()].length > 0;
      if (isSaid) t.is(copy.stateOf(ref), index.stateOf(ref), kinds.join());
    }
  }
});
