import { createHash } from "node:crypto";
import test from "ava";
import { Fault } from "../../../../src/base/errors.ts";
import { longestKeyBits } from "../../../../src/node/custody/slices.ts";
import { type BlockFacts, QkdKey } from "../../../../src/port/key.ts";
import { parseSupplyAnswer } from "../../../../src/wire/kq1/answer.ts";
import { base64Length, writeBase64 } from "../../../../src/wire/kq1/base64.ts";
import { KqDeframer, writeHeader } from "../../../../src/wire/kq1/frame.ts";
import { header } from "../../../../src/wire/kq1/names.ts";
import { SupplyWriter } from "../../../../src/wire/kq1/supply.ts";

const id = "84dec66a-1dda-8876-bf0f-2f4a0d1b3c5e";
const facts: BlockFacts = {
  ref: { epoch: "0".repeat(16), number: 42 },
  bits: 256,
  qber: 0.0316,
  generatedAt: Date.UTC(2026, 0, 31, 12, 0, 0, 7),
};

function write(key: QkdKey, messageId = 1): Buffer {
  const writer = new SupplyWriter("QKD-A", "QKD-B");
  const target = Buffer.alloc(writer.bound(key));
  return target.subarray(0, writer.write(target, 0, messageId, key));
}

test("base64 is that of RFC 4648 for every length", (t) => {
  for (let length = 0; length <= 300; length++) {
    const bytes = Buffer.from(Array.from({ length }, (_, i) => (i * 151 + length) & 0xff));
    const target = Buffer.alloc(base64Length(length) + 3, 0x2e);
    const end = writeBase64(bytes, target, 1);
    t.is(end, 1 + base64Length(length));
    t.is(target.toString("latin1"), `.${bytes.toString("base64")}..`);
  }
});

test("a Key supply message is, byte for byte, what the profile says", (t) => {
  const bytes = Buffer.from("000102030405060708090a0b0c0d0e0f", "hex");
  const key = new QkdKey(id, { ...facts, bits: 128 }, bytes, 128);
  const hash = createHash("sha256").update(bytes).digest("hex");
  const payload =
    '{"qkd_module_ID":"QKD-A","matching_qkd_module_ID":"QKD-B",' +
    `"key_ID":"${id}","key_length":128,"generation_timestamp":"2026-01-31T12:00:00.007Z",` +
    `"hash_value":"sha-256:${hash}","extension":[{"qber":0.0316},{"sequence":42}],` +
    '"key":"AAECAwQFBgcICQoLDA0ODw=="}';
  const length = payload.length.toString(16).padStart(4, "0");
  const head = `0001${"01020304"}0001${length}`;
  t.is(write(key, 0x01020304).toString("hex"), head + Buffer.from(payload).toString("hex"));
});

test("what a module did not tell is left out", (t) => {
  const key = new QkdKey(id, { ref: facts.ref, bits: 11 }, Buffer.from([0xab, 0xc0]), 11);
  const members = JSON.parse(write(key).toString("utf8", header.length));
  t.deepEqual(Object.keys(members), [
    "qkd_module_ID",
    "matching_qkd_module_ID",
    "key_ID",
    "key_length",
    "hash_value",
    "extension",
    "key",
  ]);
  t.is(members.key_length, 11);
  t.is(members.key, "q8A=");
  t.deepEqual(members.extension, [{ sequence: 42 }]);
});

test("where a KM has no use for a hash, short and long messages are the same without", (t) => {
  const writers = [true, false].map((hashed) => new SupplyWriter("QKD-A", "QKD-B", hashed));
  for (const length of [16, 32, 32, 55, 56, 3_000, 16]) {
    const bytes = Buffer.alloc(length, length);
    const key = new QkdKey(id, facts, bytes, length * 8);
    const [withHash, without] = writers.map((writer) => {
      const target = Buffer.alloc(writer.bound(key));
      const end = writer.write(target, 0, 1, key);
      t.is(target.readUInt16BE(8), end - header.length);
      return JSON.parse(target.toString("utf8", header.length, end));
    });
    t.regex(withHash.hash_value, /^sha-256:[0-9a-f]{64}$/);
    delete withHash.hash_value;
    t.deepEqual(without, withHash);
    t.deepEqual(Object.keys(without), Object.keys(withHash));
  }
});

test("a key names the modules that its epoch is recorded for", (t) => {
  const before = "00000000000000aa";
  const pairOf = (epoch: string) =>
    epoch === before ? { moduleId: "QKD-A", matchingModuleId: "QKD-before" } : undefined;
  const writer = new SupplyWriter("QKD-A", "QKD-B", true, pairOf);
  const epochs = [facts.ref.epoch, before, facts.ref.epoch];
  const found = epochs.flatMap((epoch) =>
    [32, 3_000].map((length) => {
      const block = { ...facts, ref: { epoch, number: 1 } };
      const key = new QkdKey(id, block, Buffer.alloc(length, 7), length * 8);
      const target = Buffer.alloc(writer.bound(key));
      const end = writer.write(target, 0, 1, key);
      return JSON.parse(target.toString("utf8", header.length, end)).matching_qkd_module_ID;
    }),
  );
  t.deepEqual(found, ["QKD-B", "QKD-B", "QKD-before", "QKD-before", "QKD-B", "QKD-B"]);
});

