import test from "ava";
import { accept, nameOfClaimant, recognise } from "../../../../src/node/custody/km-identity.ts";
import { claimantOfKm } from "../../../../src/node/keys/key-id.ts";
import { Operator } from "../../../../src/node/module/operator.ts";
import { type Bench, durable, epoch, Km, withBench } from "../../../rig/custody-bench.ts";

/** What the module has is offered until nothing more follows from it. */
async function serve(bench: Bench, name: string): Promise<Km> {
  const km = new Km(bench.custody);
  bench.custody.kmUp(km, name);
  bench.module.connect(bench.custody);
  bench.module.offer();
  for (let i = 0; i < 3; i++) await durable(bench);
  return km;
}

const ids = (km: Km) => km.outstanding.map(({ id }) => id);

/** As a process that was killed leaves the ledger: nothing was said at its end. */
async function kill(bench: Bench, change: Parameters<Bench["restart"]>[0]): Promise<void> {
  await bench.restart(change);
}

for (const [story, lists] of [
  ["a list that shrinks to one and grows again", [["a", "b"], ["a"], ["b", "a"]]],
  ["a sole KM that is renamed, and then joined by another", [["a"], ["c"], ["c", "d"]]],
  ["a sole KM that is replaced by another", [["a"], ["b"], ["b"]]],
] as const) {
  test(`a key that may be with one KM goes to no other: ${story}`, async (t) => {
    const had = new Map<string, string>();
    await withBench({ kms: lists[0], maxHeldBlocks: 32, fresh: true }, async (bench) => {
      for (const [number, kms] of lists.entries()) {
        if (number > 0) await kill(bench, { kms });
        bench.module.add(number);
        // The last that was configured is the one that is reached: others are away.
        const km = kms.length > 1 && number === 2 ? (kms[0] as string) : (kms.at(-1) as string);
        for (const id of ids(await serve(bench, km))) {
          t.is(had.get(id) ?? km, km, `${id} at ${had.get(id)} and at ${km}`);
          had.set(id, km);
        }
      }
      t.true(had.size > 0);
    });
  });
}

test("keys that wait for a KM which is not configured stay in the module, and an operator frees them", async (t) => {
  await withBench({ kms: ["a"], fresh: true }, async (bench) => {
    const { module } = bench;
    for (const number of [0, 1]) module.add(number);
    const written = ids(await serve(bench, "a"));
    t.is(written.length, 2);
    await kill(bench, { kms: ["b"] });
    const other = await serve(bench, "b");
    t.deepEqual(ids(other), [], "nothing is assumed");
    t.is(module.blocks.size, 2);
    t.is(module.credit.blocks, 64, "the next keys do not wait for them");
    const kept = bench.custody.keptBackKeys.list(10);
    t.deepEqual(
      kept.map(({ why }) => why),
      ["other_km", "other_km"],
    );
    t.true(bench.events.some(({ type }) => type === "key_waits_for_km"));
    t.is(bench.custody.keptBackKeys.reinstate(`${epoch}/0`), "waits_for_km");
    t.true(bench.custody.kms.free("a"), "one that is not configured is freed by its name");
    await durable(bench);
    module.offer();
    await durable(bench);
    t.deepEqual(ids(other), written, "under the IDs that they always had");
    t.deepEqual(bench.custody.keptBackKeys.counts(), {});
  });
});

test("an orderly stop leaves no key in doubt that was never taken up", async (t) => {
  await withBench({ kms: ["a"], fresh: true }, async (bench) => {
    const { module } = bench;
    module.add(0);
    const km = await serve(bench, "a");
    km.answerAll();
    await durable(bench);
    await bench.custody.stop();
    await durable(bench);
    await bench.restart({ kms: ["b"] });
    module.add(1);
    const other = await serve(bench, "b");
    t.is(other.outstanding.length, 1, "the stretch was claimed, the block is new");
    other.answerAll();
    await durable(bench);
    await bench.custody.stop();
    await durable(bench);
    await bench.restart({ kms: ["a", "b"] });
    module.add(2);
    t.is(ids(await serve(bench, "a")).length, 1);
  });
});

