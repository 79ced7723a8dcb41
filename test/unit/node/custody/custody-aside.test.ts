import test from "ava";
import type { KeptBackKeys } from "../../../../src/node/custody/kept-back.ts";
import { eventually } from "../../../eventually.ts";
import { type Bench, durable, epoch, Km, withBench } from "../../../rig/custody-bench.ts";

const block = (number: number) => `${epoch}/${number}`;
const why = (keptBackKeys: KeptBackKeys) =>
  keptBackKeys.list(100).map((one) => `${one.block} ${one.why}`);

/** Lets the module offer, and everything that follows from it happen. */
async function offer(bench: Bench): Promise<void> {
  bench.module.offer();
  await durable(bench);
}

test("a withheld block stays until an operator has it supplied, also across a restart", async (t) => {
  await withBench({}, async (bench) => {
    const { module } = bench;
    module.add(1, 256, { qber: 0.2 });
    module.connect(bench.custody);
    await offer(bench);
    t.deepEqual(why(bench.custody.keptBackKeys), [`${block(1)} withheld`]);
    await bench.restart();
    module.connect(bench.custody);
    await offer(bench);
    t.deepEqual(why(bench.custody.keptBackKeys), [`${block(1)} withheld`]);

    t.is(bench.custody.keptBackKeys.reinstate(block(1)), undefined);
    await durable(bench);
    const km = new Km(bench.custody);
    bench.custody.kmUp(km);
    await offer(bench);
    t.is(km.outstanding.length, 1);
    // The decision is on disk: a restart does not undo it.
    await bench.restart();
    module.connect(bench.custody);
    const again = new Km(bench.custody);
    bench.custody.kmUp(again);
    await offer(bench);
    t.deepEqual(again.asked, km.asked, "under the ID that it had");
    again.answerAll();
    await durable(bench);
    t.deepEqual(module.released, [block(1)]);
    t.deepEqual(why(bench.custody.keptBackKeys), []);
    t.deepEqual(
      bench.events.map(({ type, facts }) => [type, facts.reason]),
      [
        ["key_withheld", "qber"],
        ["key_reinstated", undefined],
      ],
    );
  });
});

test("a key in quarantine is supplied again, or given up; its block goes when nothing is left", async (t) => {
  await withBench({ keyBits: 128 }, async (bench) => {
    const { module, custody } = bench;
    module.add(1, 384);
    module.connect(custody);
    const km = new Km(custody);
    custody.kmUp(km);
    await offer(bench);
    km.answer("success", 1);
    km.answer("unknown_module");
    const [first, , third] = km.asked as [string, string, string];
    t.is(
      custody.keptBackKeys.reinstate(first),
      "on_its_way",
      "another of its block is with the KM now",
    );
    km.answer("unknown_module");
    await durable(bench);
    t.deepEqual(
      custody.keptBackKeys.list(10).map(({ key_ID, reason }) => [key_ID, reason]),
      [
        [first, "unknown_module"],
        [third, "unknown_module"],
      ],
    );
    t.is(module.blocks.size, 1, "the module keeps it");

    t.is(custody.keptBackKeys.reinstate(first), undefined);
    await durable(bench);
    await offer(bench);
    t.deepEqual(km.asked.slice(3), [first], "and no other");
    km.answerAll();
    await durable(bench);
    t.is(module.blocks.size, 1);

    t.is(custody.keptBackKeys.discard(third), undefined);
    await durable(bench);
    await offer(bench);
    t.is(module.blocks.size, 0);
    t.deepEqual(module.released, [block(1)]);
    t.is(km.asked.length, 4, "what was given up is never supplied");
    t.is(custody.keptBackKeys.discard(third), "unknown");
  });
});

test("a block that was given up is destroyed in the module, also after a restart", async (t) => {
  await withBench({}, async (bench) => {
    const { module } = bench;
    module.add(1, 256, { qber: 0.2 });
    module.add(2, 256, { qber: 0.2 });
    module.connect(bench.custody);
    await offer(bench);
    t.is(bench.custody.keptBackKeys.discard(block(1)), undefined);
    await durable(bench);
    t.deepEqual(module.discarded, [block(1)]);
    module.disconnect();
    // The module was away when the operator decided.
    t.is(bench.custody.keptBackKeys.discard(block(2)), undefined);
    t.is(bench.custody.keptBackKeys.discard(block(2)), "not_kept_back");
    await durable(bench);
    await bench.restart();
    t.deepEqual(why(bench.custody.keptBackKeys), [`${block(2)} discarded`]);
    module.connect(bench.custody);
    await durable(bench);
    t.deepEqual(module.discarded, [block(1), block(2)]);
    t.deepEqual(why(bench.custody.keptBackKeys), []);
  });
});

