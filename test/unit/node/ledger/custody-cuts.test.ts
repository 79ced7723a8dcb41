import { randomBytes } from "node:crypto";
import test, { type ExecutionContext } from "ava";
import type { KeyFormat, OnRequestKeys } from "../../../../src/node/keys/ports.ts";
import {
  KeyFormatHistory,
  lastOfStretch,
  stretch,
} from "../../../../src/node/ledger/key-formats.ts";
import { claimantOf } from "../../../../src/wire/kq1/request.ts";
import { rounds } from "../../../campaign-scale.ts";
import { random } from "../../../random.ts";
import { type Bench, durable, epoch, Km, withBench } from "../../../rig/custody-bench.ts";

function connect(bench: Bench, name?: string): Km {
  const km = new Km(bench.custody);
  if (name === undefined) bench.custody.kmUp(km);
  else bench.custody.kmUp(km, name);
  return km;
}

/** The module offers its blocks again, and what follows from that has happened. */
async function offer(bench: Bench): Promise<void> {
  bench.module.connect(bench.custody);
  bench.module.offer();
  await durable(bench);
  await durable(bench);
}

test("a stretch of blocks is cut alike, and remembered by the fewest ranges", (t) => {
  const cuts = new KeyFormatHistory();
  const one: KeyFormat = { keyBits: 256, onRequest: false };
  const other: KeyFormat = { keyBits: undefined, onRequest: true };
  t.deepEqual(lastOfStretch({ epoch, number: 300 }), { epoch, number: 2 * stretch - 1 });
  for (const number of [0, 300, 700]) cuts.add(lastOfStretch({ epoch, number }), one);
  t.is(cuts.size, 1);
  t.is(cuts.of({ epoch, number: 768 }), undefined);
  cuts.add(lastOfStretch({ epoch, number: 768 }), other);
  cuts.add(lastOfStretch({ epoch, number: 5 }), other);
  t.deepEqual(cuts.of({ epoch, number: 767 }), one);
  t.deepEqual(cuts.of({ epoch, number: 768 }), other);
  t.is(cuts.of({ epoch: "0".repeat(16), number: 0 }), undefined);
  t.true(cuts.anyOnRequest);
  t.is(cuts.add({ epoch, number: 1_100 }, other), 1_024, "the first block that it is for");
  t.is(cuts.add({ epoch, number: 1_100 }, one), undefined, "it never changes");
});

test("no key leaves before it is on disk how its block is cut", async (t) => {
  await withBench({ fresh: true, keyBits: 256 }, async (bench) => {
    const km = connect(bench);
    for (let i = 0; i < 3; i++) bench.module.add(i, 512);
    bench.module.connect(bench.custody);
    bench.module.offer();
    t.deepEqual(km.asked, []);
    t.is(bench.custody.counters().held_blocks, 3);
    await durable(bench);
    t.is(km.asked.length, 6);
    t.like(bench.ledger.keyFormatOf({ epoch, number: 255 }), { keyBits: 256, onRequest: false });
    bench.module.add(3, 256);
    bench.module.offer();
    t.is(km.asked.length, 7, "the others of the stretch wait for nothing");
  });
});

test("the next stretch is on disk before a block of it comes, and nobody waits for it", async (t) => {
  await withBench({ fresh: true, keyBits: 256 }, async (bench) => {
    const km = connect(bench);
    bench.module.add(0, 256);
    await offer(bench);
    t.is(km.asked.length, 1);
    const next = { epoch, number: stretch };
    bench.module.add(stretch - 17, 256);
    bench.module.offer();
    t.is(bench.ledger.keyFormatOf(next), undefined);
    for (const number of [stretch - 16, stretch - 15]) bench.module.add(number, 256);
    bench.module.offer();
    t.is(km.asked.length, 4, "not even those that had it recorded");
    t.not(bench.ledger.keyFormatOf(next), undefined);
    bench.module.add(stretch, 256);
    bench.module.add(stretch - 14, 256);
    bench.module.offer();
    t.is(km.asked.length, 4, "too soon: it waits, and so does who comes behind it");
    await durable(bench);
    t.is(km.asked.length, 6);
    bench.module.add(stretch + 1, 256);
    bench.module.offer();
    t.is(km.asked.length, 7);
  });
});

test("a block that was begun keeps its cut when key_bits is changed", async (t) => {
  await withBench({ fresh: true, keyBits: 256 }, async (bench) => {
    bench.module.add(0, 768);
    const before = connect(bench);
    await offer(bench);
    before.answer("success", 1);
    await durable(bench);
    await bench.restart({ keyBits: 128 });
    const after = connect(bench);
    bench.module.add(1, 256);
    bench.module.add(stretch, 256);
    await offer(bench);
    const [first, , third] = before.asked;
    t.deepEqual(after.asked.slice(0, 2), [first, third]);
    t.is(after.outstanding[2]?.content.length, 64, "block 1 is of the same stretch");
    t.is(after.asked.length, 2 + 1 + 2, "the next stretch is cut anew");
    after.answerAll();
    await durable(bench);
    t.is(bench.module.blocks.size, 0);
  });
});

