import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import test from "ava";
import { engineCode, relayCode } from "../../../../scripts/wasm/assemble.ts";
import { isTag, oneTimeTag } from "../../../../src/km/relay/one-time-mac.ts";
import { random } from "../../../random.ts";

/** Changed messages that are tried, over all parts. */
const tries = 1_000_000;

const hex = (text: string) => Buffer.from(text.replaceAll(" ", ""), "hex");

/** RFC 8439 §2.5.2 and Appendix A.3. */
const vectors: readonly (readonly [key: string, text: Buffer, tag: string])[] = [
  [
    "85d6be7857556d337f4452fe42d506a80103808afb0db2fd4abff6af4149f51b",
    Buffer.from("Cryptographic Forum Research Group"),
    "a8061dc1305136c6c22b8baf0c0127a9",
  ],
  ["00".repeat(32), Buffer.alloc(64), "00".repeat(16)],
  // 7: 2¹³⁰ − 5 is 0.
  [`02${"00".repeat(31)}`, hex("ff".repeat(16)), `03${"00".repeat(15)}`],
  // 8: the sum with s is modulo 2¹²⁸.
  [`02${"00".repeat(15)}${"ff".repeat(16)}`, hex(`02${"00".repeat(15)}`), `03${"00".repeat(15)}`],
  [
    `01${"00".repeat(31)}`,
    hex(`${"ff".repeat(16)} f0${"ff".repeat(15)} 11${"00".repeat(15)}`),
    `05${"00".repeat(15)}`,
  ],
  [
    `01${"00".repeat(31)}`,
    hex(`${"ff".repeat(16)} fb${"fe".repeat(15)} ${"01".repeat(16)}`),
    "00".repeat(16),
  ],
  [`02${"00".repeat(31)}`, hex(`fd${"ff".repeat(15)}`), `fa${"ff".repeat(15)}`],
  [
    `01${"00".repeat(7)}04${"00".repeat(23)}`,
    hex(
      `e33594d7505e43b9${"00".repeat(8)}33 94d7505e4379cd01${"00".repeat(7)}${"00".repeat(16)}01${"00".repeat(15)}`,
    ),
    `14${"00".repeat(7)}55${"00".repeat(7)}`,
  ],
];

for (const [i, [key, text, tag]] of vectors.entries()) {
  test(`vector ${i + 1} of RFC 8439`, (t) => {
    t.is(oneTimeTag(hex(key), text).toString("hex"), tag);
  });
}

/** The definition, in whole numbers. */
function byDefinition(key: Uint8Array, text: Uint8Array): bigint {
  const number = (bytes: Uint8Array) =>
    bytes.reduceRight((sum, byte) => sum * 256n + BigInt(byte), 0n);
  const r = number(key.subarray(0, 16)) & 0x0ffffffc0ffffffc0ffffffc0fffffffn;
  let sum = 0n;
  for (let at = 0; at < text.length; at += 16) {
    const block = text.subarray(at, at + 16);
    sum = ((sum + number(block) + (1n << BigInt(8 * block.length))) * r) % ((1n << 130n) - 5n);
  }
  return (sum + number(key.subarray(16))) % (1n << 128n);
}

test("it is what its definition says, for texts of any length and extreme bytes", (t) => {
  const draw = random(3);
  for (let n = 0; n < 2_000; n++) {
    const all = (length: number) =>
      n % 3 === 0
        ? Buffer.alloc(length, 255)
        : Buffer.from(Array.from({ length }, () => draw() * 256));
    const [key, text] = [all(32), all(n % 130)];
    const tag = Buffer.alloc(16);
    let left = byDefinition(key, text);
    for (let i = 0; i < 16; i++, left >>= 8n) tag[i] = Number(left & 255n);
    t.true(oneTimeTag(key, text).equals(tag), `text ${n}`);
  }
});

test("its code is what the text of it assembles to", async (t) => {
  const file = new URL(relayCode.file, relayCode.folder);
  t.is(readFileSync(file, "utf8"), await engineCode(relayCode), "run node scripts/wasm/main.ts");
});

test("a text in parts has the tag of the whole, however long it is and wherever it is cut", (t) => {
  const draw = random(4);
  for (const length of [0, 1, 15, 16, 17, 65_535, 65_536, 65_537, 131_072, 200_003]) {
    const [key, text] = [randomBytes(32), randomBytes(length)];
    const tag = oneTimeTag(key, text);
    const value = tag.reduceRight((sum, byte) => sum * 256n + BigInt(byte), 0n);
    t.is(value, byDefinition(key, text), `${length} bytes`);
    for (let n = 0; n < 4; n++) {
      const [a, b] = [draw(), draw()]
        .map((part) => Math.floor(part * length))
        .sort((x, y) => x - y);
      const parts = [text.subarray(0, a), text.subarray(a, b), text.subarray(b)];
      t.true(isTag(key, tag, ...parts), `${length} bytes, cut at ${a} and ${b}`);
    }
  }
});

for (let part = 0; part < 10; part++) {
  test(`of ${tries.toLocaleString("en")} messages with a changed bit none passes, part ${part}`, (t) => {
    const draw = random(part);
    const bytes = (length: number) => Buffer.from(Array.from({ length }, () => draw() * 256));
    const text = bytes(160);
    const key = bytes(32);
    let tag = oneTimeTag(key, text);
    let passed = 0;
    for (let n = 0; n < tries / 10; n++) {
      if (n % 100 === 0) {
        key.writeUInt32LE(n, 0);
        tag = oneTimeTag(key, text);
      }
      const at = Math.floor(draw() * text.length);
      const bit = 1 << Math.floor(draw() * 8);
      text[at] = (text[at] as number) ^ bit;
      if (isTag(key, tag, text)) passed++;
      text[at] = (text[at] as number) ^ bit;
    }
    t.is(passed, 0);
  });
}

test("a byte that was changed anywhere is another message, and a tag of another length is none", (t) => {
  const [key, text] = [randomBytes(32), randomBytes(200)];
  const tag = oneTimeTag(key, text);
  t.true(isTag(key, tag, text));
  t.false(isTag(key, tag.subarray(1), text));
  for (let i = 0; i < text.length; i++) {
    const other = Buffer.from(text);
    other[i] = (other[i] as number) ^ (1 + (i % 255));
    t.false(isTag(key, tag, other));
  }
  t.false(isTag(key, tag, text, Buffer.alloc(1)));
});