test("an operator keeps back a key that waits, or a block that is to come; what left can't be", async (t) => {
  await withBench({ keyBits: 128 }, async (bench) => {
    const { module, custody } = bench;
    module.add(1, 384);
    module.connect(custody);
    const km = new Km(custody, 1);
    custody.kmUp(km);
    await offer(bench);
    const [sent] = km.asked as [string];
    t.is(custody.keptBackKeys.withhold(sent), "on_its_way");
    km.answer();
    const second = km.asked[1] as string;
    t.is(custody.keptBackKeys.withhold(second), "on_its_way");
    await durable(bench);
    const all = bench.ledger.get(block(1));
    t.is(all?.deliveredBits, 128);
    t.is(custody.keptBackKeys.withhold(block(1)), "on_its_way");
    t.is(custody.keptBackKeys.withhold(block(7)), undefined);
    module.add(7, 128);
    await offer(bench);
    km.answer();
    km.answer();
    await durable(bench);
    t.is(km.asked.length, 3, "the block that was to come is not supplied");
    t.deepEqual(why(custody.keptBackKeys), [`${block(7)} withheld`]);
    t.is(custody.keptBackKeys.withhold("nonsense"), "unknown");
    t.is(custody.keptBackKeys.reinstate("nonsense"), "unknown");
    t.is(custody.keptBackKeys.discard(block(99)), "unknown");
  });
});

test("to keep back a block that the module has let go of makes no record", async (t) => {
  await withBench({ keyBits: 128 }, async (bench) => {
    const { module, custody, ledger } = bench;
    module.add(1, 128);
    module.connect(custody);
    const km = new Km(custody, 1);
    custody.kmUp(km);
    await offer(bench);
    km.answer();
    await eventually("releases", () => module.released.length, { atLeast: 1 });
    await eventually("its entry in the ledger", () => ledger.get(block(1)), { is: undefined });
    t.is(custody.keptBackKeys.withhold(block(1)), "let_go");
    await durable(bench);
    t.is(ledger.get(block(1)), undefined);
    t.deepEqual([...ledger.blocks()], []);
  });
});

test("a key that waits for its KM goes into quarantine, and the next keys do not wait for it", async (t) => {
  await withBench({ keyBits: 128 }, async (bench) => {
    const { module, custody } = bench;
    module.add(1, 384);
    module.connect(custody);
    await offer(bench);
    const km = new Km(custody, 1);
    km.onSupply = (key) => {
      if (km.asked.length === 0) t.truthy(key.id);
    };
    custody.kmUp(km);
    // With a window of one, the two others wait; their IDs are known from a run without the wish.
    const probe = await idsOf();
    t.is(custody.keptBackKeys.withhold(probe[1] as string), undefined);
    for (let i = 0; i < 3; i++) km.answer();
    await durable(bench);
    t.deepEqual(km.asked, [probe[0], probe[2]] as string[]);
    t.deepEqual(custody.keptBackKeys.list(1), [
      { block: block(1), key_ID: probe[1] as string, why: "quarantined", reason: "operator" },
    ]);
    t.is(module.blocks.size, 1);
  });
});

async function idsOf(): Promise<string[]> {
  let ids: string[] = [];
  await withBench({ keyBits: 128 }, async (bench) => {
    bench.module.add(1, 384);
    bench.module.connect(bench.custody);
    const km = new Km(bench.custody);
    bench.custody.kmUp(km);
    await offer(bench);
    ids = km.asked;
  });
  return ids;
}

test("blocks of which a repaired ledger may not know all are withheld; later ones are not", async (t) => {
  await withBench({}, async (bench) => {
    const { module, custody, ledger } = bench;
    ledger.append({ kind: "doubtful", ref: { epoch, number: 5 } });
    module.add(5);
    module.add(6);
    module.connect(custody);
    const km = new Km(custody);
    custody.kmUp(km);
    await offer(bench);
    t.is(km.outstanding.length, 1);
    t.deepEqual(why(custody.keptBackKeys), [`${block(5)} withheld`]);
    t.is(bench.events[0]?.facts.reason, "ledger_repaired");
  });
});

test("a word about one reason lifts no other: released for its QBER, a doubtful block stays", async (t) => {
  await withBench({}, async (bench) => {
    const { module, ledger } = bench;
    module.add(1, 256, { qber: 0.2 });
    module.connect(bench.custody);
    await offer(bench);
    // Later it was released, and given to a KM; all of that was lost, but for that it was withheld.
    ledger.append({ kind: "repaired" });
    await bench.restart();
    module.connect(bench.custody);
    await offer(bench);
    const kms: Km[] = [];
    for (const reason of ["qber", "ledger_repaired"]) {
      const km = new Km(bench.custody);
      kms.push(km);
      bench.custody.kmUp(km);
      t.like(bench.custody.keptBackKeys.list(9), [{ why: "withheld", reason }]);
      t.is(km.outstanding.length, 0);
      t.is(bench.custody.keptBackKeys.reinstate(block(1)), undefined);
      await durable(bench);
      await offer(bench);
      if (reason === "qber") {
        await bench.restart();
        module.connect(bench.custody);
        await offer(bench);
      }
    }
    t.is(kms.at(-1)?.outstanding.length, 1, "both were decided");
  });
});

