import test from "ava";
import { encodeRecord, RecordView, viewsIn } from "../../../../src/km/records/codec.ts";
import {
  kmaKeyId,
  kmaKeyOf,
  linkPart,
  parseUuid,
  uuid,
} from "../../../../src/km/records/kma-key-id.ts";
import { type LifeRecord, recordKinds } from "../../../../src/km/records/record.ts";
import { random } from "../../../random.ts";

const record: LifeRecord = {
  kind: "matched",
  at: Date.parse("2026-01-31T12:00:00.123Z"),
  ids: Buffer.from(Array.from({ length: 48 }, (_, i) => i)),
  ranges: [
    { extent: 7, key: 0, start: 0, end: 96 },
    { extent: 2 ** 48 - 1, key: 2, start: 5, end: 0xffff_ffff },
  ],
  facts: {
    link: "fibre",
    kms: ["km-a", "km-b"],
    modules: [["A", "B"]],
    runs: [
      [2, 256, 1_000, 900, 0.02, 0],
      [1, 257, 1_001, null, null, 0],
    ],
    unit: 32,
    split: 48,
    leads: true,
  },
};

test("a record of each kind is the same after it was read", (t) => {
  for (const kind of recordKinds) {
    const one = { ...record, kind };
    t.deepEqual(new RecordView(encodeRecord(one)).decode(), one);
  }
});

test("the bytes of a record stay what they were: files outlive versions", (t) => {
  const plain: LifeRecord = {
    kind: "use",
    at: 0x0102_0304_0506,
    ids: Buffer.alloc(16, 0xaa),
    ranges: [{ extent: 0x0a0b_0c0d_0e0f, key: 0x1112, start: 0x1314_1516, end: 0x1718_191a }],
    facts: { state: "S" },
  };
  t.is(
    encodeRecord(plain).toString("hex"),
    [
      "0000003c06010203040506",
      "0000000100000001",
      "aa".repeat(16),
      "0a0b0c0d0e0f1112131415161718191a",
      Buffer.from('{"state":"S"}').toString("hex"),
    ].join(""),
  );
});

/** Three keys of one request, whose IDs count over their end, one more, and two of another. */
const several: LifeRecord = {
  kind: "use",
  at: 0x0102_0304_0506,
  ids: Buffer.concat([
    Buffer.from(`${"aa".repeat(14)}ffff`, "hex"),
    Buffer.alloc(16, 0xbb),
    Buffer.alloc(16, 0xcc),
  ]),
  counts: [3, 1, 2],
  ranges: [
    { extent: 1, key: 0, start: 64, end: 100 },
    { extent: 2, key: 0, start: 0, end: 60 },
    { extent: 2, key: 1, start: 60, end: 92 },
    { extent: 3, key: 2, start: 0, end: 16 },
  ],
  facts: { state: "B" },
};

test("keys that count up are written once, and read each for itself", (t) => {
  const bytes = encodeRecord(several);
  t.is(bytes.readUInt8(4), 6 + 128);
  const view = new RecordView(bytes);
  const { ids, ranges, ...rest } = view.decode();
  t.deepEqual(rest, { kind: "use", at: several.at, facts: several.facts });
  const stem = "aa".repeat(14);
  t.deepEqual(ids.toString("hex").match(/.{32}/g), [
    ...[`${stem}ffff`, `${stem}0000`, `${stem}0001`, "bb".repeat(16)],
    ...["cc".repeat(16), `${"cc".repeat(15)}cd`],
  ]);
  t.deepEqual(ranges, [
    { extent: 1, key: 0, start: 64, end: 96 },
    { extent: 1, key: 1, start: 96, end: 100 },
    { extent: 2, key: 1, start: 0, end: 28 },
    { extent: 2, key: 2, start: 28, end: 60 },
    { extent: 2, key: 3, start: 60, end: 92 },
    { extent: 3, key: 4, start: 0, end: 8 },
    { extent: 3, key: 5, start: 8, end: 16 },
  ]);
  for (let i = 0; i < 6; i++) t.is(view.indexOf(ids.subarray(16 * i, 16 * i + 16)), i);
  for (const id of [`${stem}0002`, `${stem}fffe`, `${"cc".repeat(15)}ce`, "dd".repeat(16)]) {
    t.is(view.indexOf(Buffer.from(id, "hex")), -1, id);
  }
  t.true(view.touches(2, 30, 31));
  t.false(view.touches(1, 100, 200));
});

test("IDs and extents are found without decoding, at their places only", (t) => {
  const view = new RecordView(encodeRecord(record));
  t.is(view.indexOf(record.ids.subarray(32, 48)), 2);
  t.is(view.indexOf(record.ids.subarray(8, 24)), -1, "it lies across two IDs");
  t.true(view.touches(7, 95, 100));
  t.false(view.touches(7, 96, 100));
  t.false(view.touches(8, 0, 96));
  t.true(view.touchesAny(new Set([2 ** 48 - 1])));
  t.false(view.touchesAny(new Set([1])));
});

test("bytes from elsewhere are refused, and never read beyond their end", (t) => {
  const draw = random(5);
  const all = [encodeRecord(record), encodeRecord(several)];
  for (let i = 0; i < 6_000; i++) {
    const good = all[i % 2] as Buffer;
    const bytes = Buffer.from(good.subarray(0, Math.floor(draw() * (good.length + 1))));
    for (let k = 0; k < 3; k++) bytes[Math.floor(draw() * bytes.length)] = Math.floor(draw() * 256);
    try {
      for (const view of viewsIn(bytes)) {
        view.decode();
        view.indexOf(record.ids.subarray(0, 16));
      }
    } catch (error) {
      t.like(error, { code: "km_store.corrupt" });
    }
  }
  t.pass();
});

test("a KMA-key's ID is a UUID of version 8, the same at both ends, and names its unit", (t) => {
  const link = linkPart(["km-alice", "km-bob"]);
  t.deepEqual(link, linkPart(["km-bob", "km-alice"]));
  for (const [extent, unit] of [
    [1, 0],
    [2 ** 48 - 1, 2 ** 26 - 1],
    [123_456_789, 4_095],
  ] as const) {
    const id = kmaKeyId(link, extent, unit);
    t.regex(uuid(id), /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    t.deepEqual(kmaKeyOf(link, id), { extent, unit });
    t.is(kmaKeyOf(linkPart(["km-alice", "km-carol"]), id), undefined);
  }
  t.is(uuid(kmaKeyId(link, 1, 0)), uuid(parseUuid(uuid(kmaKeyId(link, 1, 0))) as Buffer));
  t.is(parseUuid("12"), undefined);
});

test("the ID of a known KMA-key never changes", (t) => {
  t.is(
    uuid(kmaKeyId(linkPart(["km-alice", "km-bob"]), 5, 3)),
    "03bda72d-aa03-8000-8000-000014000003",
  );
});
