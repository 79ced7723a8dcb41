import { randomBytes } from "node:crypto";
import test from "ava";
import { Fault } from "../../../../src/base/errors.ts";
import { silentLog } from "../../../../src/base/log.ts";
import { replaceFile } from "../../../../src/host/disk/files.ts";
import { Spool } from "../../../../src/node/spool/spool.ts";
import { spooled } from "../../../../src/node/spool/spooled.ts";
import { type BlockRef, blockName, KeyBlock } from "../../../../src/port/key.ts";
import type { ModuleDriver, ModuleSession, ModuleSink } from "../../../../src/port/module.ts";
import { settle } from "../../../clock.ts";
import { keyBytes } from "../../../conformance/qmlp.ts";
import { Disk, PowerCut, systemError } from "../../../faults/disk.ts";
import { random } from "../../../random.ts";

const epoch = "00112233aabbccdd";
const ref = (number: number): BlockRef => ({ epoch, number });
const bits = 1_024;
const bytesOf = (number: number) => keyBytes(number, bits);
const block = (number: number) =>
  new KeyBlock({ ref: ref(number), bits, qber: 0.02 }, bytesOf(number));
const secret = Buffer.alloc(32, 9);

const open = (disk: Disk, key: Uint8Array = secret, maxBytes = 1_000_000) =>
  Spool.open({ files: disk, folder: "/spool", key, maxBytes });

async function read(spool: Spool, number: number): Promise<Buffer | undefined> {
  const one = spool.get(ref(number));
  const loaded = one && (await spool.load(one, "QKD-A"));
  return loaded && Buffer.from(loaded.expose());
}

test("what is spooled is there after a restart, in order, and nowhere in the clear", async (t) => {
  const disk = new Disk();
  const spool = await open(disk);
  for (let number = 1; number <= 5; number++) await spool.store(block(number), "QKD-A");
  await spool.remove(ref(2));
  const again = await open(disk);
  t.deepEqual(
    [...again.blocks()].map((one) => one.ref.number),
    [1, 3, 4, 5],
  );
  for (const { ref: at, file } of again.blocks()) {
    t.deepEqual(await read(again, at.number), bytesOf(at.number));
    const content = disk.read(`/spool/${file}`) as Buffer;
    for (let from = 0; from < bits / 8; from += 16) {
      t.false(content.includes(bytesOf(at.number).subarray(from, from + 16)));
    }
  }
  await again.store(block(6), "QKD-A");
  t.is([...(await open(disk)).blocks()].at(-1)?.ref.number, 6);
});

test("without its key, or with one bit changed, a file is not read", async (t) => {
  const disk = new Disk();
  await (await open(disk)).store(block(1), "QKD-A");
  await t.throwsAsync(open(disk, randomBytes(32)), { code: "key.invalid" });
  const [one] = (await open(disk)).blocks();
  const path = `/spool/${one?.file}`;
  const whole = disk.read(path) as Buffer;
  for (let at = 0; at < whole.length; at += 7) {
    const bytes = Buffer.from(whole);
    bytes[at] = (bytes[at] as number) ^ 0x10;
    disk.put(path, bytes);
    await t.throwsAsync(read(await open(disk), 1), { instanceOf: Fault }, `byte ${at}`);
  }
  for (const cut of [0, 1, 20, 44, whole.length - 1]) {
    disk.put(path, whole.subarray(0, cut));
    await t.throwsAsync(read(await open(disk), 1), { instanceOf: Fault }, `cut at ${cut}`);
  }
  await t.throwsAsync(open(disk, Buffer.alloc(16)), { message: /not 32 bytes/ });
});

/** A module that hands each block over once, and has forgotten it then. */
class Once {
  readonly blocks: number[] = [];
  readonly events: string[] = [];
  readonly commands: string[] = [];
  #sink: ModuleSink | undefined;
  credit = 0;

  readonly driver: ModuleDriver = {
    kind: "once",
    where: "nowhere",
    connect: async (sink) => {
      this.#sink = sink;
      this.credit = 0;
      const session: Partial<ModuleSession> = {
        identity: { moduleId: "QKD-A" } as ModuleSession["identity"],
        ended: new Promise(() => {}),
        grant: (blocks) => {
          this.credit += blocks;
          queueMicrotask(() => this.give());
        },
        command: async ({ name }) => void this.commands.push(name),
        release: (refs) => queueMicrotask(() => sink.released(refs)),
        close: async () => {
          this.#sink = undefined;
        },
      };
      return session as ModuleSession;
    },
  };

  give(): void {
    while (this.credit > 0 && this.#sink !== undefined) {
      const number = this.blocks.shift();
      if (number === undefined) return;
      this.credit--;
      this.#sink.block(block(number));
    }
  }
}

