import test from "ava";
import { answerKept } from "../../../../src/node/keys/ports.ts";
import { type Bench, durable, epoch, Km, withBench } from "../../../rig/custody-bench.ts";
import { ask, ids, onRequest, record, take, token } from "../../../rig/desk-bench.ts";

/** The module offers its blocks again to a node that was restarted in this mode, and a KM is there. */
async function goOn(bench: Bench, mode: { onRequest: boolean }, name = "km"): Promise<Km> {
  await bench.restart(mode);
  const km = new Km(bench.custody);
  bench.custody.kmUp(km, name);
  bench.module.connect(bench.custody);
  bench.module.offer();
  await durable(bench);
  await durable(bench);
  return km;
}

test("where nobody asks any more, what waited to be asked for is supplied, under the same IDs", async (t) => {
  await withBench(onRequest, async (bench) => {
    bench.module.connect(bench.custody);
    for (let number = 0; number < 2; number++) bench.module.add(number, 768);
    bench.module.offer();
    const taken = [...(await take(bench)), ...(await take(bench, { size: 64 }))];
    await durable(bench);
    const km = await goOn(bench, { onRequest: false });
    t.is(km.asked.length, 3 + 1 + 3, "pieces of the unit that was begun, and whole units");
    t.false(km.asked.some((id) => taken.includes(id)));
    km.answerAll();
    await durable(bench);
    t.is(bench.module.released.length, 2);
    t.is(bench.custody.counters().held_blocks, 0);
  });
});

test("what a request may have is not supplied; the rest of its block is, once that is settled", async (t) => {
  await withBench(onRequest, async (bench) => {
    bench.module.connect(bench.custody);
    bench.module.add(0, 768);
    bench.module.offer();
    const given = await ask(bench, { token });
    await durable(bench);
    given.torn?.();
    const km = await goOn(bench, { onRequest: false });
    t.is(km.asked.length, 0);
    t.deepEqual(await take(bench, { token }), ids(given), "it can be asked for again for its time");
    await bench.clock.advance(answerKept);
    await durable(bench);
    bench.module.offer();
    await durable(bench);
    t.is(km.asked.length, 2);
    t.false(km.asked.includes(ids(given)[0] as string));
    km.answerAll();
    await durable(bench);
    t.is(bench.module.released.length, 1);
  });
});

test("what was supplied unasked goes to that KM alone, also when KMs ask again", async (t) => {
  await withBench({ ...onRequest, kms: ["km"] }, async (bench) => {
    bench.module.connect(bench.custody);
    bench.module.add(0, 768);
    bench.module.offer();
    await take(bench);
    const km = await goOn(bench, { onRequest: false });
    t.is(km.asked.length, 2);
    km.answer();
    const [delivered, unsure] = km.asked;
    await durable(bench);
    await goOn(bench, { onRequest: true });
    t.is((await ask(bench)).response, "no_keys_available");
    await bench.clock.advance(answerKept);
    await durable(bench);
    t.deepEqual([...(record(bench)?.quarantined.keys() ?? [])], [unsure]);
    t.false(record(bench)?.quarantined.has(delivered as string));
  });
});

test("an operator's word that the KM has none frees pieces as they were cut", async (t) => {
  await withBench({ ...onRequest, kms: ["km"] }, async (bench) => {
    bench.module.connect(bench.custody);
    bench.module.add(0, 256);
    bench.module.offer();
    const [first] = await take(bench, { size: 128 });
    const km = await goOn(bench, { onRequest: false });
    t.is(km.asked.length, 1);
    t.true(bench.ledger.get(`${epoch}/0`)?.assigned.has(first as string));
    bench.custody.kmDown("km");
    t.true(bench.custody.kms.free("km"));
    await durable(bench);
    await goOn(bench, { onRequest: true });
    t.is((await ask(bench)).response, "no_keys_available", "no unit is whole");
    t.deepEqual(ids(await ask(bench, { size: 128 })), km.asked);
    t.is((await ask(bench, { size: 128 })).response, "no_keys_available");
  });
});

test("a key that is kept back is decided upon where its block is: not while the others are supplied", async (t) => {
  await withBench(onRequest, async (bench) => {
    bench.module.connect(bench.custody);
    bench.module.add(0, 768);
    bench.module.offer();
    const given = await ask(bench, { token });
    await durable(bench);
    given.torn?.();
    const km = await goOn(bench, { onRequest: false });
    await bench.clock.advance(answerKept);
    await durable(bench);
    bench.module.offer();
    await durable(bench);
    const [keptBack] = ids(given) as [string];
    t.deepEqual([...(record(bench)?.quarantined.keys() ?? [])], [keptBack]);
    t.is(km.outstanding.length, 2);
    const { keptBackKeys } = bench.custody;
    t.is(keptBackKeys.reinstate(keptBack), "on_its_way");
    t.is(keptBackKeys.reinstate(`${epoch}/0`), "on_its_way");
    km.answerAll();
    await durable(bench);
    t.is(keptBackKeys.reinstate(keptBack), undefined);
    await durable(bench);
    bench.module.offer();
    await durable(bench);
    t.deepEqual(
      km.outstanding.map(({ id }) => id),
      [keptBack],
    );
    km.answerAll();
    await durable(bench);
    t.is(bench.module.released.length, 1);
  });
});
