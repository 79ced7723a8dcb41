import test from "ava";
import { generate, type Packet } from "mqtt-packet";
import { Fault } from "../../../../src/base/errors.ts";
import { PacketSieve, type Skipped } from "../../../../src/ops/mqtt/packet-sieve.ts";

const limit = 300;

function message(length: number, qos: 0 | 1 | 2, more: { topic?: string; id?: number } = {}) {
  const { topic = "a/b", id: messageId = 0x1234 } = more;
  const packet = { cmd: "publish", topic, payload: Buffer.alloc(length, 0xff), qos, messageId };
  return generate({ ...packet, dup: false, retain: false } as Packet);
}

/** The stream in parts of a size. */
function sieve(stream: Buffer, size: number) {
  const one = new PacketSieve(limit);
  const kept: Buffer[] = [];
  const skipped: Skipped[] = [];
  for (let at = 0; at < stream.length; at += size) {
    const part = one.take(Buffer.from(stream.subarray(at, at + size)));
    kept.push(...part.kept);
    skipped.push(...part.skipped);
  }
  return { kept: Buffer.concat(kept), skipped };
}

test("what is too long is left out, the rest kept byte for byte, wherever the stream is split", (t) => {
  const pong = Buffer.from([0xd0, 0]);
  const fits = message(limit - 8, 0);
  t.is(fits.length, limit);
  const good = [pong, fits, message(5, 1), message(0, 0), message(130, 0)];
  const long = [message(limit - 7, 0), message(20_000, 1, { topic: "x/ü", id: 7 })];
  const [first, second] = long as [Buffer, Buffer];
  const stream = Buffer.concat([...good, first, ...good, second, second, pong, first]);
  const rest = Buffer.concat([...good, ...good, pong]);
  const one = { topic: "a/b", bytes: limit + 1, messageId: undefined };
  const other = { topic: "x/ü", bytes: second.length, messageId: 7 };
  for (const size of [1, 2, 3, 7, 299, 1_000, stream.length]) {
    const { kept, skipped } = sieve(stream, size);
    t.true(kept.equals(rest), `in parts of ${size}`);
    t.deepEqual(skipped, [one, other, other, one], `in parts of ${size}`);
  }
});

test("of a message without end nothing is kept, and it is told when it is over", (t) => {
  const one = new PacketSieve(limit);
  // 256 MiB.
  one.take(Buffer.from([0x30, 0xff, 0xff, 0xff, 0x7f, 0x00, 0x01, 0x61]));
  let left = 268_435_455 - 3;
  const chunk = Buffer.alloc(8_388_608);
  while (left > chunk.length) {
    t.deepEqual(one.take(chunk), { kept: [], skipped: [] });
    left -= chunk.length;
  }
  const { kept, skipped } = one.take(Buffer.concat([chunk.subarray(0, left), message(1, 0)]));
  t.deepEqual(skipped, [{ topic: "a", bytes: 268_435_460, messageId: undefined }]);
  t.is(Buffer.concat(kept as Buffer[]).length, message(1, 0).length);
});

for (const [says, bytes, why] of [
  ["a message of QoS 2, at its first byte", Buffer.from([0x34]), /QoS/],
  ["a message of QoS 3", Buffer.from([0x36, 1]), /QoS/],
  ["anything else that is too long", Buffer.from([0x90, 0xff, 0xff, 0xff, 0x7f]), /too long/],
  ["a length of five bytes", Buffer.from([0x30, 0xff, 0xff, 0xff, 0xff, 1]), /no MQTT/],
  [
    "a topic that is longer than its message",
    Buffer.from([0x32, 0xff, 0x7f, 0x3f, 0xfe]),
    /no MQTT/,
  ],
] as const) {
  test(`it ends the connection: ${says}`, (t) => {
    // Not before its length is known.
    const one = new PacketSieve(limit);
    const error = t.throws(() => {
      for (const byte of bytes) one.take(Buffer.from([byte]));
      if (bytes.length === 1) one.take(Buffer.from([5]));
    });
    t.true(error instanceof Fault);
    t.regex(error?.message ?? "", why);
  });
}

test("no more of a topic is kept than is told", (t) => {
  const topic = "t".repeat(60_000);
  const { skipped } = sieve(message(10, 1, { topic, id: 65_535 }), 1_000);
  t.is(skipped[0]?.topic, "t".repeat(256));
  t.is(skipped[0]?.messageId, 65_535);
});
