import { mkdirSync, readFileSync, unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { fileName, parseHeader, writeHeader } from "../../../../drivers/qcrypto/file.ts";
import {
  type Notification,
  NotificationReader,
  parseNotification,
} from "../../../../drivers/qcrypto/notification.ts";
import { Stock, Told } from "../../../../drivers/qcrypto/stock.ts";
import { Fault } from "../../../../src/base/errors.ts";
import { type BlockFacts, blockName } from "../../../../src/port/key.ts";
import type { TelemetrySample } from "../../../../src/port/telemetry.ts";
import { rounds } from "../../../campaign-scale.ts";
import type { StackBlock } from "../../../emulator/qcrypto.ts";
import { replaySource } from "../../../emulator/source/replay.ts";
import { eventually } from "../../../eventually.ts";
import { random } from "../../../random.ts";
import { block, withStack } from "../../../rig/qcrypto-bench.ts";

const recordings = new URL("../../../fixtures/qcrypto/", import.meta.url).pathname;

for (const name of ["qber-1.5pct", "qber-3pct", "qber-7.5pct", "qber-12.5pct-no-key"]) {
  test.serial(
    `what a real stack wrote (${name}) is the same at both ends, bit for bit`,
    async (t) => {
      const ends: { names: string[]; facts: BlockFacts[]; keys: Buffer[] }[] = [];
      for (const end of ["alice", "bob"]) {
        await withStack(async (bench) => {
          await bench.connect();
          const notify = readFileSync(join(recordings, name, end, "notify"), "latin1");
          const lines = notify.split("\n").filter((line) => line !== "");
          for (const line of lines) {
            const file = readFileSync(join(recordings, name, end, "final", line.slice(0, 8)));
            writeFileSync(join(bench.stack.folder, line.slice(0, 8)), file);
            bench.stack.say(`${line}\n`);
          }
          await eventually("blocks", () => bench.blocks.length, { is: lines.length });
          ends.push({
            names: bench.blocks.map((one) => blockName(one.ref)),
            facts: bench.blocks.map((one) => one.facts),
            keys: bench.blocks.map((one) => Buffer.from(one.expose())),
          });
        });
      }
      const [alice, bob] = ends;
      t.deepEqual(alice?.names, bob?.names);
      t.deepEqual(alice?.facts, bob?.facts);
      t.true(alice?.keys.every((key, i) => key.equals(bob?.keys[i] as Buffer)));
      // The emulator replays the same recording over QMLP: references and bytes agree.
      const source = replaySource([join(recordings, name)]);
      for (let i = 0; i < (source.total ?? 0); i++) {
        const one = source.next();
        t.deepEqual(one?.facts.ref, alice?.facts[i]?.ref);
        t.like(alice?.facts[i], { bits: one?.facts.bits, qber: one?.facts.qber });
        t.true(one?.alice.equals(alice?.keys[i] as Buffer));
      }
    },
  );
}

test.serial("a file is read once it is complete, however it grows", async (t) => {
  await withStack(async (bench) => {
    await bench.connect();
    const one = block(1, 12_345);
    for (const length of [0, 3, 16, 17, 700]) {
      bench.stack.writeFile(one, length);
      bench.stack.announce(one);
      // The stack tells of another, and that one comes through only once the first does.
      t.is(bench.blocks.length, 0);
    }
    bench.stack.writeFile(one);
    bench.stack.announce(one);
    await eventually("blocks", () => bench.blocks.length, { is: 1 });
    t.true(one.bytes.equals(bench.blocks[0]?.expose() as Uint8Array));
    t.deepEqual(bench.damaged, []);
  });
});

test.serial(
  "told twice, with NUL bytes, in pieces or of files that are gone, each block comes once",
  async (t) => {
    await withStack(async (bench) => {
      await bench.connect();
      const made = [1, 2, 3].map((number) => block(number, 1_000 + number));
      bench.stack.distil(made[0] as StackBlock);
      bench.stack.announce(made[0] as StackBlock);
      bench.stack.announce(block(9, 100));
      bench.stack.say("\0\0\0");
      bench.stack.distil(made[1] as StackBlock);
      const gone = block(4, 500);
      bench.stack.writeFile(gone);
      unlinkSync(join(bench.stack.folder, fileName(gone.epoch)));
      bench.stack.announce(gone);
      await eventually("blocks", () => bench.blocks.length, { is: 2 });
      bench.session?.release(bench.blocks.map(({ ref }) => ref));
      await eventually("answers to releases", () => bench.released.length, { is: 2 });
      bench.stack.restart();
      t.like(await bench.session?.ended, { code: "link.closed" });
      await bench.connect();
      bench.stack.distil(made[2] as StackBlock);
      bench.stack.announce(made[0] as StackBlock);
      await eventually("blocks", () => bench.blocks.length, { is: 3 });
      t.deepEqual(
        bench.blocks.map(({ ref }) => ref.number),
        made.map(({ epoch }) => epoch),
      );
    }, 1);
  },
);

test.serial("every verbosity is understood as far as it goes", async (t) => {
  const known = [
    [0, { qber: undefined, siftedBits: undefined }],
    [1, { qber: undefined, siftedBits: undefined }],
    [2, { qber: 0.03, siftedBits: 300 }],
    [4, { qber: 0.03, siftedBits: 300 }],
  ] as const;
  for (const [verbosity, facts] of known) {
    await withStack(async (bench) => {
      bench.stack.verbosity = verbosity;
      await bench.connect();
      bench.stack.distil(block(1, 100));
      await eventually("blocks", () => bench.blocks.length, { is: 1 });
      t.like(bench.blocks[0]?.facts, { bits: 100, ...facts });
    });
  }
});

test.serial("a node that starts again knows the QBER of what is still there", async (t) => {
  await withStack(async (bench) => {
    const session = await bench.connect();
    bench.stack.distil(block(1, 100, { qber: 0.0416 }));
    await eventually("blocks", () => bench.blocks.length, { is: 1 });
    await session.close();
    await bench.connect(bench.newDriver());
    await eventually("blocks", () => bench.blocks.length, { is: 2 });
    t.is(bench.blocks[1]?.facts.qber, 0.0416);
  });
});

test.serial("a block that is never announced comes after a while, without a QBER", async (t) => {
  await withStack(async (bench) => {
    bench.stack.writeFile(block(1, 100));
    await bench.connect();
    await eventually("blocks", () => bench.blocks.length, { is: 1 });
    t.is(bench.blocks[0]?.facts.qber, undefined);
  }, 0.05);
});

test.serial("what is no key is left where it is, and said so once", async (t) => {
  await withStack(async (bench) => {
    const bad = block(1, 100);
    writeFileSync(join(bench.stack.folder, fileName(bad.epoch)), Buffer.alloc(50, 9));
    const dirty = block(2, 4, { bytes: Buffer.from([0xff]) });
    bench.stack.distil(dirty);
    bench.stack.announce(bad);
    await bench.connect();
    bench.stack.distil(block(3, 64));
    await eventually("blocks", () => bench.blocks.length, { is: 1 });
    t.deepEqual(
      bench.damaged.map(({ facts, why }) => [facts.ref.number, why]),
      [
        [bad.epoch, "it is not a final-key file"],
        [dirty.epoch, "bits after the end of the key are not zero"],
      ],
    );
    t.deepEqual(bench.stack.epochs().length, 3);
  });
});

test.serial("QBER and rates become telemetry", async (t) => {
  await withStack(async (bench) => {
    const session = await bench.connect();
    await session.command({ name: "telemetry_interval", ms: 20 });
    bench.stack.distil(block(1, 8_000));
    bench.stack.distil(block(2, 16_000, { qber: 0.05 }));
    const full = ({ values }: TelemetrySample) =>
      values.secret_key_rate !== undefined &&
      values.qber === 0.05 &&
      values.key_buffer_bits === 24_000;
    await eventually("a full sample", () => bench.samples.some(full));
    const { values } = bench.samples.findLast(full) as TelemetrySample;
    // Five epochs of 2^29 ns.
    const seconds = 5 * 0.536870912;
    t.true(Math.abs((values.secret_key_rate as number) - 16_000 / seconds) < 1e-6);
    t.true(Math.abs((values.sifted_rate as number) - 48_000 / seconds) < 1e-6);
  });
});

test.serial("without folder or pipe there is a fault that names it", async (t) => {
  await withStack(async (bench) => {
    unlinkSync(bench.stack.pipe);
    mkdirSync(bench.stack.pipe);
    const notFifo = await t.throwsAsync(bench.connect(), { instanceOf: Fault });
    t.like(notFifo, { code: "link.open", facts: { source: bench.stack.pipe } });
    bench.stack.hide();
    const missing = await t.throwsAsync(bench.connect(), { message: /no final-key folder/ });
    t.like(missing, { code: "link.open", facts: { source: bench.stack.folder } });
    bench.stack.show();
  });
});

test.serial(
  "tens of thousands of files are looked through without holding up the node",
  async (t) => {
    await withStack(async (bench) => {
      const empty = (epoch: number) => writeHeader({ epoch, epochs: 5, bits: 0 });
      const count = rounds(50_000);
      for (let i = 0; i < count; i++) {
        writeFileSync(join(bench.stack.folder, fileName(1_000 + i)), empty(1_000 + i));
      }
      let turns = 0;
      const ticking = setInterval(() => turns++, 1);
      const session = await bench.connect();
      // The oldest first, and each that is released makes room for another.
      let at = 0;
      await eventually("900 blocks", () => {
        const fresh = bench.blocks.slice(at);
        at = bench.blocks.length;
        if (fresh.length > 0) session.release(fresh.map(({ ref }) => ref));
        return at >= 900;
      });
      clearInterval(ticking);
      t.deepEqual(
        bench.blocks.slice(0, 900).map(({ ref }) => ref.number),
        Array.from({ length: 900 }, (_, i) => 1_000 + i),
      );
      t.true(turns > 20, `${turns} turns of the event loop`);
    }, 0);
  },
);

test("a reader of the pipe holds no more than a line, and takes no garbage for a block", (t) => {
  const draw = random(7);
  const seen: Notification[] = [];
  const reader = new NotificationReader((one) => seen.push(one));
  for (let i = 0; i < rounds(333_333); i++) {
    const length = Math.floor(draw() * 40);
    const hexish = draw() < 0.5;
    const byte = () => (hexish ? "0123456789abcdef .\n\0".charCodeAt(draw() * 20) : draw() * 256);
    reader.push(Buffer.from(Array.from({ length }, byte)));
  }
  t.true(seen.every(({ epoch }) => epoch >= 0 && epoch < 2 ** 32));
  t.true(reader.odd > 1_000);
  reader.push(Buffer.from(`\n\0\0b8b5c000 80000 12345 0.0316 5\n`));
  t.deepEqual(seen.at(-1), {
    epoch: 0xb8b5c000,
    siftedBits: 80_000,
    finalBits: 12_345,
    qber: 0.0316,
  });
});

test("lines that are none of the stack's are not read", (t) => {
  for (const line of [
    "",
    "b8b5c00",
    "B8B5C000",
    "b8b5c000 x",
    "b8b5c000 1 2 0.1 3 4",
    "b8b5c000  1",
  ]) {
    t.is(parseNotification(line), undefined, line);
  }
  t.deepEqual(parseNotification("b8b5c000 1 2 7 3"), {
    epoch: 0xb8b5c000,
    siftedBits: 1,
    finalBits: 2,
  });
});

test("hostile headers are refused or read, never thrown at", (t) => {
  const draw = random(8);
  for (let i = 0; i < rounds(333_333); i++) {
    const bytes = Buffer.from(Array.from({ length: draw() * 20 }, () => draw() * 256));
    if (draw() < 0.5 && bytes.length >= 4) bytes.writeUInt32LE(draw() < 0.5 ? 7 : 0x107);
    const header = parseHeader(bytes);
    if (header !== undefined) t.true(bytes.length >= 16);
  }
  t.pass();
});

test("what is known of blocks is bounded, however many there are", (t) => {
  const told = new Told();
  const stock = new Stock({ notificationWait: 0, incompleteWait: 0 }, told);
  for (let epoch = 0; epoch < 100_000; epoch++) told.add({ epoch });
  stock.scanned(
    Array.from({ length: 100_000 }, (_, i) => 99_999 - i),
    0,
  );
  t.is(stock.size, 4_096);
  t.is(stock.next(1)?.epoch, 0);
  t.truthy(told.get(0), "the oldest are offered first");
  t.is(told.get(99_999), undefined);
  t.true(told.spilled);
});

test("what was told of a block is kept while its disk is away, and forgotten with the block", (t) => {
  const told = new Told();
  const stock = new Stock({ notificationWait: 1_000, incompleteWait: 0 }, told);
  told.add({ epoch: 7, qber: 0.03 });
  stock.scanned([7], 0);
  stock.missed(7);
  t.is(stock.size, 0);
  stock.scanned([7], 10);
  t.is(stock.next(10)?.epoch, 7, "nobody has to wait to be told again");
  t.is(told.get(7)?.qber, 0.03);
  stock.removed(7);
  t.is(told.get(7), undefined);
});
