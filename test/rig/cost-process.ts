/**
 * Counts what the way of a key costs, in a process of its own with a heap in which nothing is collected
 * meanwhile (see cost.test.ts): a module that gives blocks, custody, a ledger on disk, a Kq-1 session
 * over a line in memory, and a KM that answers whatever came in one piece.
 *
 * Arguments: bytes of a block, bits of a key. Prints one JSON object; all but `keys` are per key.
 */

import { EventEmitter } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Assembly } from "../../drivers/qmlp/assembly.ts";
import { encodeKeyHeader, keyHeaderLength } from "../../drivers/qmlp/blocks.ts";
import { checkOf } from "../../drivers/qmlp/check.ts";
import { Deframer } from "../../drivers/qmlp/deframer.ts";
import { flagReliable, type, wireBound, writeFrame } from "../../drivers/qmlp/frame.ts";
import type { Clock } from "../../src/base/clock.ts";
import { ms } from "../../src/base/duration.ts";
import { silentLog } from "../../src/base/log.ts";
import { diskFiles, type FileSystem } from "../../src/host/disk/files.ts";
import { Custody } from "../../src/node/custody/custody.ts";
import { Kq1Session } from "../../src/node/io/session.ts";
import { LedgerFile } from "../../src/node/ledger/ledger-file.ts";
import { type BlockRef, keyMemory } from "../../src/port/key.ts";
import type { ModuleSession } from "../../src/port/module.ts";
import { header } from "../../src/wire/kq1/names.ts";
import { someIdentity } from "./identity.ts";

const [blockBytes = 0, keyBits = 0] = process.argv.slice(2).map(Number);
const epoch = "00112233aabbccdd";
const counts = { writes: 0, written: 0, syncs: 0, entries: 0, released: 0 };

/** A line in memory that costs as little as it can: its share is in the figures too. */
class Line extends EventEmitter {
  destroyed = false;
  writable = true;

  write(bytes: Buffer, done: () => void): boolean {
    counts.writes++;
    counts.written += bytes.length;
    const answers = answersTo(bytes);
    setImmediate(() => {
      done();
      this.emit("data", answers);
    });
    return true;
  }

  pause(): void {}
  resume(): void {}
  end(): void {}
  destroy(): void {}
}

const before = Buffer.from('"key_ID":"');
const open = Buffer.from('{"key_ID":"');
const tail = Buffer.from('","response":"success"}');
const answerLength = header.length + open.length + 36 + tail.length;

/** `success` for each message in what was written. */
function answersTo(held: Buffer): Buffer {
  const out = Buffer.alloc(Math.ceil(held.length / 200) * answerLength);
  let to = 0;
  for (let at = 0; at < held.length; ) {
    const id = held.indexOf(before, at) + before.length;
    held.copy(out, to, at, at + header.length);
    out[to + 7] = 2;
    out.writeUInt16BE(answerLength - header.length, to + 8);
    open.copy(out, to + header.length);
    held.copy(out, to + header.length + open.length, id, id + 36);
    tail.copy(out, to + answerLength - tail.length);
    at += header.length + held.readUInt16BE(at + 8);
    to += answerLength;
  }
  return out.subarray(0, to);
}

/** However slow the machine is, no time passes. */
const still: Clock = { now: () => 0, wall: () => 0, after: () => ({ cancel: () => {} }) };

const counting: FileSystem = {
  ...diskFiles,
  async open(path, flags, mode) {
    const file = await diskFiles.open(path, flags, mode);
    const datasync = file.datasync.bind(file);
    file.datasync = () => {
      counts.syncs++;
      return datasync();
    };
    return file;
  },
};

/** A KEY frame with a whole block, as the line has it. */
class Frames {
  readonly #check = checkOf("sha-256", Buffer.alloc(blockBytes, 7));
  readonly #body = keyMemory(keyHeaderLength + blockBytes).fill(7);
  readonly #wire = Buffer.alloc(wireBound(65_536));

  of(number: number): Buffer {
    const facts = { ref: { epoch, number }, bits: blockBytes * 8, qber: 0.03 };
    encodeKeyHeader(facts, this.#check).copy(this.#body);
    const end = writeFrame(type.key, flagReliable, 0, 0, this.#body, this.#wire, 0);
    return this.#wire.subarray(0, end);
  }
}

async function main(folder: string): Promise<void> {
  const ledger = await LedgerFile.open(counting, join(folder, "ledger"), silentLog);
  const append = ledger.append.bind(ledger);
  ledger.append = (entry) => {
    counts.entries++;
    append(entry);
  };
  const custody = new Custody(
    {
      qberLimit: 0.11,
      keyBits: keyBits === 0 ? undefined : keyBits,
      maxHeldBlocks: 64,
      maxHeldBytes: 4_194_304,
    },
    {
      ledger,
      clock: still,
      log: silentLog,
      backoff: () => [][Symbol.iterator](),
      onEvent: () => {},
    },
  );
  const settled: (() => void)[] = [];
  let wanted = 0;
  const session: Partial<ModuleSession> = {
    identity: someIdentity,
    grant: () => {},
    release: (refs: readonly BlockRef[]) => {
      counts.released += refs.length;
      setImmediate(() => {
        custody.released(refs);
        if (counts.released === wanted) settled.shift()?.();
      });
    },
  };
  custody.moduleUp(session as ModuleSession, "QKD-B");
  const line = new Line();
  const options = {
    where: "km",
    moduleId: "QKD-A",
    matchingModuleId: "QKD-B",
    window: 1_024,
    answerTimeout: ms(60_000),
    clock: still,
    log: silentLog,
  };
  custody.kmUp(new Kq1Session(line as unknown as Socket, options, custody));
  const assembly = new Assembly(65_536);
  const credit = { blocks: Number.MAX_SAFE_INTEGER, bytes: Number.MAX_SAFE_INTEGER };
  const deframer = new Deframer(65_536, ({ body }) => {
    const { block } = assembly.key(body, credit) ?? {};
    if (block !== undefined) custody.block(block);
  });
  const frames = new Frames();
  let number = 0;
  const run = async (blocks: number) => {
    wanted += blocks;
    const done = new Promise<void>((resolve) => settled.push(resolve));
    for (let i = 0; i < blocks; i++) deframer.push(frames.of(number++));
    await done;
  };
  const keysPerBlock = keyBits === 0 ? 1 : (blockBytes * 8) / keyBits;
  const blocks = Math.ceil(8_192 / Math.max(keysPerBlock, 16));
  // So that all of it is compiled, and what is made once is there.
  for (let i = 0; i < 8; i++) await run(blocks);
  global.gc?.();
  Object.assign(counts, { writes: 0, written: 0, syncs: 0, entries: 0 });
  const memory = process.memoryUsage();
  await run(blocks);
  const after = process.memoryUsage();
  const keys = blocks * keysPerBlock;
  const figures = {
    keys,
    heap: (after.heapUsed - memory.heapUsed) / keys,
    buffers: (after.arrayBuffers - memory.arrayBuffers) / keys,
    writes: counts.writes / keys,
    written: counts.written / keys,
    syncs: counts.syncs / keys,
    entries: counts.entries / keys,
  };
  process.stdout.write(`${JSON.stringify(figures)}\n`);
  await ledger.close();
}

const folder = mkdtempSync(join(tmpdir(), "qkd-cost-"));
setInterval(() => {}, 60_000);
await main(folder).finally(() => rmSync(folder, { recursive: true, force: true }));
process.exit();
