import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "ava";
import { Gone } from "../../../../drivers/qcrypto/gone.ts";
import { systemClock } from "../../../../src/base/clock.ts";
import { ms } from "../../../../src/base/duration.ts";
import { silentLog } from "../../../../src/base/log.ts";
import { diskFiles } from "../../../../src/host/disk/files.ts";
import { Custody } from "../../../../src/node/custody/custody.ts";
import { LedgerFile } from "../../../../src/node/ledger/ledger-file.ts";
import { blockName } from "../../../../src/port/key.ts";
import type { ModuleSink } from "../../../../src/port/module.ts";
import { keyBytes } from "../../../conformance/qmlp.ts";
import { eventually } from "../../../eventually.ts";
import { block, type QcryptoBench, withStack } from "../../../rig/qcrypto-bench.ts";

const linkEpoch = "0000000000000000";
const one = block(1, 1_000);
/** Another key under the same name, as a stack makes it whose clock was set back. */
const other = { ...one, bytes: keyBytes(77, 1_000) };

/** A block was supplied, and let go of. */
async function released(bench: QcryptoBench, what = one): Promise<void> {
  await bench.connect();
  bench.stack.distil(what);
  await eventually("blocks", () => bench.blocks.length, { is: 1 });
  bench.session?.release(bench.blocks.map(({ ref }) => ref));
  await eventually("answers to releases", () => bench.released.length, { is: 1 });
}

for (const [when, again] of [
  ["in the same session", async () => {}],
  [
    "after a restart",
    async (bench: QcryptoBench) => {
      await bench.session?.close();
      await bench.connect(bench.newDriver());
    },
  ],
] as const) {
  test.serial(
    `another key under the name of a released one stays, and is told of, ${when}`,
    async (t) => {
      await withStack(async (bench) => {
        await released(bench);
        await again(bench);
        bench.stack.distil(other);
        await eventually("damaged blocks", () => bench.damaged.length, { is: 1 });
        t.is(bench.damaged[0]?.why, "another key of this name was released before");
        t.deepEqual(bench.events, ["reference_reused critical"]);
        t.deepEqual(bench.stack.epochs(), [one.epoch]);
        t.is(bench.blocks.length, 1, "it is not offered");
        // A KM has a key of that ID: whoever wants it supplied is told again why not.
        bench.session?.read(bench.damaged.map(({ facts }) => facts.ref));
        await eventually("damaged blocks", () => bench.damaged.length, { is: 2 });
        // A release means the other one, which is gone.
        bench.session?.release(bench.damaged.slice(0, 1).map(({ facts }) => facts.ref));
        await eventually("answers to releases", () => bench.released.length, { is: 2 });
        t.deepEqual(bench.stack.epochs(), [one.epoch]);
        bench.session?.discard(bench.damaged.slice(0, 1).map(({ facts }) => facts.ref));
        await eventually("answers to releases", () => bench.released.length, { is: 3 });
        t.deepEqual(bench.stack.epochs(), []);
        await eventually("events", () => bench.events.length, { is: 2 });
        t.is(bench.events[1], "reference_reused cleared");
        t.is(bench.blocks.length, 1);
      });
    },
  );
}

test.serial(
  "another key that takes the name of one on its way stays as well, and is told of",
  async (t) => {
    await withStack(async (bench) => {
      await bench.connect();
      bench.stack.distil(one);
      await eventually("blocks", () => bench.blocks.length, { is: 1 });
      bench.stack.distil(other);
      bench.session?.release(bench.blocks.map(({ ref }) => ref));
      await eventually("answers to releases", () => bench.released.length, { is: 1 });
      await eventually("damaged blocks", () => bench.damaged.length, { is: 1 });
      t.is(bench.damaged[0]?.why, "another key of this name was released before");
      t.deepEqual(bench.events, ["reference_reused critical"]);
      t.deepEqual(bench.stack.epochs(), [one.epoch]);
      t.is(bench.blocks.length, 1, "it is not offered");
    });
  },
);

test.serial(
  "the same file that is there again is removed again, and nothing is said",
  async (t) => {
    await withStack(async (bench) => {
      await released(bench);
      bench.stack.distil(one);
      bench.stack.distil(block(2, 1_000));
      await eventually(
        "two blocks, one in the stack",
        () => bench.blocks.length === 2 && bench.stack.epochs().length === 1,
      );
      t.deepEqual([bench.damaged, bench.events], [[], []]);
    });
  },
);