test("a unit that was begun upon request keeps its length when key_bits is changed", async (t) => {
  await withBench({ fresh: true, onRequest: true, keyBits: 256 }, async (bench) => {
    const ask = (token: number, size: number) =>
      (bench.custody.desk as OnRequestKeys).request({
        claimant: claimantOf("km", "QKD-A", `tcp ${token}`),
        token: `a token of the KM, ${token}`,
        number: 9,
        size,
        most: 9,
      });
    bench.module.add(0, 768);
    await offer(bench);
    const given = (await ask(1, 64)).keys.map(({ id }) => id);
    t.is(given.length, 9);
    await bench.restart({ keyBits: 192 });
    await offer(bench);
    t.deepEqual(
      (await ask(1, 64)).keys.map(({ id }) => id),
      given,
    );
    const rest = await ask(2, 64);
    t.is(rest.keys.length, 3);
    t.true(rest.keys.every(({ id }) => !given.includes(id)));
    t.is((await ask(3, 192)).response, "no_keys_available");
  });
});

test("keys of the only KM wait for it when another comes before it in the configuration", async (t) => {
  await withBench({ fresh: true, kms: ["first"] }, async (bench) => {
    bench.module.add(0);
    const written = connect(bench, "first");
    await offer(bench);
    await bench.restart({ kms: ["second", "first"] });
    const second = connect(bench, "second");
    bench.module.add(stretch);
    await offer(bench);
    t.is(second.asked.length, 1, "only what no KM was ever offered");
    const first = connect(bench, "first");
    t.deepEqual(first.asked, written.asked);
  });
});

test("an operator's word about a KM outlives the process", async (t) => {
  await withBench({ fresh: true, kms: ["first", "second"] }, async (bench) => {
    for (let i = 0; i < 3; i++) bench.module.add(i);
    connect(bench, "first");
    await offer(bench);
    bench.custody.kmDown("first");
    bench.custody.kms.free("first");
    await durable(bench);
    await bench.restart();
    const second = connect(bench, "second");
    await offer(bench);
    t.is(second.asked.length, 3);
  });
});

/** The configuration changes at each start; a KM takes what it is given, and asks. */
async function story(t: ExecutionContext, seed: number): Promise<void> {
  const draw = random(seed);
  const pick = <T>(values: readonly T[]) => values[Math.floor(draw() * values.length)] as T;
  const change = () => ({ onRequest: draw() < 0.5, keyBits: pick([undefined, 64, 128, 192, 256]) });
  await withBench({ fresh: true, ...change() }, async (bench) => {
    const contents: Buffer[] = [];
    /** What was given: by ID, where it is. */
    const given = new Map<string, { block: number; from: number; to: number }>();
    const take = (id: string, content: Buffer) => {
      const block = contents.findIndex((one) => one.includes(content));
      const from = contents[block]?.indexOf(content) ?? -1;
      const place = { block, from, to: from + content.length };
      t.deepEqual(given.get(id) ?? place, place, `seed ${seed}: one ID, two contents`);
      given.set(id, place);
    };
    let km = connect(bench);
    let token = 0;
    bench.module.connect(bench.custody);
    for (let i = 0; i < 200; i++) {
      const way = draw();
      if (way < 0.3) {
        const content = randomBytes(8 * (1 + Math.floor(draw() * 12)));
        contents.push(content);
        // A stretch is over after every few blocks here.
        bench.module.add((contents.length - 1) * (stretch / 4), content.length * 8, {}, content);
        bench.module.offer();
      } else if (way < 0.4) {
        await bench.restart(change());
        km = connect(bench);
        bench.module.connect(bench.custody);
        bench.module.offer();
      } else if (way < 0.5) {
        await bench.clock.advance(draw() * 60_000);
      } else if (way < 0.7) {
        km.answer(pick(["success", "success", "busy"]));
      } else {
        const claimant = claimantOf("km", "QKD-A", `tcp ${token++}`);
        const asked = { claimant, number: 3, size: pick([64, 128, 192, 256]), most: 3 };
        const reply = await bench.custody.desk?.request(asked);
        for (const key of reply?.keys ?? []) take(key.id, Buffer.from(key.expose()));
      }
      await durable(bench);
      for (const { id, content } of km.outstanding) take(id, Buffer.from(content, "hex"));
    }
    const places = [...given.values()].sort((a, b) => a.block - b.block || a.from - b.from);
    t.true(places.length > 30);
    places.forEach((place, i) => {
      const next = places[i + 1];
      t.true(place.from >= 0);
      if (next?.block === place.block) {
        t.true(next.from >= place.to, `seed ${seed}: bits of block ${place.block} in two keys`);
      }
    });
  });
}

for (let seed = 1; seed <= rounds(27); seed++) {
  test(`however the configuration changes, no bit is in two keys (seed ${seed})`, (t) =>
    story(t, seed));
}
