import test from "ava";
import { answerKept } from "../../../../src/node/keys/ports.ts";
import { epoch, withBench } from "../../../rig/custody-bench.ts";
import {
  ask,
  compact,
  durable,
  hex,
  ids,
  offer,
  onRequest,
  record,
  restart,
  take,
  token,
} from "../../../rig/desk-bench.ts";

test("a key is delivered when its answer was sent: recorded, counted, overwritten; the rest stays", async (t) => {
  await withBench(onRequest, async (bench) => {
    bench.module.connect(bench.custody);
    offer(bench, 512);
    const reply = await ask(bench, { size: 64 });
    const [id] = ids(reply);
    const bytes = reply.keys[0]?.expose() as Uint8Array;
    const counters = () => bench.custody.counters();
    t.like(counters(), { supplied: 0, confirmed: 0, bits: 0 });
    reply.sent?.();
    t.deepEqual(Buffer.from(bytes), Buffer.alloc(8));
    t.true(record(bench)?.delivered.has(id as string));
    reply.sent?.();
    reply.torn?.();
    t.like(counters(), { supplied: 1, confirmed: 1, bits: 64, quarantined: 0 });
    const rest = [...(await ask(bench, { size: 64, number: 3 })).keys, ...(await ask(bench)).keys];
    t.deepEqual(rest.map(hex), [...Array(3).fill("01".repeat(8)), "01".repeat(32)]);
  });
});

test("keys of a whole block, longer than a page, are wiped when they were sent", async (t) => {
  await withBench({ onRequest: true, keyBits: 65_536 }, async (bench) => {
    bench.module.connect(bench.custody);
    offer(bench, 65_536, 131_072);
    const replies = [await ask(bench, { size: 65_536 }), await ask(bench, { size: 65_536 })];
    for (const reply of replies) {
      const [key] = reply.keys;
      t.is(key?.byteLength, 8_192);
      const bytes = key?.expose() as Uint8Array;
      reply.sent?.();
      t.true(key?.wiped);
      t.true(bytes.every((byte) => byte === 0));
    }
    t.is(hex((await ask(bench, { size: 65_536 })).keys[0]), "02".repeat(8_192));
  });
});

test("a key of which not one byte was written is free again, for any KM, under its ID", async (t) => {
  await withBench(onRequest, async (bench) => {
    bench.module.connect(bench.custody);
    offer(bench, 512);
    const lost = await ask(bench, { number: 1 });
    const later = await take(bench);
    lost.unsent?.();
    t.like(bench.custody.counters(), { supplied: 1, confirmed: 1 });
    const second = await ask(bench, { km: "km-2", number: 9 });
    t.deepEqual(ids(second), ids(lost));
    t.is(hex(second.keys[0]), "01".repeat(32));
    t.not(later[0], ids(lost)[0]);
  });
});

test("that a key is free again is known after a restart and a compaction", async (t) => {
  for (const again of [restart, compact]) {
    await withBench(onRequest, async (bench) => {
      bench.module.connect(bench.custody);
      offer(bench, 512);
      const quarter = await take(bench, { size: 64 });
      const lost = await ask(bench, { size: 64 });
      const unit = await ask(bench);
      const expected = [ids(lost)[0], ids(unit)[0]];
      lost.unsent?.();
      unit.unsent?.();
      await again(bench);
      const pieces = await take(bench, { size: 64, number: 3 });
      t.true(pieces.includes(expected[0] as string));
      t.false(pieces.includes(quarter[0] as string));
      t.deepEqual(await take(bench), [expected[1]]);
      await durable(bench);
      t.is(bench.module.released.length, 1);
      t.is(bench.custody.counters().quarantined, 0);
    });
  }
});

test("a key of which some may have left is kept back until an operator decides", async (t) => {
  for (const decision of ["reinstate", "discard"] as const) {
    await withBench(onRequest, async (bench) => {
      const { custody, module } = bench;
      module.connect(custody);
      offer(bench, 512);
      const lost = await ask(bench);
      const [id] = ids(lost) as [string];
      lost.torn?.();
      t.like(custody.counters(), { supplied: 0, confirmed: 0, quarantined: 1 });
      const [told] = bench.events;
      t.like(told, { type: "key_quarantined", facts: { key_ID: id, reason: "interrupted" } });
      t.is((await take(bench)).length, 1);
      t.is((await ask(bench)).response, "no_keys_available");
      await durable(bench);
      t.like(custody.counters(), { held_blocks: 0 });
      t.is(module.released.length, 0);
      t.is(custody.keptBackKeys[decision](id), undefined);
      await durable(bench);
      module.offer();
      await durable(bench);
      if (decision === "reinstate") t.deepEqual(await take(bench), [id]);
      else t.is((await ask(bench)).response, "no_keys_available");
      await durable(bench);
      t.is(module.released.length, 1);
    });
  }
});

