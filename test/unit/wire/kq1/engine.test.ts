import { createHash, randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import test from "ava";
import { engineCode, kq1Code } from "../../../../scripts/wasm/assemble.ts";
import { QkdKey } from "../../../../src/port/key.ts";
import { base64Length, writeBase64 } from "../../../../src/wire/kq1/base64.ts";
import { engine, place, scratch, scratchPiece } from "../../../../src/wire/kq1/engine.ts";
import { SupplyWriter } from "../../../../src/wire/kq1/supply.ts";

test("the engine's code is what the text of it assembles to", async (t) => {
  const file = new URL("../../../../src/wire/kq1/engine-code.ts", import.meta.url);
  t.is(readFileSync(file, "utf8"), await engineCode(kq1Code), "run node scripts/wasm/main.ts");
});

test("base64 of the engine is that of RFC 4648, however long", (t) => {
  for (const length of [
    96, 97, 98, 143, 144, 145, 4_096, 32_768, 49_151, 49_152, 49_153, 150_000,
  ]) {
    const bytes = randomBytes(length);
    const target = Buffer.alloc(base64Length(length) + 2, 0x2e);
    t.is(writeBase64(bytes, target, 1), 1 + base64Length(length));
    t.true(target.equals(Buffer.from(`.${bytes.toString("base64")}.`)), `${length} bytes`);
  }
  // Every 6-bit value at every place.
  const every = Buffer.from(Array.from({ length: 768 }, (_, i) => (i * 85 + (i >> 8)) & 0xff));
  const target = Buffer.alloc(base64Length(every.length));
  writeBase64(every, target, 0);
  t.is(target.toString("latin1"), every.toString("base64"));
});

test("base64 is made in place where the target is the engine's memory, and touches nothing beyond it", (t) => {
  const target = scratchPiece(4_096) as Buffer;
  for (const room of [0, 1, 15, 16, 17, 400]) {
    const bytes = randomBytes(768);
    const end = base64Length(bytes.length);
    target.fill(0x2e);
    const part = target.subarray(5, 5 + end + room);
    t.is(writeBase64(bytes, part, 0), end);
    t.is(part.toString("latin1", 0, end), bytes.toString("base64"), `${room} bytes behind`);
    t.true(
      target.subarray(0, 5).every((byte) => byte === 0x2e),
      "before",
    );
    t.true(
      target.subarray(5 + end + room).every((byte) => byte === 0x2e),
      "behind",
    );
  }
  target.fill(0);
});

test("SHA-256 of the engine is that of FIPS 180-4", (t) => {
  const { source, result } = place;
  for (const length of [0, 1, 31, 32, 55, 56, 64, 119, 120, 1_000]) {
    const bytes = randomBytes(length);
    const padded = Math.ceil((length + 9) / 64) * 64;
    scratch.fill(0, source, source + padded);
    scratch.set(bytes, source);
    scratch[source + length] = 0x80;
    scratch.writeUInt32BE(length * 8, source + padded - 4);
    engine.sha256(source, source + padded, result);
    const digest = createHash("sha256").update(bytes).digest("hex");
    t.is(scratch.toString("latin1", result, result + 64), digest, `${length} bytes`);
  }
  engine.wipe(source, result + 64);
});

test("wiping leaves what is before and behind, in whole vectors", (t) => {
  const { source } = place;
  scratch.fill(0xff, source, source + 64);
  engine.wipe(source + 3, source + 3);
  engine.wipe(source + 3, source + 20);
  const left = [...scratch.subarray(source, source + 64)].flatMap((byte, i) => (byte ? i : []));
  t.deepEqual(left, [0, 1, 2, ...Array.from({ length: 29 }, (_, i) => 35 + i)]);
  engine.wipe(source, source + 64);
});

test("nothing of a key stays in the engine's memory", (t) => {
  const id = "84dec66a-1dda-8876-bf0f-2f4a0d1b3c5e";
  const ref = { epoch: "0".repeat(16), number: 1 };
  const writer = new SupplyWriter("QKD-A", "QKD-B");
  for (const length of [1, 16, 32, 55, 56, 96, 1_000, 32_768, 47_000]) {
    const bytes = randomBytes(length + 12);
    const facts = { ref, bits: length * 8 };
    // What is written down begins with a stretch that can be found, also as base64.
    const key = new QkdKey(id, facts, bytes.subarray(0, length), length * 8);
    const target = Buffer.alloc(writer.bound(key));
    writer.write(target, 0, 1, key);
    const start = Buffer.from(bytes.subarray(0, Math.min(length - (length % 3), 12)));
    if (start.length < 9) continue;
    t.false(scratch.includes(start), `${length} bytes`);
    const text = Buffer.from(start.toString("base64"));
    t.true(target.includes(text));
    t.false(scratch.includes(text), `base64 of ${length} bytes`);
    t.false(scratch.includes(Buffer.from(bytes.subarray(Math.max(0, length - 9), length))));
  }
});

test("messages of two modules and of many lengths in turn are each their own", (t) => {
  const writers = ["QKD-A", "QKD-C"].map((name) => new SupplyWriter(name, "QKD-B"));
  const blocks = [7, 8].map((number) => ({ ref: { epoch: "0".repeat(16), number }, bits: 4_096 }));
  let messageId = 0xffff_fff0;
  for (let i = 0; i < 200; i++) {
    const length = [32, 16, 32, 55, 48, 64][i % 6] as number;
    const bytes = randomBytes(length);
    const id = `84dec66a-1dda-8876-bf0f-${String(i).padStart(12, "0")}`;
    const block = blocks[(i >> 2) & 1] as (typeof blocks)[number];
    const writer = writers[(i >> 1) & 1] as SupplyWriter;
    const key = new QkdKey(id, block, bytes, length * 8);
    const target = Buffer.alloc(writer.bound(key) + 3);
    const end = writer.write(target, 3, messageId, key);
    t.is(target.readUInt32BE(5), messageId);
    t.is(target.readUInt16BE(11), end - 13);
    t.deepEqual(JSON.parse(target.toString("latin1", 13, end)), {
      qkd_module_ID: (i >> 1) & 1 ? "QKD-C" : "QKD-A",
      matching_qkd_module_ID: "QKD-B",
      key_ID: id,
      key_length: length * 8,
      hash_value: `sha-256:${createHash("sha256").update(bytes).digest("hex")}`,
      extension: [{ sequence: block.ref.number }],
      key: bytes.toString("base64"),
    });
    messageId = (messageId + 1) >>> 0;
  }
});