test("a block that was damaged and is read again goes through the gate like any other", async (t) => {
  await withBench({}, async (bench) => {
    const { module, custody } = bench;
    const km = new Km(custody);
    custody.kmUp(km);
    module.add(1);
    module.connect(custody);
    await offer(bench);
    km.answer();
    await durable(bench);
    t.deepEqual(module.released, [block(1)]);
    // The module is set back, and its memory is worn out.
    module.add(1);
    module.add(2, 256, { qber: 0.2 });
    for (const number of [1, 2]) custody.damaged({ ref: { epoch, number }, bits: 256 }, "worn");
    await durable(bench);
    t.is(custody.keptBackKeys.decideAll("reinstate", { reason: "damaged" }), 2);
    await durable(bench);
    await offer(bench);
    t.is(km.outstanding.length, 0);
    t.deepEqual(
      custody.keptBackKeys.list(9).map(({ reason }) => reason),
      ["replayed", "qber"],
    );
  });
});

test("what is decided in bulk for one epoch leaves the others", async (t) => {
  await withBench({}, async (bench) => {
    const { module, custody } = bench;
    for (const name of ["aa".repeat(8), epoch]) {
      module.add(1, 256, { qber: 0.2, ref: { epoch: name, number: 1 } });
    }
    module.connect(custody);
    await offer(bench);
    t.deepEqual(custody.keptBackKeys.counts(), { "withheld.qber": 2 });
    t.is(custody.keptBackKeys.decideAll("discard", { reason: "qber", epoch }), 1);
    await durable(bench);
    t.deepEqual(module.discarded, [`${epoch}/1`]);
    t.deepEqual(custody.keptBackKeys.counts(), { "withheld.qber": 1 });
  });
});

test("what is released in bulk for one reason leaves keys in quarantine that are there for another", async (t) => {
  await withBench({ onRequest: true, keyBits: 128 }, async (bench) => {
    const { module, custody, ledger } = bench;
    module.add(1, 256);
    module.connect(custody);
    await offer(bench);
    const request = { claimant: "ab".repeat(16), number: 1, size: 128, most: 9 };
    const reply = await custody.desk?.request(request);
    reply?.torn?.();
    await durable(bench);
    await bench.restart();
    // What the other end measured came later.
    module.add(1, 256, { qber: 0.2 });
    module.connect(bench.custody);
    await offer(bench);
    const { keptBackKeys } = bench.custody;
    t.deepEqual(keptBackKeys.counts(), { "withheld.qber": 1, quarantined: 1 });
    t.is(keptBackKeys.decideAll("reinstate", { reason: "qber" }), 1);
    await durable(bench);
    await offer(bench);
    t.deepEqual(keptBackKeys.counts(), { quarantined: 1 });
    const again = await bench.custody.desk?.request({
      ...request,
      number: 9,
      claimant: "cd".repeat(16),
    });
    t.is(again?.keys.length, 1);
    t.not(again?.keys[0]?.id, reply?.keys[0]?.id, "the other KM may have that one");
    t.is(ledger.failure, undefined);
  });
});

test("a block that is withheld and damaged is listed for both: for either it is given up as a whole", async (t) => {
  await withBench({}, async (bench) => {
    const { module, custody } = bench;
    module.add(1, 256, { qber: 0.2 });
    module.connect(custody);
    await offer(bench);
    custody.damaged({ ref: { epoch, number: 1 }, bits: 256 }, "worn");
    t.deepEqual(custody.keptBackKeys.counts(), { "withheld.qber": 1, damaged: 1 });
    t.deepEqual(why(custody.keptBackKeys), [`${block(1)} withheld`, `${block(1)} damaged`]);
    t.is(custody.keptBackKeys.decideAll("discard", { reason: "damaged" }), 1);
    await durable(bench);
    t.deepEqual(module.discarded, [block(1)]);
    t.deepEqual(custody.keptBackKeys.counts(), {});
  });
});

test("damage is told once, and not of a block that is whole at the KM or given up", async (t) => {
  await withBench({}, async (bench) => {
    const { module, custody, events } = bench;
    const km = new Km(custody);
    custody.kmUp(km);
    module.connect(custody);
    module.add(1);
    module.add(2, 256, { qber: 0.2 });
    await offer(bench);
    const damage = (number: number) =>
      custody.damaged({ ref: { epoch, number }, bits: 256 }, "worn");
    const told = () => events.filter(({ type }) => type === "block_damaged").length;
    const { quarantined } = custody.counters();
    damage(3);
    damage(3);
    t.deepEqual([told(), custody.counters().quarantined - quarantined], [1, 1]);
    km.answer();
    // Its KM has it, and the module was not told yet.
    t.is(bench.ledger.get(block(1))?.state, "complete");
    damage(1);
    t.is(custody.keptBackKeys.discard(block(2)), undefined);
    damage(2);
    t.is(told(), 1);
    await durable(bench);
    t.true(module.released.includes(block(1)));
    t.deepEqual(module.discarded, [block(2)]);
  });
});
