import test from "ava";
import { recordWithin } from "../../../../src/node/custody/deliveries.ts";
import { blockName } from "../../../../src/port/key.ts";
import { type Bench, durable, epoch, Km, withBench } from "../../../rig/custody-bench.ts";

const record = ({ ledger }: Bench, number: number) => ledger.get(blockName({ epoch, number }));

async function begun(bench: Bench, bits: number): Promise<Km> {
  bench.module.add(1, bits);
  bench.module.connect(bench.custody);
  const km = new Km(bench.custody);
  bench.custody.kmUp(km);
  bench.module.offer();
  await durable(bench);
  return km;
}

test("a block that is whole within a moment takes one entry, however many keys it had", async (t) => {
  await withBench({ keyBits: 64 }, async (bench) => {
    const km = await begun(bench, 6_400);
    t.is(km.asked.length, 100);
    const entries: string[] = [];
    const append = bench.ledger.append.bind(bench.ledger);
    bench.ledger.append = (entry) => {
      entries.push(entry.kind);
      append(entry);
    };
    km.answerAll();
    t.deepEqual(entries, ["complete"]);
    t.is(bench.clock.timers, 1);
    await durable(bench);
    t.is(bench.clock.timers, 0);
    t.deepEqual(entries, ["complete", "released"]);
  });
});

test("answers for a block that takes longer are recorded, each within a moment", async (t) => {
  await withBench({ keyBits: 128 }, async (bench) => {
    const km = await begun(bench, 640);
    km.answer();
    await bench.clock.advance(recordWithin - 1);
    km.answer();
    t.is(record(bench, 1), undefined);
    await bench.clock.advance(1);
    t.is(record(bench, 1)?.deliveredBits, 256);
    km.answer();
    await bench.clock.advance(recordWithin);
    t.is(record(bench, 1)?.deliveredBits, 384);
    t.is(record(bench, 1)?.delivered.size, 0);
    km.answerAll();
    await durable(bench);
    t.is(bench.module.blocks.size, 0);
  });
});

test("answers out of order are recorded by key, and a restart supplies what is left", async (t) => {
  await withBench({ keyBits: 128 }, async (bench) => {
    const km = await begun(bench, 640);
    const ids = [...km.asked];
    km.answer("success", 0);
    km.answer("success", 1);
    km.answer("success", 2);
    await bench.clock.advance(recordWithin);
    t.is(record(bench, 1)?.deliveredBits, 128);
    t.deepEqual([...(record(bench, 1)?.delivered ?? [])], [ids[2], ids[4]]);
    km.answer("success", 0);
    await bench.clock.advance(recordWithin);
    t.is(record(bench, 1)?.deliveredBits, 256);
    t.is(record(bench, 1)?.delivered.size, 2);

    await bench.restart();
    t.is(record(bench, 1)?.deliveredBits, 256);
    bench.module.connect(bench.custody);
    const again = new Km(bench.custody);
    bench.custody.kmUp(again);
    bench.module.offer();
    await durable(bench);
    t.deepEqual(again.asked, [ids[3]]);
    again.answerAll();
    await durable(bench);
    t.is(bench.module.blocks.size, 0);
  });
});

test("an orderly stop records what was answered, and leaves no timer", async (t) => {
  await withBench({ keyBits: 128 }, async (bench) => {
    const km = await begun(bench, 640);
    km.answer();
    const stopped = bench.custody.stop();
    bench.custody.kmDown();
    await stopped;
    t.is(record(bench, 1)?.deliveredBits, 128);
    t.is(bench.clock.timers, 0, "nothing is left to do later");
  });
});

test("a block with a key in quarantine has its other answers recorded when it is left", async (t) => {
  await withBench({ keyBits: 128 }, async (bench) => {
    const km = await begun(bench, 384);
    km.answer();
    km.answer("unauthorized");
    km.answer();
    t.is(record(bench, 1)?.deliveredBits, 128);
    t.is(record(bench, 1)?.delivered.size, 1);
    t.is(record(bench, 1)?.quarantined.size, 1);
    const [kept] = bench.module.blocks.values();
    t.true(kept?.offered, "and is not read again for nothing");
  });
});

test("keys are made when there is room for them, and wiped all the same", async (t) => {
  await withBench({ keyBits: 128 }, async (bench) => {
    bench.module.add(1, 1_280);
    bench.module.connect(bench.custody);
    const km = new Km(bench.custody, 2);
    bench.custody.kmUp(km);
    const blocks: Uint8Array[] = [];
    const take = bench.custody.block.bind(bench.custody);
    bench.custody.block = (block) => {
      blocks.push(block.expose());
      take(block);
    };
    bench.module.offer();
    t.is(km.asked.length, 2);
    t.false(blocks[0]?.every((byte) => byte === 0));
    bench.custody.wipe();
    t.true(blocks[0]?.every((byte) => byte === 0));
  });
});
