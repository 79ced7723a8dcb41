import { readdirSync, readFileSync } from "node:fs";
import test from "ava";
import { decodePayload, encodeFrame } from "../../../../src/wire/kx/codec.ts";
import type { KxMessage } from "../../../../src/wire/kx/messages.ts";
import { command } from "../../../../src/wire/kx/names.ts";

const folder = new URL("../../../fixtures/kx/", import.meta.url);
const of = (byte: number, length: number) => Buffer.alloc(length, byte);

const offer = Buffer.concat([of(0x0f, 16), Buffer.from("0000000000000007", "hex")]);
const id = of(0x1d, 16);
const use = "app-a app-b";
const range = { extent: 11, start: 1_024, end: 2_048, version: 1 };
const batch = Buffer.from(
  "e577b8e05e64754ea2ddfec696ce2f183fe7f33b295e3f086c90da70ace05431",
  "hex",
);
const offered = Buffer.from(
  "b781034db8e5a1cd1dc187539df4e3cef57111b0b9554c610329d6023e0badfb",
  "hex",
);

/** In the order of their MessageIDs. */
const messages: readonly KxMessage[] = [
  {
    type: "hello",
    version: 1,
    from: "km-a",
    to: "km-ß",
    incarnation: of(1, 16),
    nonce: of(2, 16),
    policy: of(3, 32),
  },
  {
    type: "sync",
    mark: 2 ** 32 + 5,
    heardMark: 9,
    highest: 12,
    told: { number: 3, taken: 64, expired: 32 },
    heard: { number: 4, taken: 96, expired: 0 },
  },
  {
    type: "syncExtents",
    extents: [
      {
        number: 11,
        state: "M",
        digest: of(0xd1, 32),
        length: 4_096,
        regions: [
          { start: 0, end: 2_048, version: 0, mark: 512, giving: false },
          { start: 2_048, end: 4_096, version: 1, mark: 2_048, giving: true },
        ],
      },
      { number: 12, state: "R", digest: of(0xd2, 32), length: 64, regions: [] },
    ],
  },
  {
    type: "syncUses",
    uses: [
      {
        id,
        offer,
        owner: true,
        state: "S",
        fate: "T",
        had: 1,
        use,
        ranges: [{ extent: 11, start: 0, end: 32 }],
      },
      { id: of(0x2d, 16), offer, owner: false, state: "B", had: 0, ranges: [] },
    ],
  },
  { type: "syncEnd" },
  { type: "alive" },
  {
    type: "propose",
    number: 13,
    modules: ["QKD-A-0001", "QKD-B-0001"],
    unit: 32,
    split: 32,
    ids: Buffer.concat([of(0xa1, 16), of(0xa2, 16)]),
    lengths: [32, 48],
    tag: of(0x7a, 16),
    digest: batch,
  },
  { type: "match", number: 13, digest: batch },
  { type: "noMatch", number: 13, reason: "lacking", lacking: of(0xa2, 16) },
  { type: "commit", number: 13 },
  { type: "abort", number: 13, void: of(0xa1, 16) },
  {
    type: "offer",
    offer,
    use,
    pickUp: 3_600,
    keys: [
      {
        id,
        ranges: [
          { extent: 11, start: 16, end: 32, version: 0 },
          { extent: 13, start: 0, end: 16, version: 2 },
        ],
      },
    ],
    tag: of(0x7b, 16),
    digest: offered,
  },
  { type: "ack", offer, digest: offered, refused: [undefined, "policy"] },
  { type: "assign", offer, id, use },
  { type: "void", offer, id, ranges: [{ extent: 11, start: 32, end: 64 }] },
  { type: "take", offer, id, slave: 0 },
  { type: "taken", offer, id, slave: 2, yes: true },
  { type: "fate", number: 5, offer, id, fate: "X", length: 32 },
  { type: "fateOk", number: 5 },
  { type: "give", range },
  { type: "given", range },
  { type: "ask", bytes: 65_536 },
  {
    type: "relay",
    relay: of(0x4e, 16),
    pad: of(0x9d, 16),
    scheme: "centralized",
    step: "xor",
    path: ["km-a", "km-ß", "km-c"],
    collector: "km-z",
    at: 1,
    time: 1_700_000_000_123,
    length: 3,
    body: Buffer.from("b0b1b2", "hex"),
    tag: of(0x7c, 16),
  },
  { type: "relayed", relay: of(0x4e, 16), at: "km-ß", failure: "stock" },
  { type: "relayVoid", relay: of(0x4e, 16) },
];

function bytesOf(file: string): Buffer {
  const text = readFileSync(new URL(file, folder), "utf8");
  return Buffer.from(text.replace(/#.*/g, "").replace(/\s/g, ""), "hex");
}

for (const [i, message] of messages.entries()) {
  const file = `${message.type.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}.hex`;
  test(`${message.type} is the bytes of ${file}, in both directions`, (t) => {
    const bytes = bytesOf(file);
    t.deepEqual(encodeFrame(message, i + 1), bytes);
    t.deepEqual(decodePayload(command[message.type], bytes.subarray(10)), message);
  });
}

test("there are bytes of each message, and of nothing else", (t) => {
  t.deepEqual(messages.map(({ type }) => type).sort(), Object.keys(command).sort());
  const files = readdirSync(folder).filter((file) => file.endsWith(".hex"));
  t.is(files.length, messages.length);
});
