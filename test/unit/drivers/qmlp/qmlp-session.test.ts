import test from "ava";
import { type } from "../../../../drivers/qmlp/frame.ts";
import { Fault } from "../../../../src/base/errors.ts";
import type { BlockRef } from "../../../../src/port/key.ts";
import { ManualClock } from "../../../clock.ts";
import { eventually } from "../../../eventually.ts";
import {
  content,
  identity,
  type QmlpBench,
  readFrames,
  ref,
  withModule,
  writeFrame,
} from "../../../rig/qmlp-bench.ts";

const numbers = (refs: readonly { readonly ref: BlockRef }[]) => refs.map((one) => one.ref.number);

/** Whether every block holds what was distilled. */
function intact({ blocks, module }: QmlpBench): boolean {
  return blocks.every((block) => {
    const { facts } = module.history.get(`${block.ref.epoch}/${block.ref.number}`) ?? {};
    const bytes = content(block.ref.number, Math.ceil((facts?.bits ?? -1) / 8));
    return bytes.equals(block.expose());
  });
}

test.serial("blocks of any length arrive whole, in order, with their facts", async (t) => {
  await withModule(async (bench) => {
    const lengths = [1, 32, 935, 936, 937, 1_024, 5_000, 70_000, 0];
    const facts = lengths.map((length, i) => bench.distil(i, length));
    facts.push(bench.distil(9, 100, { siftedBits: 2_000 }));
    facts.push(bench.distil(10, 100, { uuid: "84dec66a-1dda-8876-bf0f-2f4a0d1b3c5e" }));
    const session = await bench.connect();
    t.like(session.identity, { ...identity, protocol: "QMLP 1", maxBlockBytes: 1_048_576 });
    session.grant(100, 1_000_000);
    await eventually("blocks", () => bench.blocks.length, { is: facts.length });
    t.deepEqual(
      bench.blocks.map((block) => block.facts),
      facts,
    );
    t.true(intact(bench));
    t.like(session.quality(), { framesBad: 0, framesResent: 0 });
  });
});

test.serial("nothing is offered without credit, nor beyond it in blocks or in bytes", async (t) => {
  const clock = new ManualClock();
  await withModule(
    async (bench) => {
      for (let i = 0; i < 8; i++) bench.distil(i, 1_000);
      const session = await bench.connect();
      const offered = async () => {
        await eventually("the module's session", () => bench.module.state, { is: "open" });
        await bench.quiet(session);
        return bench.blocks.length;
      };
      await clock.advance(500);
      t.is(await offered(), 0);
      session.grant(2, 100_000);
      t.is(await offered(), 2);
      session.grant(3, 0);
      t.is(await offered(), 5);
      session.grant(0, 1_000_000);
      t.is(await offered(), 5);
      session.grant(3, 0);
      t.is(await offered(), 8);
    },
    { clock },
  );
  await withModule(
    async (bench) => {
      for (let i = 0; i < 8; i++) bench.distil(i, 1_000);
      const session = await bench.connect();
      session.grant(100, 3_999);
      await eventually("blocks", () => bench.blocks.length, { atLeast: 1 });
      await bench.quiet(session);
      t.is(bench.blocks.length, 3);
      session.grant(0, 1);
      await eventually("blocks", () => bench.blocks.length, { atLeast: 4 });
      await bench.quiet(session);
      t.is(bench.blocks.length, 4);
    },
    { clock: new ManualClock() },
  );
});