test("a KM that comes back while its keys are freed is given none of them until that is on disk", async (t) => {
  await withBench({ kms: ["a", "b"], fresh: true }, async (bench) => {
    bench.module.add(0);
    const written = ids(await serve(bench, "a"));
    bench.custody.kmDown("a");
    t.true(bench.custody.kms.free("a"));
    const back = new Km(bench.custody);
    bench.custody.kmUp(back, "a");
    t.deepEqual(ids(back), [], "its record is gone, the next is not made yet");
    await durable(bench);
    await durable(bench);
    t.deepEqual(ids(back), written);
    // Killed here: whose the key is now is on disk.
    await kill(bench, {});
    t.deepEqual(ids(await serve(bench, "b")), []);
  });
});

test("a sole KM that was freed and answers nobody has a claim again once a key is written to it", async (t) => {
  await withBench({ kms: ["a"], fresh: true }, async (bench) => {
    bench.module.add(0);
    const written = ids(await serve(bench, "a"));
    bench.custody.kmDown("a");
    t.true(bench.custody.kms.free("a"));
    await durable(bench);
    const again = new Km(bench.custody);
    bench.custody.kmUp(again, "a");
    await durable(bench);
    t.deepEqual(ids(again), written);
    await kill(bench, { kms: ["b"] });
    t.deepEqual(ids(await serve(bench, "b")), [], "it may be with a");
  });
});

test("freed before it is written to again, a key goes to the next KM", async (t) => {
  await withBench({ kms: ["a"], fresh: true }, async (bench) => {
    bench.module.add(0);
    const written = ids(await serve(bench, "a"));
    bench.custody.kmDown("a");
    t.true(bench.custody.kms.free("a"));
    await durable(bench);
    await kill(bench, { kms: ["b"] });
    t.deepEqual(ids(await serve(bench, "b")), written);
  });
});

test("a KM under a known name with another certificate or address is another KM, until somebody says", async (t) => {
  const first = recognise(undefined, "main", "km.example");
  t.is(first.slot, claimantOfKm("main"), "as ledgers of before have it");
  t.is(recognise(first, "main", "km.example"), first);
  const moved = recognise(first, "main", "km.example at 10.0.0.2");
  t.not(moved.slot, first.slot);
  t.is(nameOfClaimant({ main: moved }, first.slot), "main (as km.example)");
  t.is(recognise(moved, "main", "km.example").slot, first.slot, "and back");
  t.deepEqual(accept(moved).same, [first.slot]);

  await withBench(
    { kms: [{ name: "main", claimants: [first.slot] }], fresh: true },
    async (bench) => {
      bench.module.add(0);
      const written = ids(await serve(bench, "main"));
      await kill(bench, { kms: [{ name: "main", claimants: [moved.slot] }] });
      bench.module.add(300);
      const km = await serve(bench, "main");
      t.is(ids(km).length, 1, "what is new goes on");
      t.false(ids(km).includes(written[0] as string));
      bench.custody.kms.accept({ name: "main", claimants: [moved.slot, first.slot] });
      bench.module.offer();
      await durable(bench);
      t.true(ids(km).includes(written[0] as string), "the same KM, an operator says");
    },
  );
});

test("keys that wait for a KM that is not remembered are freed by the name that they are listed with", async (t) => {
  const lost = { name: "main", claimants: [claimantOfKm("main, once")] } as const;
  await withBench({ kms: [lost], fresh: true }, async (bench) => {
    bench.module.add(0);
    const written = ids(await serve(bench, "main"));
    await kill(bench, { kms: ["other"] });
    const km = await serve(bench, "other");
    t.deepEqual(ids(km), []);
    const operator = new Operator({
      custody: bench.custody,
      ledger: bench.ledger,
      configured: undefined,
      onAccepted: () => {},
    });
    const [listed] = bench.custody.keptBackKeys.list(9);
    t.is(listed?.why, "other_km");
    operator.freeKm(listed?.reason as string, { now: [], former: [] });
    await durable(bench);
    bench.module.offer();
    for (let i = 0; i < 3; i++) await durable(bench);
    t.deepEqual(ids(km), written);
  });
});

test("of a module that was zeroized no key is listed any more that waited for another KM", async (t) => {
  for (const isDestroyed of [true, false]) {
    await withBench({ kms: ["a"], fresh: true }, async (bench) => {
      bench.module.add(0);
      await serve(bench, "a");
      await kill(bench, { kms: ["b"] });
      await serve(bench, "b");
      t.deepEqual(bench.custody.keptBackKeys.counts(), { other_km: 1 });
      if (isDestroyed) bench.module.blocks.clear();
      bench.custody.forget();
      bench.module.offer();
      await durable(bench);
      t.deepEqual(bench.custody.keptBackKeys.counts(), isDestroyed ? {} : { other_km: 1 });
    });
  }
});