test("an operator can decide while other keys of the block wait; the size of its unit stays", async (t) => {
  for (const again of [undefined, restart, compact]) {
    await withBench(onRequest, async (bench) => {
      bench.module.connect(bench.custody);
      offer(bench, 768);
      const [one, two] = [await ask(bench), await ask(bench, { size: 128 })];
      const [first, half] = [ids(one)[0] as string, ids(two)[0] as string];
      for (const reply of [one, two]) reply.torn?.();
      await again?.(bench);
      t.is(bench.custody.keptBackKeys.reinstate(first), undefined);
      t.is(bench.custody.keptBackKeys.discard(half), undefined);
      t.is(bench.custody.keptBackKeys.reinstate(`${epoch}/0`), "on_its_way");
      await durable(bench);
      await again?.(bench);
      const pieces = [await take(bench, { size: 64 }), await take(bench, { size: 128, number: 9 })];
      t.false(pieces.flat().includes(half));
      t.deepEqual(
        pieces.map(({ length }) => length),
        [1, 1],
        "the unit whose ID may be known is not cut in others",
      );
      t.deepEqual((await take(bench, { number: 9 }))[0], first);
      await take(bench, { size: 64, number: 9 });
      await durable(bench);
      t.is(bench.module.released.length, 1);
    });
  }
});

test("all that is kept back for this reason is decided at once, and no other key of its blocks", async (t) => {
  for (const what of ["reinstate", "discard"] as const) {
    await withBench(onRequest, async (bench) => {
      const { custody, module } = bench;
      module.connect(custody);
      offer(bench, 512, 256, 512);
      const lost = [await ask(bench), await ask(bench, { number: 2 })];
      for (const reply of lost) reply.torn?.();
      // Of the first two blocks all is kept back or delivered, of the third some waits.
      const more = await ask(bench);
      more.torn?.();
      await durable(bench);
      t.is(custody.counters().held_blocks, 1);
      t.is(custody.keptBackKeys.decideAll(what, { reason: "qber" }), 0);
      t.is(custody.keptBackKeys.decideAll(what, { reason: "interrupted" }), 3);
      await durable(bench);
      module.offer();
      await durable(bench);
      const kept = [...lost, more].flatMap(ids);
      const taken = await take(bench, { number: 9 });
      t.is(taken.length, what === "reinstate" ? 5 : 1);
      t.is(taken.filter((id) => kept.includes(id)).length, what === "reinstate" ? 4 : 0);
      await durable(bench);
      t.is(module.blocks.size, 0);
    });
  }
});

test("a torn answer with a token can be asked for again; then it is delivered", async (t) => {
  await withBench(onRequest, async (bench) => {
    bench.module.connect(bench.custody);
    offer(bench, 256);
    const first = await ask(bench, { token });
    first.torn?.();
    t.deepEqual(await take(bench, { token }), ids(first));
    (await ask(bench, { token })).torn?.();
    await bench.clock.advance(answerKept);
    await durable(bench);
    t.is(bench.module.released.length, 1);
    t.like(bench.custody.counters(), { supplied: 1, confirmed: 1, quarantined: 0 });
  });
});

test("at the end of its time a torn answer is kept back, and one that never left is free", async (t) => {
  await withBench(onRequest, async (bench) => {
    bench.module.connect(bench.custody);
    offer(bench, 512);
    const torn = await ask(bench, { token });
    const unsent = await ask(bench, { token: `${token} two` });
    torn.torn?.();
    unsent.unsent?.();
    (await ask(bench, { token })).unsent?.();
    t.is((await ask(bench)).response, "no_keys_available", "both are kept for a repeat");
    await bench.clock.advance(answerKept);
    t.is(record(bench)?.quarantined.get(ids(torn)[0] as string), "interrupted");
    t.deepEqual(await take(bench, { number: 9 }), ids(unsent));
  });
});

test("an answer that is being sent when its time ends is settled when that is over", async (t) => {
  await withBench(onRequest, async (bench) => {
    bench.module.connect(bench.custody);
    offer(bench, 512);
    const slow = await ask(bench, { token });
    await bench.clock.advance(answerKept);
    t.is((await ask(bench, { token })).response, "busy");
    t.is(record(bench)?.delivered.size, 0);
    slow.sent?.();
    t.is(record(bench)?.delivered.size, 1);
    const next = await ask(bench, { token });
    t.not(ids(next)[0], ids(slow)[0]);
  });
});
