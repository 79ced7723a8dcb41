import test from "ava";
import { ReleasedBlocks } from "../../../../src/node/ledger/released-blocks.ts";
import { random } from "../../../random.ts";
import { durable, Km, withBench } from "../../../rig/custody-bench.ts";

const ref = (number: number, epoch = "00112233aabbccdd") => ({ epoch, number });

test("numbers that adjoin are one range, whatever the order", (t) => {
  for (let seed = 1; seed <= 20; seed++) {
    const draw = random(seed);
    const past = new ReleasedBlocks();
    const known = new Set<number>();
    for (let i = 0; i < 200; i++) {
      const number = Math.floor(draw() * 150);
      past.add(ref(number));
      known.add(number);
    }
    let ranges = 0;
    for (let number = 0; number < 151; number++) {
      t.is(past.has(ref(number)), known.has(number));
      if (known.has(number) && !known.has(number + 1)) ranges++;
    }
    t.is(past.size, ranges);
    t.is([...past.entries()].length, ranges);
    const again = new ReleasedBlocks();
    for (const entry of past.entries()) {
      if (entry.kind === "past") again.add(entry.ref, entry.from);
    }
    t.deepEqual([...again.entries()], [...past.entries()]);
  }
});

test("what has many gaps is bounded: of the lowest it stays known that they are not known", (t) => {
  const past = new ReleasedBlocks(10);
  for (let i = 0; i < 5; i++) past.add(ref(2 * i, "00000000000000aa"));
  for (let i = 0; i < 8; i++) past.add(ref(2 * i));
  t.is(past.size, 11);
  t.is(past.has(ref(4, "00000000000000aa")), "unknown");
  t.true(past.has(ref(6, "00000000000000aa")));
  t.true(past.has(ref(0)));
  for (let i = 8; i < 100; i++) past.add(ref(2 * i));
  t.is(past.size, 12, "and one number for each epoch");
  t.is(past.has(ref(8, "00000000000000aa")), "unknown");
  t.is(past.has(ref(1)), "unknown");
  t.true(past.has(ref(198)));
  t.false(past.has(ref(199)));
  const again = new ReleasedBlocks(10);
  for (const entry of past.entries()) {
    if (entry.kind === "past") again.add(entry.ref, entry.from);
    if (entry.kind === "forgotten") again.forget(entry.ref);
  }
  t.deepEqual([...again.entries()], [...past.entries()]);
});

test("a block that the module replays is not supplied again, also after restarts and compaction", async (t) => {
  await withBench({}, async (bench) => {
    const { module } = bench;
    const serve = async () => {
      const km = new Km(bench.custody);
      module.connect(bench.custody);
      bench.custody.kmUp(km);
      module.offer();
      await durable(bench);
      km.answerAll();
      await durable(bench);
      return km.asked.length;
    };
    for (let number = 0; number < 20; number++) module.add(number);
    t.is(await serve(), 20);
    t.is(module.blocks.size, 0);
    for (let restart = 0; restart < 2; restart++) {
      await bench.restart();
      for (let number = 5; number < 10; number++) module.add(number);
      module.add(100 + restart);
      t.is(await serve(), 1, "only what is new");
      t.is(module.blocks.size, 5, "the module keeps them: they may have other content");
    }
    const replays = bench.events.filter(({ type }) => type === "block_replayed");
    t.is(replays.length, 5, "told once");
    t.deepEqual(bench.custody.keptBackKeys.counts(), { "withheld.replayed": 5 });
    t.is(bench.custody.keptBackKeys.decideAll("discard", { reason: "replayed" }), 5);
    await durable(bench);
    t.is(module.blocks.size, 0, "until an operator gives them up");
    t.is(module.discarded.length, 5);
  });
});
