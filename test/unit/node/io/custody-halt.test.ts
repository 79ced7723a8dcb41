import test from "ava";
import { ms } from "../../../../src/base/duration.ts";
import { silentLog } from "../../../../src/base/log.ts";
import { Kq1Session } from "../../../../src/node/io/session.ts";
import type { OnRequestKeys } from "../../../../src/node/keys/ports.ts";
import { QkdKey } from "../../../../src/port/key.ts";
import { claimantOf } from "../../../../src/wire/kq1/request.ts";
import { ManualClock, settle } from "../../../clock.ts";
import { durable, Km, withBench } from "../../../rig/custody-bench.ts";
import { createLine } from "../../../rig/duplex.ts";

test("while it is halted no key is supplied; what was written is answered for, the rest goes on later", async (t) => {
  await withBench({}, async (bench) => {
    const { module, custody } = bench;
    module.connect(custody);
    const km = new Km(custody, 2);
    custody.kmUp(km);
    for (let n = 0; n < 5; n++) module.add(n);
    module.offer();
    t.is(km.asked.length, 2);
    bench.halted = true;
    custody.halt();
    km.answer();
    km.answer("busy");
    t.is(km.asked.length, 2, "neither room nor a new turn makes a key leave");
    custody.kmDown();
    custody.kmUp(km);
    await bench.clock.advance(60_000);
    custody.resume();
    t.is(km.asked.length, 2);
    await durable(bench);
    t.is(module.released.length, 1, "the KM had one, and the module was told so");
    bench.halted = false;
    custody.resume();
    km.answerAll();
    km.answerAll();
    await durable(bench);
    t.is(module.released.length, 5);
    t.is(km.has.size, 5);
    t.is(custody.counters().supplied, 5);
  });
});

test("while it is halted a KM that asks is told to wait; a repeat then gets the same keys", async (t) => {
  await withBench({ onRequest: true, keyBits: 256 }, async (bench) => {
    const { module, custody } = bench;
    module.connect(custody);
    for (let n = 0; n < 4; n++) module.add(n);
    module.offer();
    const ask = (token: number) => {
      const claimant = claimantOf("km", "QKD-A", String(token));
      const asked = {
        claimant,
        token: `a token of the KM, ${token}`,
        number: 1,
        size: 256,
        most: 10,
      };
      return (custody.desk as OnRequestKeys).request(asked);
    };
    const first = await ask(1);
    t.is(first.response, "success");
    // Halted while the answer waits for the disk.
    const second = ask(2);
    bench.halted = true;
    t.like(await second, { response: "busy", keys: [] });
    t.like(await ask(1), { response: "busy", keys: [] });
    t.like(await ask(3), { response: "busy", keys: [] });
    bench.halted = false;
    t.deepEqual(
      (await ask(1)).keys.map(({ id }) => id),
      first.keys.map(({ id }) => id),
    );
    t.is((await ask(2)).response, "success");
    const all = await Promise.all([1, 2, 3].map(ask));
    t.is(new Set(all.flatMap(({ keys }) => keys.map(({ id }) => id))).size, 3);
  });
});

test("halted while an answer without a token waits for the disk, its keys are free again", async (t) => {
  await withBench({ onRequest: true, keyBits: 256 }, async (bench) => {
    const { module, custody } = bench;
    module.connect(custody);
    module.add(0);
    module.offer();
    const claimant = claimantOf("km", "QKD-A", "1");
    const ask = () =>
      (custody.desk as OnRequestKeys).request({ claimant, number: 1, size: 256, most: 10 });
    const pending = ask();
    bench.halted = true;
    t.like(await pending, { response: "busy", keys: [] });
    t.like(custody.counters(), { supplied: 0, confirmed: 0, quarantined: 0 });
    bench.halted = false;
    t.is((await ask()).keys.length, 1);
  });
});