test.serial("what is released is gone for good; what is not is offered again", async (t) => {
  await withModule(async (bench) => {
    const { module, blocks, released } = bench;
    for (let i = 0; i < 3; i++) bench.distil(i);
    const first = await bench.connect();
    first.grant(10, 100_000);
    await eventually("blocks", () => blocks.length, { is: 3 });
    first.release([ref(1)]);
    await eventually("answers to releases", () => released.length, { is: 1 });
    await first.close();
    t.is(await first.ended, undefined);

    const second = await bench.connect();
    // Unknown references are confirmed too: the answer may have been lost.
    second.release([ref(1)]);
    second.grant(10, 100_000);
    await eventually(
      "five blocks, two released",
      () => blocks.length === 5 && released.length === 2,
    );
    t.deepEqual(numbers(blocks.slice(3)), [0, 2]);
    t.is(module.heldBlocks, 2);
    second.discard([ref(0)]);
    await eventually("answers to releases", () => released.length, { is: 3 });
    t.deepEqual(
      [...module.history.values()].map((block) => [block.released, block.discarded]),
      [
        [false, true],
        [true, false],
        [false, false],
      ],
    );
  });
});

test.serial("more releases than one frame holds are all told", async (t) => {
  await withModule(async (bench) => {
    const session = await bench.connect();
    const many = Array.from({ length: 1_000 }, (_, i) => ref(i));
    session.release(many);
    await eventually("answers to releases", () => bench.released.length, { is: many.length });
    t.deepEqual(bench.released, many);
  });
});

test.serial("a line that damages and loses frames costs time, not keys", async (t) => {
  await withModule(async (bench) => {
    for (let i = 0; i < 20; i++) bench.distil(i, 2_000);
    let frames = 0;
    bench.outgoing = (bytes) => {
      frames++;
      if (frames > 3 && frames % 7 === 0) {
        const damaged = Buffer.from(bytes);
        damaged[20] = (damaged[20] as number) ^ 0x40;
        return damaged;
      }
      return frames > 3 && frames % 11 === 0 ? Buffer.alloc(0) : bytes;
    };
    const session = await bench.connect();
    session.grant(100, 1_000_000);
    await eventually("blocks", () => bench.blocks.length, { is: 20 });
    t.deepEqual(
      numbers(bench.blocks),
      Array.from({ length: 20 }, (_, i) => i),
    );
    t.true(intact(bench));
    t.true(session.quality().framesBad > 0);
  });
});

/** Damages the hash of block 1 in its first `times` offers, behind the back of the CRC. */
function damageHash(times: number): (bytes: Buffer) => Buffer {
  let left = times;
  return (bytes) => {
    const [frame] = readFrames(bytes);
    if (frame?.type !== type.key || frame.body.readUInt32LE(8) !== 1 || left === 0) return bytes;
    left--;
    frame.body[40] = (frame.body[40] as number) ^ 1;
    return writeFrame(frame);
  };
}

test.serial("a block that arrives damaged is read again, on the credit it had", async (t) => {
  for (const times of [1, 2]) {
    await withModule(async (bench) => {
      for (let i = 0; i < 4; i++) bench.distil(i, 3_000);
      bench.outgoing = damageHash(times);
      const session = await bench.connect();
      session.grant(4, 12_000);
      await eventually("blocks", () => bench.blocks.length, { is: 4 });
      t.deepEqual(numbers(bench.blocks).sort(), [0, 1, 2, 3]);
      t.true(intact(bench));
      t.deepEqual(bench.damaged, []);
      const offers = [...bench.module.history.values()].map((block) => block.offers);
      t.deepEqual(offers, [1, 1 + times, 1, 1]);
    });
  }
});

test.serial(
  "a block that arrives damaged three times is left, and left in the module",
  async (t) => {
    await withModule(async (bench) => {
      for (let i = 0; i < 4; i++) bench.distil(i, 3_000);
      bench.outgoing = damageHash(Number.POSITIVE_INFINITY);
      const session = await bench.connect();
      session.grant(4, 12_000);
      await eventually(
        "three blocks, and one damaged",
        () => bench.blocks.length === 3 && bench.damaged.length > 0,
      );
      t.deepEqual(numbers(bench.blocks), [0, 2, 3]);
      t.deepEqual(numbers(bench.damaged), [1]);
      t.is(bench.module.history.get("00112233aabbccdd/1")?.offers, 3);
      t.is(bench.module.heldBlocks, 4);
      // Asked for by name later, it comes.
      bench.outgoing = (bytes) => bytes;
      session.grant(1, 3_000);
      session.read([ref(1), ref(77)]);
      await eventually("blocks", () => bench.blocks.length, { is: 4 });
      t.is(bench.blocks[3]?.ref.number, 1);
      t.true(intact(bench));
    });
  },
);

