import { createHash } from "node:crypto";
import test from "ava";
import { idsOf } from "../../../../src/km/store/key-run.ts";
import { singleKeys } from "../../../../src/km/supply/offered.ts";
import {
  cutExtents,
  cutUses,
  decodePayload,
  digestOf,
  encodeFrame,
  encodePayload,
  keysThatFitOffer,
} from "../../../../src/wire/kx/codec.ts";
import type {
  ExtentBook,
  KxMessage,
  Offer,
  OfferedKeys,
  Propose,
  UseBook,
  VersionedRange,
} from "../../../../src/wire/kx/messages.ts";
import { command, limits } from "../../../../src/wire/kx/names.ts";
import { rounds } from "../../../campaign-scale.ts";
import { faultOf } from "../../../fault-of.ts";
import { random } from "../../../random.ts";
import { drawKx, type KxType, kxTypes } from "../../../rig/kx-messages.ts";

const decode = (message: KxMessage) => decodePayload(command[message.type], encodePayload(message));
const { digest: _, ...propose } = decode(drawKx("propose", random(1))) as Propose;
const hello = drawKx("hello", random(1)) as KxMessage & { type: "hello" };

for (const type of kxTypes) {
  test(`${type}: what is decoded is what was encoded, and nothing of it points into the frame`, (t) => {
    const draw = random(7);
    for (let n = 0; n < 100; n++) {
      const message = drawKx(type, draw);
      const payload = encodePayload(message);
      const { digest, ...heard } = decodePayload(command[type], payload) as Propose;
      const withDigest = type === "propose" || type === "offer" ? heard : { ...heard, digest };
      t.deepEqual(JSON.parse(JSON.stringify(withDigest)), JSON.parse(JSON.stringify(message)));
      const again = encodePayload({ ...heard, digest } as KxMessage);
      t.deepEqual(again, payload);
      payload.fill(0);
      t.deepEqual(encodePayload({ ...heard, digest } as KxMessage), again);
    }
  });

  test(`${type}: cut short at any byte, or a byte too long, it is an error that says where`, (t) => {
    const draw = random(11);
    for (let n = 0; n < 10; n++) {
      const payload = encodePayload(drawKx(type, draw));
      for (let length = 0; length < payload.length; length++) {
        const fault = faultOf(() => decodePayload(command[type], payload.subarray(0, length)));
        t.is(fault?.code, "kx.message", `${length} of ${payload.length}`);
        t.true((fault?.facts.offset as number) <= length);
        t.is(typeof fault?.facts.field, "string");
      }
      const longer = Buffer.concat([payload, Buffer.alloc(1)]);
      const fault = faultOf(() => decodePayload(command[type], longer));
      t.like(fault, { code: "kx.message", facts: { message: type, offset: payload.length } });
    }
  });
}

test("whatever bytes come, they are one message that has these bytes, or a typed error", (t) => {
  const draw = random(Number(process.env.KX_FUZZ_SEED ?? 22));
  const tries = Number(process.env.KX_FUZZ_ROUNDS ?? rounds(66_667));
  let good = 0;
  for (let n = 0; n < tries; n++) {
    const type = kxTypes[Math.floor(draw() * kxTypes.length)] as KxType;
    let payload = encodePayload(drawKx(type, draw));
    if (draw() < 0.3) payload = payload.subarray(0, Math.floor(draw() * payload.length));
    for (let flips = draw() * 4; flips >= 1 && payload.length > 0; flips--) {
      const value = draw() < 0.5 ? 0xff : draw() * 256;
      // Lengths and codes are rather at the beginning.
      payload[Math.floor(draw() ** 2 * payload.length)] = value;
    }
    if (draw() < 0.1)
      payload = Buffer.from(Array.from({ length: draw() * 99 }, () => draw() * 256));
    const fault = faultOf(() => {
      const message = decodePayload(command[type], payload);
      good++;
      if (!encodePayload(message).equals(payload)) t.fail(`round ${n}: ${type} reads otherwise`);
    });
    if (fault !== undefined && !/^kx\.(message|version)$/.test(fault.code)) t.fail(`round ${n}`);
  }
  t.true(good > tries / 10);
});

test("a count that nothing follows is an error at the first item", (t) => {
  const fault = faultOf(() => decodePayload(command.syncUses, Buffer.from("ffff", "hex")));
  t.like(fault, { code: "kx.message", facts: { field: "id", offset: 2 } });
});

test("the digest of a proposal is over all before its tag: it is the same in each session", (t) => {
  const one = decode(propose) as Propose;
  const two = decode({ ...propose, tag: Buffer.alloc(16, 9) }) as Propose;
  const other = decode({ ...propose, unit: propose.unit + 1 }) as Propose;
  const payload = encodePayload(propose);
  const expected = createHash("sha256").update(payload.subarray(0, -16)).digest();
  t.deepEqual(one.digest, expected);
  t.deepEqual(two.digest, expected);
  t.deepEqual(digestOf(propose), expected);
  t.notDeepEqual(other.digest, expected);
});

