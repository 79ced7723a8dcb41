import { hash } from "node:crypto";
import { inspect } from "node:util";
import test from "ava";
import { Fault } from "../../../../src/base/errors.ts";
import { mostKeyBits } from "../../../../src/node/config/schema.ts";
import { longestKeyBits } from "../../../../src/node/custody/slices.ts";
import { SplitBlock } from "../../../../src/node/custody/split-block.ts";
import { KeyIds } from "../../../../src/node/keys/key-id.ts";
import {
  KeyBlock,
  keepSpareMemory,
  keyMemory,
  QkdKey,
  wipeMemory,
} from "../../../../src/port/key.ts";
import { slices } from "../../../rig/slices.ts";

const ref = { epoch: "00112233aabbccdd", number: 7 };
const id = "84dec66a-1dda-8876-bf0f-2f4a0d1b3c5e";

test("nothing that prints or serializes a key shows more than its name", (t) => {
  const bytes = Buffer.from("a key that nobody may ever read!");
  const key = new QkdKey(id, { ref, bits: 256 }, bytes, 256);
  const block = new KeyBlock({ ref, bits: 256 }, Buffer.from(bytes));
  for (const secret of [key, block]) {
    const shown = [
      String(secret),
      `${secret}`,
      JSON.stringify({ deep: [secret] }),
      inspect({ deep: [secret] }, { depth: 9, showHidden: true }),
      JSON.stringify(Object.entries(secret)),
    ].join("\n");
    t.false(shown.includes("nobody"));
    t.false(shown.includes(bytes.toString("hex")));
    t.false(shown.includes(bytes.toString("base64")));
    t.false(shown.includes([...bytes].join(",")));
    t.false(/\b97, 32, 107\b/.test(shown));
  }
  t.is(String(key), `[QkdKey ${id}]`);
  t.is(JSON.stringify(block), '"[KeyBlock 00112233aabbccdd/7 256 bit]"');
});

test("a wiped key is zeros, and can't be used", (t) => {
  const bytes = Buffer.alloc(32, 9);
  const key = new QkdKey(id, { ref, bits: 256 }, bytes, 256);
  t.is(key.expose(), bytes);
  key.wipe();
  key.wipe();
  t.true(bytes.every((byte) => byte === 0));
  t.throws(() => key.expose(), { instanceOf: Fault, message: "key was wiped" });
});

test("large memory that was wiped is had again, and who still looks at it sees nothing", (t) => {
  const mebibyte = 1_048_608;
  keepSpareMemory(2);
  t.teardown(() => keepSpareMemory(0));
  const all = [1, 2, 3].map((byte) => keyMemory(mebibyte).fill(byte));
  for (const one of all) wipeMemory(one);
  t.deepEqual(
    all.map(({ length }) => length),
    [0, 0, 0],
  );
  const next = keyMemory(mebibyte);
  t.true(next.every((byte) => byte === 0));
  next.fill(4);
  t.deepEqual(
    all.map(({ length }) => length),
    [0, 0, 0],
  );
  t.is(keyMemory(mebibyte + 16).length, mebibyte + 16);
  wipeMemory(next);
});

test("a key whose length does not match its bytes is refused", (t) => {
  for (const bits of [-8, 7.5, 0, 257, Number.NaN]) {
    t.throws(() => new QkdKey(id, { ref, bits }, Buffer.alloc(32), bits), { instanceOf: Fault });
  }
  t.notThrows(() => new QkdKey(id, { ref, bits: 250 }, Buffer.alloc(32), 250));
});

test("both ends of a link give a key the same ID, and each input changes it", (t) => {
  const alice = new KeyIds("QKD-A", "QKD-B");
  const bob = new KeyIds("QKD-B", "QKD-A");
  t.is(alice.of(ref, 0, 256), bob.of(ref, 0, 256));
  const others = [
    new KeyIds("QKD-A", "QKD-C").of(ref, 0, 256),
    // The names must not run into each other.
    new KeyIds("QKD-", "AQKD-B").of(ref, 0, 256),
    alice.of({ ...ref, epoch: "00112233aabbccde" }, 0, 256),
    alice.of({ ...ref, number: 8 }, 0, 256),
    alice.of({ ...ref, number: 7 + 2 ** 32 }, 0, 256),
    alice.of(ref, 256, 256),
    alice.of(ref, 0, 512),
  ];
  t.is(new Set([...others, alice.of(ref, 0, 256)]).size, others.length + 1);
});