test("what is forgotten is wiped, answered for or not, and the module offers it again", async (t) => {
  await withBench({ keyBits: 128 }, async (bench) => {
    const { module, custody } = bench;
    module.connect(custody);
    const km = new Km(custody, 3);
    const supplied: QkdKey[] = [];
    km.onSupply = (key) => supplied.push(key);
    custody.kmUp(km);
    for (let n = 0; n < 4; n++) module.add(n);
    module.offer();
    t.is(supplied.length, 3);
    custody.forget();
    t.true(supplied.every((key) => key.wiped));
    t.is(custody.counters().held_blocks, 0);
    // An answer that comes now finds nothing, and proves nothing about a key that is gone.
    km.answerAll();
    await durable(bench);
    t.is(module.released.length, 0);
    t.deepEqual(module.granted, { blocks: 0, bytes: 0 });
    module.disconnect();
    module.connect(custody);
    module.offer();
    for (let i = 0; i < 4; i++) km.answerAll();
    await durable(bench);
    t.is(module.released.length, 4);
    t.is(km.has.size, 8);
  });
});

test("forgotten keys upon request are given to nobody, not even to who was just asking", async (t) => {
  await withBench({ onRequest: true, keyBits: 256 }, async (bench) => {
    const { module, custody } = bench;
    module.connect(custody);
    module.add(0, 512);
    module.offer();
    const desk = custody.desk as OnRequestKeys;
    const asked = { number: 1, size: 256, most: 10 };
    const pending = desk.request({ ...asked, claimant: claimantOf("km", "A", "1") });
    custody.forget();
    t.like(await pending, { response: "busy", keys: [] });
    t.is(desk.stored, 0);
    t.is(
      (await desk.request({ ...asked, claimant: claimantOf("km", "A", "2") })).response,
      "no_keys_available",
    );
  });
});

function key(n: number, bits: number): QkdKey {
  const id = `00000000-0000-8000-8000-${n.toString(16).padStart(12, "0")}`;
  const facts = { ref: { epoch: "0".repeat(16), number: n }, bits };
  return new QkdKey(id, facts, Buffer.alloc(bits / 8, n + 1), bits);
}

function session() {
  const line = createLine();
  const kq1 = new Kq1Session(
    line.node,
    {
      where: "km",
      moduleId: "QKD-A",
      matchingModuleId: "QKD-B",
      window: 64,
      answerTimeout: ms(5_000),
      clock: new ManualClock(),
      log: silentLog,
    },
    { answered: () => {} },
  );
  return { kq1, km: line.km };
}

test("a connection with keys still to write is cut; one that has written all goes on", async (t) => {
  const slow = session();
  // Nobody reads: most of this stays behind.
  for (let n = 0; n < 20; n++) slow.kq1.supply(key(n, 262_144));
  await settle();
  slow.kq1.halt();
  const fault = await slow.kq1.ended;
  t.is(fault?.message, "keys may not leave");
  let read = 0;
  slow.km.on("data", (chunk: Buffer) => {
    read += chunk.length;
  });
  await new Promise((resolve) => slow.km.once("close", resolve));
  t.true(read < 10 * 43_000, `${read} bytes`);

  const quick = session();
  let got = 0;
  quick.km.on("data", (chunk: Buffer) => {
    got += chunk.length;
  });
  quick.kq1.supply(key(1, 256));
  for (let i = 0; i < 5; i++) await settle();
  t.true(got > 0);
  quick.kq1.halt();
  let over = false;
  void quick.kq1.ended.then(() => {
    over = true;
  });
  await settle();
  t.false(over);
  await quick.kq1.close();
});

test("what is forgotten does not leave later over a connection that was slow", async (t) => {
  await withBench({ maxHeldBytes: 1_048_576 }, async (bench) => {
    const { module, custody } = bench;
    const { node, km } = createLine();
    const session = new Kq1Session(
      node,
      {
        where: "km:1",
        moduleId: "QKD-A",
        matchingModuleId: "QKD-B",
        window: 8,
        answerTimeout: ms(60_000),
        clock: new ManualClock(),
        log: silentLog,
      },
      custody,
    );
    module.connect(custody);
    custody.kmUp(session);
    for (let n = 0; n < 8; n++) module.add(n, 262_144);
    module.offer();
    await durable(bench);
    t.is(custody.counters().in_flight, 8);
    let received = 0;
    km.on("data", (bytes: Buffer) => {
      received += bytes.length;
    });
    km.pause();
    custody.forget();
    km.resume();
    t.like(await session.ended, { code: "kq1.closed" });
    await settle();
    t.true(received < 8 * 43_000, `${received} bytes left`);
    t.is(custody.counters().in_flight, 0);
  });
});
