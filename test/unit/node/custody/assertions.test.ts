import test from "ava";
import { Fault } from "../../../../src/base/errors.ts";
import { silentLog } from "../../../../src/base/log.ts";
import { Credit } from "../../../../src/node/custody/credit.ts";
import { HeldBlocks } from "../../../../src/node/custody/held.ts";
import { Supplies } from "../../../../src/node/custody/supplies.ts";
import { newCounters } from "../../../../src/node/keys/counters.ts";
import type { KmLink } from "../../../../src/node/keys/ports.ts";
import { KeyBlock, QkdKey } from "../../../../src/port/key.ts";
import { ManualClock } from "../../../clock.ts";

const facts = { ref: { epoch: "00112233aabbccdd", number: 1 }, bits: 256 };

function supplies(refused: string[] = []): Supplies<string> {
  return new Supplies<string>({
    kms: ["main"],
    clock: new ManualClock(),
    log: silentLog,
    counters: newCounters(),
    backoff: () => [1_000][Symbol.iterator](),
    allowed: () => true,
    isBound: () => true,
    bind: (_key, _owner, _km, then) => then(),
    delivered: () => {},
    refused: (_key, _owner, reason) => refused.push(reason),
  });
}

test("a wiped key is never sent, nor taken for one that fits no message", (t) => {
  const refused: string[] = [];
  const waiting = supplies(refused);
  const key = new QkdKey("84dec66a-1dda-8876-bf0f-2f4a0d1b3c5e", facts, Buffer.alloc(32), 256);
  waiting.push([key], "block", () => undefined);
  key.wipe();
  const sent: QkdKey[] = [];
  const link: KmLink = { room: 1, supply: (one) => sent.push(one) };
  const fault = t.throws(() => waiting.kmUp(link, "main"), { instanceOf: Fault });
  t.is(fault?.code, "invariant");
  t.is(fault?.message, "a wiped key is never sent");
  t.deepEqual([sent, refused], [[], []]);
});

test("no room is given back that was not taken", (t) => {
  const credit = new Credit(() => undefined, { failure: undefined });
  credit.back(1, 0);
  for (const [blocks, bytes] of [
    [-1, 0],
    [0, -1],
  ] as const) {
    t.is(t.throws(() => credit.back(blocks, bytes), { instanceOf: Fault })?.code, "invariant");
  }
});

test("a block is in memory once, and leaves it once", (t) => {
  const held = new HeldBlocks();
  const block = new KeyBlock(facts, Buffer.alloc(32));
  const one = held.add(block);
  t.is(held.bytes, 32);
  t.is(t.throws(() => held.add(block), { instanceOf: Fault })?.code, "invariant");
  held.remove(one);
  t.deepEqual([held.size, held.bytes], [0, 0]);
  t.is(t.throws(() => held.remove(one), { instanceOf: Fault })?.code, "invariant");
});