test("a key ID is the UUID of version 8 that the document says", (t) => {
  // python3 -c "import hashlib; d=hashlib.sha256(b'qkd-node key id v1\0QKD-A\0QKD-B\0' +
  //   bytes.fromhex('00112233aabbccdd') + (7).to_bytes(8,'big') + (0).to_bytes(4,'big') +
  //   (256).to_bytes(4,'big')).digest(); h=bytearray(d[:16]); h[6]=h[6]&15|0x80;
  //   h[8]=h[8]&63|0x80; import uuid; print(uuid.UUID(bytes=bytes(h)))"
  t.is(new KeyIds("QKD-B", "QKD-A").of(ref, 0, 256), "a8eb753e-6c1b-8a0d-9cd5-cf7cc1f11ef4");
});

test("key IDs are what their description says, for links in turn and names of any length", (t) => {
  const names = ["A", "QKD-é-漢", "m".repeat(128), "\u{1f511}".repeat(64)];
  const links = names.map((name) => ({ name, ids: new KeyIds(name, "B") }));
  for (let i = 0; i < 400; i++) {
    const { name, ids } = links[i % links.length] as (typeof links)[number];
    const epoch = hash("sha256", `epoch ${i >> 3}`, "hex").slice(0, 16);
    const number = i % 5 === 0 ? Number.MAX_SAFE_INTEGER - i : i * 7;
    const [offset, length] = [(i * 0x1234_5678) >>> 0, (i * 0x0765_4321) >>> 0];
    const tail = Buffer.alloc(24);
    tail.write(epoch, "hex");
    tail.writeBigUInt64BE(BigInt(number), 8);
    tail.writeUInt32BE(offset, 16);
    tail.writeUInt32BE(length, 20);
    const sorted = [Buffer.from(name), Buffer.from("B")].sort(Buffer.compare);
    const zero = Buffer.alloc(1);
    const parts = [Buffer.from("qkd-node key id v1"), ...sorted].flatMap((part) => [part, zero]);
    const digest = Buffer.from(hash("sha256", Buffer.concat([...parts, tail]), "hex"), "hex");
    digest[6] = ((digest[6] as number) & 0x0f) | 0x80;
    digest[8] = ((digest[8] as number) & 0x3f) | 0x80;
    const hex = digest.toString("hex", 0, 16);
    const expected = hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
    t.is(ids.of({ epoch, number }, offset, length), expected);
  }
});

test("blocks are cut into keys of the wanted length, and the rest is one shorter key", (t) => {
  const cut = (bits: number, keyBits: number | undefined) => {
    const bytes = keyMemory(Math.ceil(bits / 8));
    for (let i = 0; i < bytes.length; i++) bytes[i] = i % 251;
    const copy = Buffer.from(bytes);
    const ids = new KeyIds("A", "B");
    const pieces = new SplitBlock(new KeyBlock({ ref, bits }, bytes), keyBits, ids);
    const expected = slices(bits, keyBits);
    t.is(pieces.left, expected.length);
    for (const { offset, length } of expected) {
      const key = pieces.next() as QkdKey;
      t.is(key.id, ids.of(ref, offset, length));
      t.is(key.bits, length);
      const at = offset / 8;
      t.deepEqual(Buffer.from(key.expose()), copy.subarray(at, at + Math.ceil(length / 8)));
      const target = Buffer.alloc(key.byteLength + 1);
      key.copyTo(target, 1);
      t.deepEqual(target.subarray(1), Buffer.from(key.expose()));
      key.wipe();
      t.throws(() => key.copyTo(target, 0), { code: "key.invalid" });
    }
    t.is(pieces.next(), undefined);
    t.is(pieces.left, 0);
    t.true(
      bytes.every((byte) => byte === 0),
      "wiped piece by piece",
    );
    return expected.map(({ length }) => length);
  };
  t.deepEqual(cut(600, 256), [256, 256, 88]);
  t.deepEqual(cut(2_003, 1_024), [1_024, 979]);
  t.deepEqual(cut(11_530, undefined), [11_530]);
  t.deepEqual(cut(longestKeyBits + 1, undefined), [longestKeyBits, 1]);
});

test("a key that shares memory must lie within it", (t) => {
  const bytes = keyMemory(96);
  const make = (bits: number, start: number) =>
    new QkdKey(id, { ref, bits: 768 }, bytes, bits, undefined, start);
  for (const [bits, start] of [
    [256, 65],
    [256, -1],
    [769, 0],
    [8, 96],
  ] as const) {
    t.throws(() => make(bits, start), { code: "key.invalid" }, `${bits} from ${start}`);
  }
  t.notThrows(() => make(256, 64));
  bytes.fill(7);
  make(256, 32).wipe();
  t.deepEqual([...new Set(bytes.subarray(32, 64))], [0]);
  t.deepEqual([...new Set(bytes.subarray(0, 32)), ...new Set(bytes.subarray(64))], [7, 7]);
});

test("the configuration allows keys as long as custody cuts them", (t) => {
  t.is(mostKeyBits, longestKeyBits);
});