test.serial(
  "a name that was discarded or zeroized is not given to another key either",
  async (t) => {
    await withStack(async (bench) => {
      const session = await bench.connect();
      bench.stack.distil(one);
      bench.stack.distil(block(2, 1_000));
      await eventually("blocks", () => bench.blocks.length, { is: 2 });
      session.discard(bench.blocks.slice(0, 1).map(({ ref }) => ref));
      await eventually("answers to releases", () => bench.released.length, { is: 1 });
      await session.command({ name: "zeroize" });
      bench.stack.distil(other);
      // What was destroyed is not known by its content: also the same is not taken up.
      bench.stack.distil(block(2, 1_000));
      bench.stack.distil(block(3, 1_000));
      await eventually("blocks", () => bench.blocks.length, { is: 3 });
      t.deepEqual(
        bench.damaged.map(({ facts }) => blockName(facts.ref)),
        [one, block(2, 1)].map(({ epoch }) => blockName({ epoch: linkEpoch, number: epoch })),
      );
    });
  },
);

test.serial(
  "a block that was released while the node was killed is remembered by its content",
  async (t) => {
    await withStack(async (bench) => {
      bench.stack.distil(one);
      // Released before it was offered in this session, as after a restart.
      const session = await bench.connect();
      session.release([{ epoch: linkEpoch, number: one.epoch }]);
      await eventually("answers to releases", () => bench.released.length, { is: 1 });
      bench.stack.distil(other);
      await eventually("damaged blocks", () => bench.damaged.length, { is: 1 });
      bench.stack.distil({ ...one, epoch: one.epoch });
      session.read([{ epoch: linkEpoch, number: one.epoch }]);
      await eventually("epochs in the stack", () => bench.stack.epochs().length, { is: 0 });
      t.is(bench.damaged.length, 1);
    });
  },
);

test.serial("with another epoch at both ends, every name is free again", async (t) => {
  await withStack(async (bench) => {
    await released(bench);
    bench.stack.distil(other);
    await eventually("damaged blocks", () => bench.damaged.length, { is: 1 });
    await bench.session?.close();
    await bench.connect(bench.newDriver(60, "0000000000000001"));
    await eventually("blocks", () => bench.blocks.length, { is: 2 });
    t.deepEqual(bench.blocks[1]?.ref, { epoch: "0000000000000001", number: one.epoch });
  });
});

test.serial(
  "where it cannot be remembered, keys are let go of all the same, and it is told",
  async (t) => {
    await withStack(async (bench) => {
      mkdirSync(join(bench.stack.folder, ".released.new"));
      await bench.connect();
      bench.stack.distil(one);
      await eventually("blocks", () => bench.blocks.length, { is: 1 });
      bench.session?.release(bench.blocks.map(({ ref }) => ref));
      await eventually("answers to releases", () => bench.released.length, { is: 1 });
      t.deepEqual(bench.events, ["releases_not_kept warning"]);
      t.deepEqual(bench.stack.epochs(), []);
      rmSync(join(bench.stack.folder, ".released.new"), { recursive: true });
      bench.stack.distil(block(2, 1_000));
      await eventually("blocks", () => bench.blocks.length, { is: 2 });
      bench.session?.release(bench.blocks.map(({ ref }) => ref));
      await eventually("the event is cleared", () =>
        bench.events.includes("releases_not_kept cleared"),
      );
      bench.stack.distil(other);
      await eventually("damaged blocks", () => bench.damaged.length, { is: 1 });
    });
  },
);

