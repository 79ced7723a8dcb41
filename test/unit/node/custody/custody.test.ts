import test from "ava";
import { KeyBlock } from "../../../../src/port/key.ts";
import { settle } from "../../../clock.ts";
import { durable, epoch, Km, withBench } from "../../../rig/custody-bench.ts";

test("the module is told to release a key only after success, and after that is on disk", async (t) => {
  await withBench({}, async (bench) => {
    const { module, custody } = bench;
    const km = new Km(custody);
    module.add(1);
    module.connect(custody);
    custody.kmUp(km);
    module.offer();
    t.is(km.asked.length, 1);
    await durable(bench);
    t.deepEqual(module.released, []);
    km.answer();
    t.deepEqual(module.released, [], "success alone is not enough");
    await durable(bench);
    t.deepEqual(module.released, [`${epoch}/1`]);
    t.is(bench.ledger.get(`${epoch}/1`), undefined);
  });
});

test("keys go out in order, no more than the window at once, and never beyond the credit", async (t) => {
  await withBench({ maxHeldBlocks: 8 }, async (bench) => {
    const { module, custody } = bench;
    for (let i = 0; i < 50; i++) module.add(i);
    module.connect(custody);
    t.is(module.credit.blocks, 8);
    const km = new Km(custody, 3);
    custody.kmUp(km);
    let most = 0;
    for (let i = 0; i < 50; i++) {
      module.offer();
      most = Math.max(most, custody.counters().held_blocks);
      t.true(km.outstanding.length <= 3);
      km.answer();
    }
    await durable(bench);
    t.true(most <= 8);
    t.is(module.blocks.size, 0);
    t.is(module.credit.blocks, 8, "credit is given back exactly once");
    t.deepEqual(km.asked.length, new Set(km.asked).size);
  });
});

test("after the KM was lost, unanswered keys are supplied again under the same IDs, in order", async (t) => {
  await withBench({}, async ({ module, custody }) => {
    for (let i = 0; i < 10; i++) module.add(i);
    module.connect(custody);
    const first = new Km(custody, 4);
    custody.kmUp(first);
    module.offer();
    first.answer("success", 2);
    custody.kmDown();
    const second = new Km(custody);
    custody.kmUp(second);
    const expected = first.asked.filter((id) => !first.has.has(id));
    t.deepEqual(second.asked.slice(0, expected.length), expected);
    t.is(second.asked.length, 9);
    t.is(custody.counters().repeats, 4);
  });
});

test("a KM that asks to wait is left alone for a growing time, and loses no key", async (t) => {
  await withBench({}, async ({ module, custody, clock }) => {
    module.add(1);
    module.connect(custody);
    const km = new Km(custody);
    custody.kmUp(km);
    module.offer();
    for (const [response, wait] of [
      ["busy", 100],
      ["storage_full", 200],
      ["busy", 400],
    ] as const) {
      km.answer(response);
      await clock.advance(wait - 1);
      t.is(km.outstanding.length, 0);
      await clock.advance(1);
      t.is(km.outstanding.length, 1);
    }
    km.answer();
    t.deepEqual(custody.counters().refused, { busy: 2, storage_full: 1 });
    t.is(custody.counters().confirmed, 1);
  });
});

test("a KM that was away while it was left alone has no older wait end a newer one", async (t) => {
  await withBench({}, async ({ module, custody, clock }) => {
    module.add(1);
    module.connect(custody);
    const km = new Km(custody);
    custody.kmUp(km);
    module.offer();
    km.answer("busy");
    await clock.advance(50);
    custody.kmDown();
    const back = new Km(custody);
    custody.kmUp(back);
    back.answer("busy");
    await clock.advance(199);
    t.is(back.outstanding.length, 0);
    await clock.advance(1);
    t.is(back.outstanding.length, 1);
  });
});

