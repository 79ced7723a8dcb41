/**
 * Key that a qcrypto stack distilled and that was recorded: for each end a folder with the lines of
 * its notification pipe (`notify`, at verbosity 2) and its final-key files (`final/EPOCH`).
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import {
  fileLength,
  fileName,
  headerLength,
  parseHeader,
  swapWords,
} from "../../../drivers/qcrypto/file.ts";
import { parseNotification } from "../../../drivers/qcrypto/notification.ts";
import { describe, Fault } from "../../../src/base/errors.ts";
import type { BlockFacts } from "../../../src/port/key.ts";
import type { BlockSource, DistilledBlock } from "./source.ts";

interface End {
  readonly facts: BlockFacts;
  readonly bytes: Buffer;
}

function bad(file: string, what: string): Fault {
  return new Fault("key.invalid", what, { file });
}

function read(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    throw bad(file, `recording cannot be read: ${describe(error)}`);
  }
}

/** Key bytes in the order of QMLP: the first bit is the most significant of the first byte. */
function keyBytes(file: Buffer, bits: number): Buffer {
  const words = Buffer.from(file.subarray(headerLength));
  swapWords(words);
  return Buffer.from(words.subarray(0, Math.ceil(bits / 8)));
}

function readBlock(folder: string, line: string, notify: string): End {
  const { epoch, finalBits: bits, siftedBits, qber } = parseNotification(line) ?? { epoch: 0 };
  if (bits === undefined || siftedBits === undefined || qber === undefined) {
    throw bad(notify, "not a notification of verbosity 2");
  }
  const path = join(folder, "final", fileName(epoch));
  const file = read(path);
  const wanted = fileLength(bits);
  if (file.length !== wanted) throw bad(path, `final-key file should have ${wanted} bytes`);
  const header = parseHeader(file);
  if (header === undefined) throw bad(path, "not a final-key file");
  if (header.epoch !== epoch) throw bad(path, "another epoch inside");
  if (header.bits !== bits) throw bad(path, "key length differs from the notification");
  return {
    facts: {
      // The stack numbers blocks by their start epoch, which both ends share; it has no other.
      ref: { epoch: "0".repeat(16), number: epoch },
      bits,
      qber,
      siftedBits,
    },
    bytes: keyBytes(file, bits),
  };
}

function readEnd(folder: string): End[] {
  const notify = join(folder, "notify");
  const lines = read(notify).toString("latin1").split("\n");
  return lines.filter((line) => line !== "").map((line) => readBlock(folder, line, notify));
}

/**
 * @param folders two folders, Alice's and Bob's, or one that has them as `alice` and `bob`
 * @throws Fault `key.invalid` if the recording is not whole or the ends do not match
 */
export function replaySource(folders: readonly string[]): BlockSource {
  const [first = "", second] = folders;
  const [aliceFolder, bobFolder] =
    second === undefined ? [join(first, "alice"), join(first, "bob")] : [first, second];
  if (!existsSync(aliceFolder)) throw bad(aliceFolder, "there is no such recording");
  const alice = readEnd(aliceFolder);
  const bob = readEnd(bobFolder);
  if (alice.length !== bob.length)
    throw bad(bobFolder, "the two ends have different numbers of blocks");
  const blocks = alice.map((end, i): DistilledBlock => {
    const other = bob[i] as End;
    if (end.facts.ref.number !== other.facts.ref.number || end.facts.bits !== other.facts.bits) {
      throw bad(bobFolder, "the two ends recorded different blocks");
    }
    return { facts: end.facts, alice: end.bytes, bob: other.bytes };
  });
  let at = 0;
  return { name: `replay of ${first}`, total: blocks.length, next: () => blocks[at++] };
}