test.serial(
  "what comes again under a supplied name is kept back until an operator discards it",
  async (t) => {
    await withStack(async (bench) => {
      const path = join(bench.root, "ledger");
      const ledger = await LedgerFile.open(diskFiles, path, silentLog, { groupDelay: ms(1) });
      const supplied: string[] = [];
      const custody = new Custody(
        { qberLimit: 0.11, keyBits: undefined, maxHeldBlocks: 8, maxHeldBytes: 65_536 },
        {
          ledger,
          clock: systemClock,
          log: silentLog,
          backoff: () => [100].values(),
          onEvent: () => {},
        },
      );
      custody.kmUp({
        room: 100,
        supply(key) {
          supplied.push(key.id);
          queueMicrotask(() => custody.answered(key, "success"));
        },
      });
      const sink: ModuleSink = {
        block: (block) => custody.block(block),
        damaged: (facts, why) => custody.damaged(facts, why),
        released: (refs) => custody.released(refs),
        telemetry: () => {},
        absent: () => {},
        event: () => {},
      };
      const session = await bench.driver.connect(sink, new AbortController().signal);
      custody.moduleUp(session, "QKD-B-0001");
      bench.stack.distil(one);
      await eventually(
        "one is supplied, and none in the stack",
        () => supplied.length === 1 && bench.stack.epochs().length === 0,
      );
      const name = `${linkEpoch}/${one.epoch}`;
      // Until then what comes under the name is taken for the block that the KM has.
      await eventually("its release is on record", () =>
        ["released", undefined].includes(ledger.get(name)?.state),
      );
      bench.stack.distil(other);
      const kept = () => custody.keptBackKeys.list(10).map(({ block, why }) => `${block} ${why}`);
      await eventually("what is kept back", () => kept().length, { is: 1 });
      t.deepEqual(kept(), [`${name} damaged`]);
      // Supplied after all it cannot be: the KM has a key of that ID.
      t.is(custody.keptBackKeys.reinstate(name), undefined);
      t.deepEqual(kept(), []);
      await eventually("what is kept back", () => kept().length, { is: 1 });
      t.deepEqual(bench.stack.epochs(), [one.epoch]);
      t.is(custody.keptBackKeys.discard(name), undefined);
      await eventually(
        "nothing is left",
        () => bench.stack.epochs().length === 0 && kept().length === 0,
      );
      t.is(supplied.length, 1);
      await session.close();
      await ledger.close();
    });
  },
);

test("what is remembered is bounded, survives, and shows no key", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "qkd-gone-"));
  const content = (epoch: number) => Buffer.alloc(32, epoch % 251);
  const most = 1_000;
  const gone = await Gone.open(folder, linkEpoch, most);
  const add = async (from: number, to: number) => {
    const blocks = new Map<number, Buffer | undefined>();
    for (let epoch = from; epoch < to; epoch++) blocks.set(epoch, gone.digest(256, content(epoch)));
    await gone.add(blocks);
  };
  for (let at = 0; at < 6 * most; at += 250) await add(at, at + 250);
  t.is(gone.size, most);
  const path = join(folder, ".released");
  t.true(statSync(path).size < 24 * 2.5 * most);
  const again = await Gone.open(folder, linkEpoch, most);
  const last = 6 * most - 1;
  for (const [epoch, fate] of [
    [last, "the same"],
    [5 * most, "the same"],
    [5 * most - 1, "no"],
    [0, "no"],
  ] as const) {
    t.is(again.find(epoch, again.digest(256, content(epoch))), fate, String(epoch));
  }
  t.is(again.find(last, again.digest(255, content(last))), "another");
  t.is(again.find(last, undefined), "another");
  t.is(again.digest(100, Buffer.alloc(13, 1)), undefined, "a digest of so few bits hides nothing");
  t.false(readFileSync(path).includes(content(last).subarray(0, 8)));
  rmSync(folder, { recursive: true });
});

test("a cut or damaged memory of what was released is as good as its intact records", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "qkd-gone-"));
  const path = join(folder, ".released");
  const content = Buffer.alloc(32, 5);
  const gone = await Gone.open(folder, linkEpoch);
  await gone.add(new Map([1, 2, 3].map((epoch) => [epoch, gone.digest(256, content)])));
  const whole = readFileSync(path);
  for (let length = 0; length <= whole.length; length += 8) {
    writeFileSync(path, whole.subarray(0, length));
    const cut = await Gone.open(folder, linkEpoch, 10);
    t.is(cut.size, Math.max(0, Math.floor((length - 48) / 24)), `${length} bytes`);
    await cut.add(new Map([[9, cut.digest(256, content)]]));
    const after = await Gone.open(folder, linkEpoch, 10);
    t.is(after.size, cut.size);
    t.is(after.find(9, after.digest(256, content)), "the same");
  }
  writeFileSync(path, whole);
  const bytes = Buffer.from(whole);
  bytes[48 + 24 + 6] = (bytes[48 + 24 + 6] as number) ^ 1;
  writeFileSync(path, bytes);
  const damaged = await Gone.open(folder, linkEpoch);
  t.deepEqual(
    [1, 2, 3].map((epoch) => damaged.find(epoch, damaged.digest(256, content))),
    ["the same", "no", "the same"],
  );
  t.false(existsSync(`${path}.new`));
  rmSync(folder, { recursive: true });
});