interface Seen {
  readonly numbers: number[];
  readonly released: string[];
  readonly codes: string[];
  readonly absent: string[];
  readonly session: ModuleSession;
}

async function connect(module: Once, disk: Disk, maxBytes?: number): Promise<Seen> {
  const numbers: number[] = [];
  const released: string[] = [];
  const codes: string[] = [];
  const absent: string[] = [];
  const driver = spooled(module.driver, () => open(disk, secret, maxBytes), silentLog);
  const sink: ModuleSink = {
    block(one) {
      numbers.push(one.ref.number);
      one.wipe();
    },
    damaged: () => {},
    released: (refs) => released.push(...refs.map(blockName)),
    telemetry: () => {},
    event: ({ code, severity }) => codes.push(`${code} ${severity}`),
    absent: (code) => absent.push(code),
  };
  const session = await driver.connect(sink, new AbortController().signal);
  return { numbers, released, codes, absent, session };
}

async function quiet(): Promise<void> {
  for (let i = 0; i < 40; i++) await settle();
}

test("blocks of another module are not given to this one: they stay, and that is told", async (t) => {
  const disk = new Disk();
  const spool = await open(disk);
  for (const number of [1, 2]) await spool.store(block(number), "QKD-X");
  await spool.store(block(3), "QKD-A");
  t.is(await read(spool, 1), undefined);
  const { numbers, codes, session } = await connect(new Once(), disk);
  session.grant(9, 10_000);
  await quiet();
  t.deepEqual(numbers, [3]);
  t.deepEqual(codes, ["spool_foreign major"]);
  t.is((await open(disk)).length, 3);
});

test("what a module hands over once is offered until it is released, whatever ends in between", async (t) => {
  const module = new Once();
  const disk = new Disk();
  module.blocks.push(1, 2, 3, 4);
  const first = await connect(module, disk);
  first.session.grant(3, 10_000);
  await quiet();
  t.deepEqual(first.numbers, [1, 2, 3]);
  first.session.release([ref(2)]);
  await quiet();
  t.deepEqual(first.released, [`${epoch}/2`]);
  await first.session.close();

  const second = await connect(module, disk);
  second.session.grant(1, 10_000);
  await quiet();
  t.deepEqual(second.numbers, [1], "no more than there is credit for");
  second.session.grant(10, 10_000);
  await quiet();
  t.deepEqual(second.numbers, [1, 3, 4]);
  second.session.read([ref(3)]);
  await quiet();
  t.deepEqual(second.numbers, [1, 3, 4, 3]);
});

test("zeroized: the module is told whatever the disk does, and nothing of it is offered again", async (t) => {
  const module = new Once();
  const disk = new Disk();
  module.blocks.push(1, 2, 3);
  const seen = await connect(module, disk);
  seen.session.grant(2, 10_000);
  await quiet();
  t.deepEqual(seen.numbers, [1, 2]);
  disk.trouble = () => systemError("EIO");
  const failed = seen.session.command({ name: "zeroize" });
  t.deepEqual(module.commands, ["zeroize"], "it does not wait for the disk");
  await t.throwsAsync(failed, { instanceOf: Fault });
  disk.trouble = () => undefined;
  await seen.session.command({ name: "zeroize" });
  t.deepEqual(module.commands, ["zeroize", "zeroize"]);
  t.is((await open(disk)).length, 0);
});

test("what is spooled of a module that is away is destroyed without it", async (t) => {
  const module = new Once();
  const disk = new Disk();
  module.blocks.push(1, 2);
  const seen = await connect(module, disk);
  seen.session.grant(2, 10_000);
  await quiet();
  await seen.session.close();
  t.is((await open(disk)).length, 2);
  await spooled(module.driver, () => open(disk), silentLog).destroy?.();
  t.is((await open(disk)).length, 0);
});

test("a spool that is full leaves the next keys to the module", async (t) => {
  const module = new Once();
  const disk = new Disk();
  module.blocks.push(...Array.from({ length: 20 }, (_, i) => i));
  // A module of this test looks at blocks alone: bytes run out first.
  const seen = await connect(module, disk, 1_000);
  seen.session.grant(2, 256);
  await quiet();
  const held = seen.numbers.length;
  t.true(held >= 2);
  for (const number of [...seen.numbers]) {
    seen.session.release([ref(number)]);
    seen.session.grant(1, 128);
    await quiet();
  }
  t.true(seen.numbers.length > held, "and goes on when there is room");
});