test("the digest of an offer is over all of it", (t) => {
  const offer = drawKx("offer", random(3)) as Offer;
  const expected = createHash("sha256").update(encodePayload(offer)).digest();
  t.deepEqual((decode(offer) as Offer).digest, expected);
  t.deepEqual(digestOf(offer), expected);
});

test("a HELLO of another version is known as such, whatever follows in it", (t) => {
  const fault = faultOf(() => decodePayload(command.hello, Buffer.from("0003ff", "hex")));
  t.like(fault, { code: "kx.version", facts: { version: 3, expected: 2 } });
});

test("an unknown command is an error", (t) => {
  t.like(
    faultOf(() => decodePayload(0x0001, Buffer.alloc(0))),
    { code: "kx.message", facts: { command: 1 } },
  );
});

test("the largest batch, its refusal and its end fit a frame", (t) => {
  const ids = Buffer.alloc(16 * limits.batchKeys, 1);
  const name = "😀".repeat(limits.name);
  const lengths = Array.from({ length: limits.batchKeys }, () => limits.keyBytes);
  const large: Propose = { ...propose, modules: [name, name], ids, lengths };
  t.is((decode(large) as Propose).lengths.length, limits.batchKeys);
  t.true(encodeFrame(large, 1).length <= 65_545);
  t.notThrows(() => decode({ type: "noMatch", number: 1, reason: "lacking", lacking: ids }));
  t.notThrows(() => decode({ type: "abort", number: 1, void: ids }));
});

test("what does not fit a frame, or is out of its range, is not encoded", (t) => {
  const range = { extent: 1, start: 0, end: 32, version: 0 };
  const key = {
    id: "00".repeat(16),
    count: 1,
    ranges: Array(limits.ranges).fill(range),
  };
  const offer: Offer = {
    type: "offer",
    offer: Buffer.alloc(24),
    pickUp: 60,
    keys: Array(9).fill(key),
    tag: Buffer.alloc(16),
  };
  const one = Buffer.alloc(16);
  const wrong: readonly [KxMessage, string][] = [
    [offer, "end"],
    [{ ...offer, keys: [] }, "keys"],
    [{ ...offer, keys: [{ ...key, id: "00".repeat(15) }] }, "id"],
    [{ ...offer, keys: [{ ...key, id: "0g".repeat(16) }] }, "id"],
    [{ ...offer, keys: [{ ...key, count: 3 }] }, "ranges"],
    [{ ...offer, offer: one }, "offer"],
    [{ ...propose, number: 0 }, "number"],
    [{ ...propose, ids: Buffer.alloc(17) }, "lengths"],
    [{ ...propose, lengths: [...propose.lengths, 1] }, "lengths"],
    [{ ...propose, ids: one, lengths: [limits.keyBytes + 1], split: 0 }, "lengths"],
    [{ ...propose, ids: one, lengths: [5], split: 6 }, "split"],
    [{ ...hello, from: "" }, "from"],
    [{ ...hello, from: "x".repeat(129) }, "from"],
    [{ ...hello, to: "a\nb" }, "to"],
    [{ ...hello, to: "\ud800" }, "to"],
    [{ type: "give", range: { ...range, end: 0 } }, "end"],
    [{ type: "fateOk", number: 2 ** 53 }, "number"],
    [{ type: "fateOk", number: 0.5 }, "number"],
    [{ type: "abort", number: 1, void: Buffer.alloc(15) }, "void"],
  ];
  for (const [message, field] of wrong) {
    const fault = faultOf(() => encodePayload(message));
    t.like(fault, { code: "kx.message", facts: { field } }, field);
  }
});

test("long books are cut into frames that are each as full as they can be", (t) => {
  const regions = Array.from({ length: 100 }, (_, n) => {
    return { start: n, end: n + 1, version: 0, mark: n, giving: false };
  });
  const extents: ExtentBook[] = Array.from({ length: 1_000 }, (_, n) => {
    return { number: n + 1, state: "M", digest: Buffer.alloc(32), length: 99, regions };
  });
  const uses: UseBook[] = Array.from({ length: 5_000 }, (_, n) => {
    const id = Buffer.alloc(16, n % 256);
    return { id, offer: Buffer.alloc(24), owner: true, state: "S", had: 0, ranges: [] };
  });
  const first = [...cutExtents(extents)];
  const second = [...cutUses(uses)];
  t.deepEqual(
    first.flatMap((part) => part.extents),
    extents,
  );
  t.deepEqual(
    second.flatMap((part) => part.uses),
    uses,
  );
  const lengths = (parts: readonly KxMessage[]) => parts.map((part) => encodePayload(part).length);
  t.true(
    lengths(first)
      .slice(0, -1)
      .every((length) => length > 65_535 - 1_747 - 1),
  );
  t.true(
    lengths(second)
      .slice(0, -1)
      .every((length) => length > 65_535 - 46),
  );
  t.deepEqual([...cutExtents([])], []);
  t.deepEqual([...cutUses([])], []);
});