test("module IDs of any characters are JSON", (t) => {
  const name = '"\\\u0000é漢';
  const writer = new SupplyWriter(name, "");
  const key = new QkdKey(id, facts, Buffer.alloc(32), 256);
  const target = Buffer.alloc(writer.bound(key));
  const end = writer.write(target, 0, 1, key);
  t.is(JSON.parse(target.toString("utf8", header.length, end)).qkd_module_ID, name);
});

test("the longest key fits one message with the longest names, and a longer one is refused", (t) => {
  const writer = new SupplyWriter("\u0001".repeat(128), "\u0001".repeat(128));
  const longest = new QkdKey(id, facts, Buffer.alloc(longestKeyBits / 8, 0xff), longestKeyBits);
  t.notThrows(() => writer.write(Buffer.alloc(writer.bound(longest)), 0, 1, longest));
  const bits = 400_000;
  const long = new QkdKey(id, facts, Buffer.alloc(bits / 8, 0xff), bits);
  const target = Buffer.alloc(writer.bound(long));
  const error = t.throws(() => writer.write(target, 0, 1, long), { instanceOf: Fault });
  t.regex(error?.message ?? "", /too long/);
  t.true(
    target.every((byte) => byte === 0),
    "nothing of the key is left behind",
  );
});

test("a stream cut anywhere gives the same frames", (t) => {
  const frames = [0, 1, 300].map((length, i) => {
    const frame = Buffer.alloc(header.length + length, 0x61 + i);
    writeHeader(frame, 0, 1000 + i, 2, length);
    return frame;
  });
  const stream = Buffer.concat(frames);
  for (let cut = 0; cut <= stream.length; cut++) {
    const seen: string[] = [];
    const deframer = new KqDeframer(({ messageId, command, payload }) =>
      seen.push(`${messageId} ${command} ${payload.toString("latin1")}`),
    );
    deframer.push(stream.subarray(0, cut));
    deframer.push(stream.subarray(cut));
    t.deepEqual(seen, ["1000 2 ", "1001 2 b", `1002 2 ${"c".repeat(300)}`]);
  }
});

test("a frame that comes byte by byte, and the longest one, are read", (t) => {
  const frame = Buffer.alloc(header.length + header.maxPayload, 0x78);
  writeHeader(frame, 0, 0xffffffff, 2, header.maxPayload);
  let lengths: number[] = [];
  const deframer = new KqDeframer(({ payload }) => lengths.push(payload.length));
  for (const byte of frame) deframer.push(Buffer.from([byte]));
  deframer.push(frame);
  t.deepEqual(lengths, [65_535, 65_535]);
  lengths = [];
});

test("another version ends the stream with a fault that names it", (t) => {
  const frame = Buffer.alloc(header.length);
  writeHeader(frame, 0, 1, 2, 0);
  frame[1] = 9;
  const deframer = new KqDeframer(() => t.fail("handed on"));
  const error = t.throws(() => deframer.push(frame), { instanceOf: Fault });
  t.deepEqual((error as Fault).facts, {
    version: 9,
    expected: 1,
    message_id: 1,
    command: 2,
  });
});

test("a good answer is read, whatever else is in it", (t) => {
  const answer = { key_ID: id.toUpperCase(), response: "success", extension: [{ x: 1 }], y: null };
  t.deepEqual(parseSupplyAnswer(Buffer.from(JSON.stringify(answer))), {
    keyId: id,
    response: "success",
  });
});

test("a refusal that can't name its key is a refusal all the same", (t) => {
  for (const text of ['{"key_ID":"","response":"invalid_message"}', '{"response":"busy"}']) {
    t.is(parseSupplyAnswer(Buffer.from(text)).keyId, undefined);
  }
});

test("a bad answer is a fault that quotes nothing of it", (t) => {
  const secret = "c2VjcmV0IGtleSBieXRlcyBoZXJl";
  const bad = [
    secret,
    `{"key":"${secret}"`,
    `["${secret}"]`,
    "null",
    "",
    `{"key_ID":"${secret}","response":"success"}`,
    `{"key_ID":"${id}"}`,
    `{"key_ID":"${id}","response":"${secret} ${secret}"}`,
    `{"key_ID":"${id}","response":"${"x".repeat(65)}"}`,
    `{"key_ID":7,"response":"success"}`,
    `{"response":"success"}`,
  ];
  for (const text of bad) {
    const error = t.throws(() => parseSupplyAnswer(Buffer.from(text)), { instanceOf: Fault });
    t.false(JSON.stringify([error?.message, error?.stack, error?.cause]).includes(secret));
  }
});

test("random bytes never make the deframer or the answer parser throw anything but a fault", (t) => {
  let state = 12345;
  const byte = () => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return state >>> 24;
  };
  for (let round = 0; round < 5_000; round++) {
    const bytes = Buffer.from(Array.from({ length: byte() % 64 }, byte));
    // Half of them with a right version, so that the rest is looked at too.
    if (round % 2 === 0 && bytes.length > 1) bytes.writeUInt16BE(1);
    const deframer = new KqDeframer(({ payload }) => {
      try {
        parseSupplyAnswer(payload);
      } catch (error) {
        t.true(error instanceof Fault);
      }
    });
    try {
      deframer.push(bytes);
    } catch (error) {
      t.true(error instanceof Fault);
    }
  }
  t.pass();
});
