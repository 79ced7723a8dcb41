import test, { type ExecutionContext } from "ava";
import { random } from "../../../random.ts";
import { type Bench, durable, Km, withBench } from "../../../rig/custody-bench.ts";

const kms = ["first", "second"];
const options = { kms, maxHeldBlocks: 32 };

/** Connects the custody to one of its KMs. */
function connect(bench: Bench, name: string, window = 8): Km {
  const km = new Km(bench.custody, window);
  bench.custody.kmUp(km, name);
  return km;
}

test("keys go to the first KM that can be reached, and to the next while it is away", async (t) => {
  await withBench(options, async (bench) => {
    const { module, custody } = bench;
    for (let i = 0; i < 6; i++) module.add(i);
    module.connect(custody);
    const second = connect(bench, "second");
    module.offer();
    await durable(bench);
    t.is(second.outstanding.length, 6, "the first is away");
    second.answerAll();
    const first = connect(bench, "first");
    for (let i = 6; i < 10; i++) module.add(i);
    module.offer();
    await durable(bench);
    t.deepEqual([first.outstanding.length, second.outstanding.length], [4, 0]);
    first.answerAll();
    await durable(bench);
    t.is(module.released.length, 10);
  });
});

test("a key that was written to a KM waits for it, also across a restart", async (t) => {
  await withBench(options, async (bench) => {
    const { module } = bench;
    for (let i = 0; i < 4; i++) module.add(i);
    module.connect(bench.custody);
    const first = connect(bench, "first");
    module.offer();
    await durable(bench);
    t.is(first.outstanding.length, 4);
    // It may have stored them all: nobody knows.
    bench.custody.kmDown("first");
    const second = connect(bench, "second");
    await durable(bench);
    t.is(second.outstanding.length, 0);
    await bench.restart();
    module.connect(bench.custody);
    module.offer();
    const again = connect(bench, "second");
    module.add(9);
    module.offer();
    await durable(bench);
    t.is(again.outstanding.length, 1, "only what is new");
    const back = connect(bench, "first");
    t.is(back.outstanding.length, 4);
    t.deepEqual(back.asked, first.asked);
  });
});

test("an operator's word lets the keys of a KM that is gone for good go to the next", async (t) => {
  await withBench(options, async (bench) => {
    const { module, custody } = bench;
    for (let i = 0; i < 3; i++) module.add(i);
    module.connect(custody);
    connect(bench, "first");
    module.offer();
    await durable(bench);
    custody.kmDown("first");
    const second = connect(bench, "second");
    t.false(custody.kms.free("second"), "it is connected, and can answer for itself");
    t.true(custody.kms.free("first"));
    // First that word is on disk, then whose the keys are now.
    await durable(bench);
    await durable(bench);
    second.answerAll();
    await durable(bench);
    t.is(module.released.length, 3);
  });
});

test("what one KM refuses is offered to the next, and kept when all refuse", async (t) => {
  await withBench(options, async (bench) => {
    const { module, custody, events } = bench;
    for (let i = 0; i < 3; i++) module.add(i);
    module.connect(custody);
    const first = connect(bench, "first");
    const second = connect(bench, "second");
    module.offer();
    await durable(bench);
    first.answer("unknown_module");
    first.answer("unknown_module");
    first.answer("duplicate_key_ID");
    t.is(second.outstanding.length, 0, "whose the keys are now is on disk before they leave");
    await durable(bench);
    t.is(second.outstanding.length, 2, "two contents under one ID are no matter of which KM");
    second.answer("success");
    second.answer("unauthorized");
    await durable(bench);
    t.is(module.released.length, 1);
    t.deepEqual(
      events.map(({ type, facts }) => [type, facts.reason]),
      [
        ["key_quarantined", "duplicate_key_ID"],
        ["key_quarantined", "unauthorized"],
      ],
    );
  });
});

test("a KM that asks to wait keeps what it was given; what is new goes on to the next", async (t) => {
  await withBench(options, async (bench) => {
    const { module, custody, clock } = bench;
    module.add(0);
    module.connect(custody);
    const first = connect(bench, "first");
    const second = connect(bench, "second");
    module.offer();
    await durable(bench);
    first.answer("busy");
    module.add(1);
    module.offer();
    await durable(bench);
    t.deepEqual([first.outstanding.length, second.outstanding.length], [0, 1]);
    await clock.advance(1_000);
    t.is(first.outstanding.length, 1);
  });
});

/** Two KMs that come, go, store and forget to answer; no key may reach both. */
async function story(t: ExecutionContext, seed: number): Promise<void> {
  const draw = random(seed);
  const stored = new Map<string, string>();
  await withBench({ ...options, keyBits: 128 }, async (bench) => {
    const links = new Map<string, Km>();
    const take = (name: string, answers: boolean) => {
      const key = links.get(name)?.outstanding[0];
      if (key === undefined) return;
      t.is(stored.get(key.content) ?? name, name, `seed ${seed}: one key at two KMs`);
      stored.set(key.content, name);
      if (answers) links.get(name)?.answer("success");
    };
    let next = 0;
    bench.module.connect(bench.custody);
    for (let i = 0; i < 300; i++) {
      const name = draw() < 0.5 ? "first" : "second";
      const way = draw();
      if (way < 0.2) {
        const content = Buffer.from(Array.from({ length: 32 }, () => draw() * 256));
        bench.module.add(next++, 256, {}, content);
        bench.module.offer();
      } else if (way < 0.6) {
        take(name, true);
      } else if (way < 0.7) {
        take(name, false);
        if (links.delete(name)) bench.custody.kmDown(name);
      } else if (way < 0.72) {
        await bench.restart();
        links.clear();
        bench.module.connect(bench.custody);
        bench.module.offer();
      } else if (!links.has(name)) {
        links.set(name, connect(bench, name, 3));
      }
      if (draw() < 0.5) await durable(bench);
    }
    for (const name of kms) if (!links.has(name)) links.set(name, connect(bench, name, 3));
    for (let i = 0; i < 1_000 && bench.module.blocks.size > 0; i++) {
      bench.module.offer();
      for (const name of kms) take(name, true);
      await durable(bench);
    }
    t.is(bench.module.released.length, next);
    t.is(stored.size, 2 * next);
  });
}

for (let seed = 1; seed <= 6; seed++) {
  test(`whichever KM comes and goes, each key is at one of them (seed ${seed})`, (t) =>
    story(t, seed));
}

test("nothing could be supplied unless a key waits, a KM is there, and its window has room", async (t) => {
  await withBench({}, async ({ module, custody }) => {
    t.false(custody.couldSupply, "nothing at all");
    const km = new Km(custody, 1);
    custody.kmUp(km);
    t.false(custody.couldSupply, "no key waits");
    custody.kmDown();
    module.connect(custody);
    module.add(1);
    module.add(2);
    module.offer();
    t.false(custody.couldSupply, "no KM is there");
    custody.kmUp(km);
    t.is(km.outstanding.length, 1);
    t.false(custody.couldSupply, "the window is full");
    km.answer("busy");
    t.false(custody.couldSupply, "the KM asked to wait");
  });
});