test("keys that count up and lie one after the other are one entry, and on the wire each is named", (t) => {
  const next = random(3);
  const below = (most: number) => Math.floor(next() * most);
  const drawRanges = (bytes: number): VersionedRange[] => {
    const ranges: VersionedRange[] = [];
    for (let left = bytes; left > 0; ) {
      const length = Math.min(left, 1 + below(80));
      const start = below(1_000) * 100;
      ranges.push({ extent: 1 + below(5), start, end: start + length, version: below(3) });
      left -= length;
    }
    return ranges;
  };
  const of = (keys: readonly OfferedKeys[]): Offer => {
    return { type: "offer", offer: Buffer.alloc(24), pickUp: 60, keys, tag: Buffer.alloc(16) };
  };
  for (let round = 0; round < 300; round++) {
    const count = 2 + below(40);
    const ranges = drawRanges(count * (1 + below(64)));
    const stem = Buffer.from(Array.from({ length: 14 }, () => below(256))).toString("hex");
    const run = { id: `${stem}${next() < 0.5 ? "fff0" : "0012"}`, count, ranges };
    const other = { id: "ee".repeat(16), count: 1 + below(3), ranges: drawRanges(60) };
    const payload = encodePayload(of([run, other]));
    const each = [run, other].flatMap((one) => singleKeys([one]));
    t.deepEqual(encodePayload(of(each)), payload);
    const { keys } = decodePayload(command.offer, payload) as Offer;
    t.deepEqual(idsOf(keys), idsOf([run, other]));
    t.deepEqual(
      keys.map((one) => one.count),
      [run.count, other.count],
    );
    t.deepEqual(singleKeys(keys), each);
    t.deepEqual(encodePayload(of(keys)), payload);
  }
  // In pieces that a key could have as one: as they came.
  const half = (start: number) => ({ extent: 1, start, end: start + 16, version: 0 });
  const cut = of([
    { id: "00".repeat(16), count: 1, ranges: [half(0), half(16)] },
    { id: `${"00".repeat(15)}01`, count: 1, ranges: [half(32), half(48)] },
  ]);
  const payload = encodePayload(cut);
  t.deepEqual((decodePayload(command.offer, payload) as Offer).keys, cut.keys);
});

test("as many keys as are told fit an offer, and one more does not", (t) => {
  const range = { extent: 1, start: 0, end: 32, version: 0 };
  for (const [use, each] of [
    [undefined, 1],
    ["app-a app-b", 1],
    ["€".repeat(600), 2],
    ["app-a app-b", 700],
    [undefined, limits.ranges],
  ] as const) {
    const ranges = Array.from({ length: 2_000 * each }, () => range);
    const most = keysThatFitOffer(use, ranges, 32 * each, 2_000);
    const offer = (keys: number): Offer => ({
      type: "offer",
      offer: Buffer.alloc(24),
      ...(use !== undefined && { use }),
      pickUp: 60,
      keys: [{ id: "00".repeat(16), count: keys, ranges: ranges.slice(0, keys * each) }],
      tag: Buffer.alloc(16),
    });
    t.notThrows(() => encodePayload(offer(most)));
    t.is(faultOf(() => encodePayload(offer(most + 1)))?.code, "kx.message");
  }
  const long = Array(limits.ranges + 1).fill(range);
  t.is(keysThatFitOffer(undefined, long, 32 * long.length, 1), 0);
  t.is(keysThatFitOffer(undefined, [], 32, 0), 0);
});

test("the largest book of an extent fits a frame", (t) => {
  const region = { start: 0, end: 1, version: 0, mark: 0, giving: true };
  const book: ExtentBook = {
    number: 1,
    state: "M",
    digest: Buffer.alloc(32),
    length: limits.extentBytes,
    regions: Array(limits.regions).fill(region),
  };
  t.is([...cutExtents([book, book])].length, 2);
});

test("the longest relay over the longest route fits a frame, and a longer route is refused", (t) => {
  const relay = drawKx("relay", random(1)) as KxMessage & { type: "relay" };
  const km = (i: number) => `${i}`.padEnd(128, "k");
  const message = {
    ...relay,
    path: Array.from({ length: limits.routeKms }, (_, i) => km(i)),
    collector: "😀".repeat(128),
    at: 31,
    body: Buffer.alloc(limits.relayBody),
  };
  t.true(encodePayload(message).length <= 65_535);
  const path = ["ß".repeat(128), ...message.path.slice(1)];
  t.like(
    faultOf(() => encodePayload({ ...message, path })),
    {
      code: "kx.message",
      facts: { field: "path" },
    },
  );
});
