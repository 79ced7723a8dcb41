import { randomBytes } from "node:crypto";
import test from "ava";
import { QkdKey } from "../../../../src/port/key.ts";
import { SupplyWriter } from "../../../../src/wire/kq1/supply.ts";
import { SupplyReader } from "../../../../src/wire/kq1/supply-reader.ts";
import { uuidOf } from "../../../../src/wire/kq1/uuid.ts";
import { rounds } from "../../../campaign-scale.ts";
import { random as seeded } from "../../../random.ts";
import { message, read, sha256 } from "../../../rig/supply-message.ts";

test("what SupplyWriter writes is read back: any length, module, block, with and without hash", (t) => {
  const random = seeded(20);
  const readers = [new SupplyReader(), new SupplyReader()];
  const lengths = [
    1, 2, 3, 16, 31, 32, 33, 54, 55, 56, 57, 64, 96, 255, 256, 257, 1_000, 4_096, 32_768, 47_000,
  ];
  for (let i = 0; i < 600; i++) {
    const length = lengths[Math.floor(random() * lengths.length)] as number;
    const spare = random() < 0.2 ? Math.floor(random() * 8) : 0;
    const key = randomBytes(length);
    key[length - 1] = (key[length - 1] as number) & (0xff << spare);
    const bits = length * 8 - spare;
    const writer = new SupplyWriter(random() < 0.5 ? "QKD-A" : 'Ä/"\\', "QKD-B", random() < 0.7);
    const block = {
      ref: { epoch: "0".repeat(16), number: Math.floor(random() * 3) },
      bits,
      ...(random() < 0.5 && { qber: random() / 10 }),
      ...(random() < 0.5 && { generatedAt: Math.floor(random() * 2e12) }),
    };
    const uuid = `84dec66a-1dda-8876-bf0f-${String(i).padStart(12, "0")}`;
    const own = new QkdKey(uuid, block, Buffer.from(key), bits);
    const target = Buffer.alloc(writer.bound(own) + 20);
    const end = writer.write(target, 7, i, own);
    const reader = readers[i % 2] as SupplyReader;
    t.is(reader.read(target, 17, end), undefined);
    t.is(uuidOf(reader.id), uuid);
    t.like(reader.facts, {
      bits,
      qber: block.qber,
      generatedAt: block.generatedAt,
      matchingModuleId: "QKD-B",
    });
    const back = Buffer.alloc(length);
    t.is(reader.byteLength, length);
    reader.take(back, 0);
    t.true(back.equals(key), `${length} bytes`);
  }
});

test("a payload with any of its bytes changed is read as it was, or refused, and never read as another", (t) => {
  const random = seeded(4);
  const reader = new SupplyReader();
  const keys = [32, 700].map((length) => randomBytes(length));
  for (let i = 0; i < rounds(40_000); i++) {
    const key = keys[i % keys.length] as Buffer;
    const change = {
      key: key.toString("base64"),
      key_length: key.length * 8,
      hash_value: sha256(key),
    };
    const payload = message(change);
    const changes = 1 + Math.floor(random() * 3);
    for (let k = 0; k < changes; k++) {
      payload[Math.floor(random() * payload.length)] = Math.floor(random() * 256);
    }
    const cut = random() < 0.2 ? Math.floor(random() * payload.length) : payload.length;
    const said = read(payload.subarray(0, cut), reader);
    if (random() < 0.3) read(message(change), reader);
    if (said.refusal !== undefined) continue;
    // What is read is what a parser of JSON reads, and the hash is right.
    const parsed = JSON.parse(payload.toString());
    t.is(said.id, parsed.key_ID.toLowerCase());
    t.is(said.facts?.moduleId, parsed.qkd_module_ID);
    t.is(said.key.toString("base64"), parsed.key);
    if (typeof parsed.hash_value === "string")
      t.is(sha256(said.key), parsed.hash_value.toLowerCase());
  }
});

test("each character of base64 at each place is read, and each other byte is refused", (t) => {
  for (const characters of [44, 400]) {
    const key = Buffer.alloc((characters / 4) * 3);
    for (let shift = 0; shift < 64; shift++) {
      for (let i = 0; i < characters; i++) {
        const six = (i + shift) & 63;
        const at = Math.floor(i / 4) * 3;
        const quad = key.readUIntBE(at, 3) & ~(63 << (18 - 6 * (i % 4)));
        key.writeUIntBE(quad | (six << (18 - 6 * (i % 4))), at, 3);
      }
      const change = { key: key.toString("base64"), key_length: undefined, hash_value: undefined };
      t.true(read(message(change)).key.equals(key));
    }
    const text = key.toString("base64");
    const good = /[A-Za-z0-9+/]/;
    const reader = new SupplyReader();
    for (let byte = 0; byte < 256; byte++) {
      const place = (byte * 37) % text.length;
      const payload = message({ key: text, key_length: undefined, hash_value: undefined });
      payload[payload.indexOf(text) + place] = byte;
      const isGood = good.test(String.fromCharCode(byte));
      t.is(read(payload, reader).refusal === undefined, isGood, `${byte} at ${place}`);
    }
  }
});