test("while nothing can be spooled, keys are supplied from memory, one at a time, and it is told", async (t) => {
  const module = new Once();
  const disk = new Disk();
  const seen = await connect(module, disk);
  disk.trouble = () => systemError("ENOSPC");
  module.blocks.push(1, 2, 3, 4, 5);
  seen.session.grant(1, 1_000);
  await quiet();
  t.deepEqual(seen.numbers, [1]);
  seen.session.grant(4, 1_000);
  await quiet();
  t.deepEqual(seen.codes, ["spool_failed major"]);
  t.true(module.blocks.length >= 3, "the module keeps what it still has");
  disk.trouble = () => undefined;
  seen.session.grant(4, 1_000);
  await quiet();
  t.deepEqual(seen.numbers, [1, 2, 3, 4, 5]);
  t.deepEqual(seen.codes, ["spool_failed major", "spool_failed cleared"]);
});

test("power may fail at any file operation: what the module was told to let go of is in the spool", async (t) => {
  const story = async (disk: Disk, module: Once) => {
    const kept: number[] = [];
    const seen = await connect(module, disk);
    seen.session.grant(100, 100_000);
    for (let number = 1; number <= 4; number++) {
      module.blocks.push(number);
      module.give();
      await quiet();
      // Seen while the disk did its work: it had written it.
      if (seen.numbers.includes(number) && !disk.dead) kept.push(number);
      if (number === 3) seen.session.release([ref(1)]);
      await quiet();
    }
    return kept;
  };
  const whole = new Disk();
  await story(whole, new Once());
  t.true(whole.operations > 20);
  let most = 0;
  for (let at = 1; at <= whole.operations; at++) {
    const disk = new Disk();
    const module = new Once();
    disk.trouble = (operation) => (operation === at ? new PowerCut() : undefined);
    const kept = await story(disk, module).catch((): number[] => []);
    const after = await open(disk.afterPowerCut(random(at)));
    for (const number of kept) {
      if (number > 1) t.deepEqual(await read(after, number), bytesOf(number), `cut ${at}`);
    }
    most = Math.max(most, kept.length);
    for (const one of after.blocks()) {
      t.deepEqual(await read(after, one.ref.number), bytesOf(one.ref.number), `cut ${at}`);
    }
  }
  t.true(most >= 3);
});

test("what is in the spool is told among the newest blocks, with what the module holds", async (t) => {
  const disk = new Disk();
  const spool = await open(disk);
  for (const number of [1, 2]) await spool.store(block(number), "QKD-A");
  const newer = { epoch: "00112233aabbccee", number: 0 };
  for (const newest of [[newer], [ref(1)], [], undefined]) {
    const identity = { moduleId: "QKD-A", newest } as unknown as ModuleSession["identity"];
    const bare = { identity, ended: new Promise(() => {}) } as unknown as ModuleSession;
    const driver = spooled(
      { kind: "some", where: "nowhere", connect: async () => bare },
      () => open(disk),
      silentLog,
    );
    const session = await driver.connect({} as ModuleSink, new AbortController().signal);
    const others = newest?.filter(({ epoch: one }) => one !== epoch) ?? [];
    t.deepEqual(session.identity.newest, newest && [...others, ref(2)]);
  }
});

test("another key opens no spool that has blocks, and takes none of them for damaged", async (t) => {
  const disk = new Disk();
  const check = "/spool/key-check";
  const strange = Buffer.alloc(32, 7);
  const other = { code: "key.invalid", message: /another key: put that back/ };
  const spool = await open(disk);
  for (let number = 1; number <= 3; number++) await spool.store(block(number), "QKD-A");
  await t.throwsAsync(open(disk, strange), other);
  t.deepEqual(await read(await open(disk), 3), bytesOf(3));
  // Of an older version, or damaged: the files say it.
  for (const content of [undefined, "nonsense", Buffer.alloc(500)]) {
    await disk.remove(check);
    if (content !== undefined) await replaceFile(disk, check, Buffer.from(content));
    await t.throwsAsync(open(disk, strange), other);
    t.deepEqual(await read(await open(disk), 1), bytesOf(1));
    await t.throwsAsync(open(disk, strange), other);
  }
  // A spool without blocks takes any key.
  await (await open(disk)).zeroize();
  await (await open(disk, strange)).store(block(9), "QKD-A");
  await t.throwsAsync(open(disk), other);
});

test("what a session told of the spool ends when the next one finds it not so", async (t) => {
  const module = new Once();
  const disk = new Disk();
  const before = await connect(module, disk);
  disk.trouble = () => systemError("ENOSPC");
  module.blocks.push(1, 2);
  before.session.grant(1, 1_000);
  await quiet();
  t.true(before.codes.includes("spool_failed major"));
  await before.session.close();
  disk.trouble = () => undefined;
  const after = await connect(module, disk);
  after.session.grant(4, 1_000);
  await quiet();
  t.deepEqual(after.codes, []);
  t.deepEqual(after.absent.toSorted(), ["spool_failed", "spool_foreign"]);
});