test("a key whose hash does not match is tried three times and then quarantined", async (t) => {
  await withBench({}, async (bench) => {
    const { module, custody, events } = bench;
    module.add(1);
    module.add(2);
    module.connect(custody);
    const km = new Km(custody, 1);
    custody.kmUp(km);
    module.offer();
    for (let i = 0; i < 3; i++) km.answer("hash_mismatch");
    t.is(km.asked.length, 4, "the next key goes on");
    t.is(new Set(km.asked).size, 2);
    km.answer();
    await durable(bench);
    t.deepEqual(module.released, [`${epoch}/2`]);
    t.is(events[0]?.type, "key_quarantined");
  });
});

for (const reason of ["duplicate_key_ID", "unknown_module", "invalid_message"]) {
  test(`a key refused with "${reason}" is kept by the module and not supplied again`, async (t) => {
    await withBench({}, async (bench) => {
      const { module } = bench;
      module.add(1);
      module.add(2);
      module.connect(bench.custody);
      const km = new Km(bench.custody);
      bench.custody.kmUp(km);
      module.offer();
      km.answer(reason);
      km.answer();
      await durable(bench);
      t.deepEqual([...module.blocks.keys()], [`${epoch}/1`]);
      await bench.restart();
      module.connect(bench.custody);
      const after = new Km(bench.custody);
      bench.custody.kmUp(after);
      module.offer();
      t.deepEqual(after.asked, []);
    });
  });
}

test("a block above the QBER limit is withheld, also after a restart with a higher limit", async (t) => {
  await withBench({ qberLimit: 0.05 }, async (bench) => {
    const { module } = bench;
    module.add(1, 256, { qber: 0.0501 });
    module.add(2, 256, { qber: 0.05 });
    module.connect(bench.custody);
    const km = new Km(bench.custody);
    bench.custody.kmUp(km);
    module.offer();
    t.is(km.asked.length, 1);
    km.answer();
    await durable(bench);
    t.deepEqual([...module.blocks.keys()], [`${epoch}/1`]);
    t.deepEqual(
      bench.events.map((event) => event.type),
      ["key_withheld"],
    );
    await bench.restart();
    module.connect(bench.custody);
    bench.custody.kmUp(new Km(bench.custody));
    module.offer();
    t.is(bench.events.length, 1, "told once");
    t.is(module.blocks.size, 1);
  });
});

test("an empty block is told once and released", async (t) => {
  await withBench({}, async (bench) => {
    bench.module.add(1, 0, { qber: 0.12 });
    bench.module.connect(bench.custody);
    bench.module.offer();
    await durable(bench);
    t.is(bench.module.blocks.size, 0);
    t.is(bench.custody.counters().empty_blocks, 1);
    t.deepEqual(
      bench.events.map((event) => event.facts.qber),
      [0.12],
    );
  });
});

test("a block that is offered again while it is in flight is not supplied twice", async (t) => {
  await withBench({}, async (bench) => {
    const { module, custody } = bench;
    module.add(1);
    module.connect(custody);
    const km = new Km(custody);
    custody.kmUp(km);
    module.offer();
    module.disconnect();
    module.connect(custody);
    module.offer();
    t.is(km.asked.length, 1);
    km.answer();
    await durable(bench);
    t.is(module.blocks.size, 0);
    t.is(module.credit.blocks, 64, "the credit of both offers came back");
  });
});

test("a block that the KM has is released, not supplied, when it is offered after a restart", async (t) => {
  await withBench({}, async (bench) => {
    const { module } = bench;
    module.add(1);
    module.connect(bench.custody);
    const km = new Km(bench.custody);
    bench.custody.kmUp(km);
    module.offer();
    module.disconnect();
    km.answer();
    await durable(bench);
    t.is(module.blocks.size, 1, "the module never heard of it");
    await bench.restart();
    module.connect(bench.custody);
    const after = new Km(bench.custody);
    bench.custody.kmUp(after);
    module.offer();
    await durable(bench);
    t.deepEqual(after.asked, []);
    t.is(module.blocks.size, 0);
  });
});