test.serial("commands are carried out and answered, wrong ones refused", async (t) => {
  await withModule(async (bench) => {
    const { module } = bench;
    const session = await bench.connect();
    await session.command({ name: "stop" });
    t.false(module.running);
    await session.command({ name: "start" });
    t.true(module.running);
    await session.command({ name: "key_rate", bitsPerSecond: 1_000 });
    t.is(module.targetKeyRate, 1_000);
    await session.command({ name: "self_test" });
    const refused = session.command({ name: "telemetry_interval", ms: 5 });
    await t.throwsAsync(refused, { instanceOf: Fault, message: /bad argument/ });
    bench.distil(1);
    await session.command({ name: "zeroize" });
    t.is(module.heldBlocks, 0);
    await session.close();
    await t.throwsAsync(bench.connect(), { instanceOf: Fault, message: /zeroized/ });
  });
});

test.serial("a command without an answer fails after ten seconds", async (t) => {
  const clock = new ManualClock();
  await withModule(
    async (bench) => {
      bench.outgoing = (bytes) =>
        readFrames(bytes)[0]?.type === type.result ? Buffer.alloc(0) : bytes;
      const session = await bench.connect();
      let outcome = "none";
      const command = session.command({ name: "self_test" }).catch((error) => {
        outcome = "failed";
        return error;
      });
      for (let ms = 0; ms < 9_900; ms += 100) {
        await clock.advance(100);
        await bench.quiet(session);
      }
      t.is(outcome, "none");
      await clock.advance(100);
      t.like(await command, { code: "module.command", message: "self_test: no answer" });
    },
    { clock },
  );
});

test.serial("telemetry comes as often as asked for, events when they happen", async (t) => {
  const clock = new ManualClock();
  await withModule(
    async (bench) => {
      const session = await bench.connect();
      await session.command({ name: "telemetry_interval", ms: 250 });
      for (let ms = 0; ms < 2_000; ms += 50) {
        await clock.advance(50);
        await bench.quiet(session);
      }
      // The last is on its way through the PTY yet; time stands still, and no more are sent.
      t.is(await eventually("samples", () => bench.samples.length, { atLeast: 8 }), 8);
      t.deepEqual(bench.samples[0]?.values, { qber: 0.03 });
      bench.module.event({ code: "detector_fault", severity: "major", text: "APD 2" });
      await eventually("events", () => bench.events.length, { atLeast: 1 });
      t.deepEqual(bench.events, [{ code: "detector_fault", severity: "major", text: "APD 2" }]);
    },
    { clock },
  );
});

test.serial(
  "a module that is zeroized in the middle of a block goes on with the next",
  async (t) => {
    await withModule(async (bench) => {
      bench.distil(1, 900_000);
      const session = await bench.connect();
      let frames = 0;
      let zeroized: Promise<void> | undefined;
      bench.outgoing = (bytes) => {
        const [frame] = readFrames(bytes);
        if (frame?.type === type.more && ++frames === 5) {
          zeroized = session.command({ name: "zeroize" });
        }
        return bytes;
      };
      session.grant(1, 900_000);
      await eventually("zeroize is over", () => zeroized !== undefined);
      await zeroized;
      t.deepEqual(bench.blocks, [], "it was not sent to its end");
      bench.module.zeroized = false;
      bench.module.running = true;
      bench.distil(2, 70_000);
      await eventually("blocks", () => bench.blocks.length, { is: 1 });
      t.deepEqual(numbers(bench.blocks), [2], "with the credit of the one that was given up");
      t.true(intact(bench));
    });
  },
);