test("a restart in the middle of a sliced block supplies only the missing slices", async (t) => {
  await withBench({ keyBits: 128 }, async (bench) => {
    const { module } = bench;
    module.add(1, 600);
    module.connect(bench.custody);
    const km = new Km(bench.custody);
    bench.custody.kmUp(km);
    module.offer();
    t.is(km.asked.length, 5);
    km.answer("success", 1);
    km.answer("success", 2);
    await durable(bench);
    t.deepEqual(module.released, []);
    await bench.restart();
    module.connect(bench.custody);
    const after = new Km(bench.custody);
    bench.custody.kmUp(after);
    module.offer();
    t.deepEqual(
      after.asked,
      km.asked.filter((id) => !km.has.has(id)),
    );
    after.answerAll();
    await durable(bench);
    t.deepEqual(module.released, [`${epoch}/1`]);
  });
});

test("stopping waits for what the KM was given, and takes no more", async (t) => {
  await withBench({}, async ({ module, custody }) => {
    for (let i = 0; i < 5; i++) module.add(i);
    module.connect(custody);
    const km = new Km(custody, 2);
    custody.kmUp(km);
    module.offer();
    let stopped = false;
    void custody.stop().then(() => {
      stopped = true;
    });
    km.answer();
    await settle();
    t.false(stopped);
    km.answer();
    await settle();
    t.true(stopped);
    t.is(km.asked.length, 2);
  });
});

test("a word that Kq-1 does not know is no refusal: the key waits, and is supplied to that KM again", async (t) => {
  await withBench({}, async (bench) => {
    const { module, custody } = bench;
    const km = new Km(custody);
    custody.kmUp(km);
    module.connect(custody);
    module.add(1);
    module.offer();
    await durable(bench);
    km.answer("no_such_word");
    t.is(custody.counters().quarantined, 0);
    t.is(km.outstanding.length, 0);
    await bench.clock.advance(60_000);
    t.is(km.outstanding.length, 1);
    km.answer();
    await durable(bench);
    t.is(module.released.length, 1);
  });
});

test("a block that waits for the disk is wiped with the others", async (t) => {
  await withBench({}, async (bench) => {
    const { module, custody } = bench;
    module.connect(custody);
    const bytes = Buffer.alloc(32, 7);
    const facts = { ref: { epoch: "8899aabbccddeeff", number: 1 }, bits: 256, qber: 0.03 };
    const block = new KeyBlock(facts, bytes);
    custody.block(block);
    t.false(block.wiped, "how it is cut is not on disk yet");
    custody.wipe();
    t.true(block.wiped);
    t.deepEqual(bytes, Buffer.alloc(32));
  });
});

test("a key is wiped once it is answered for, taken or refused", async (t) => {
  await withBench({ keyBits: 128 }, async (bench) => {
    const { module, custody } = bench;
    const km = new Km(custody);
    custody.kmUp(km);
    module.connect(custody);
    module.add(1, 384);
    module.offer();
    await durable(bench);
    const [taken, refused, waits] = km.outstanding.map(({ key }) => key);
    km.answer();
    km.answer("unknown_module");
    t.deepEqual([taken?.wiped, refused?.wiped, waits?.wiped], [true, true, false]);
  });
});

test("an event says whether what was kept back is supplied after all, or given up", async (t) => {
  for (const [what, type] of [
    ["reinstate", "key_reinstated"],
    ["discard", "key_discarded"],
  ] as const) {
    await withBench({}, async ({ module, custody, events }) => {
      module.connect(custody);
      module.add(1, 256, { qber: 0.3 });
      module.offer();
      t.is(custody.keptBackKeys.decideAll(what, { reason: "qber" }), 1);
      const { type: told, facts } = events.at(-1) ?? {};
      t.deepEqual([told, facts], [type, { blocks: 1, reason: "qber" }]);
    });
  }
});
