import { readdirSync, readFileSync } from "node:fs";
import test from "ava";
import { answerKey, isSealed, sealMatch } from "../../../../src/km/matching/answer-mac.ts";
import { oneTimeTag } from "../../../../src/km/relay/one-time-mac.ts";
import {
  decodePayload,
  encodeFrame,
  encodePayload,
  relayText,
} from "../../../../src/wire/kx/codec.ts";
import type { KxMessage } from "../../../../src/wire/kx/messages.ts";
import { command } from "../../../../src/wire/kx/names.ts";
import type { Relay } from "../../../../src/wire/kx/relay-messages.ts";
import { cutRelay, RelayJoiner } from "../../../../src/wire/kx/relay-pieces.ts";
import { faultOf } from "../../../fault-of.ts";

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
/** Under the pad 00 to 2f. */
const pad = Buffer.from(Array.from({ length: 48 }, (_, i) => i));
const answerTag = bytesOf("match-mac.hex").subarray(-16);

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
        id: id.toString("hex"),
        count: 1,
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
  { type: "relayPiece", bytes: Buffer.from("c0c1c2c3", "hex") },
  { type: "matchMac", number: 13, digest: batch, tag: answerTag },
  {
    type: "deliver",
    delivery: of(0xde, 16),
    session: "s-ß",
    within: 3_000,
    ids: Buffer.concat([id, of(0x2d, 16)]),
  },
  { type: "delivered", delivery: of(0xde, 16), failure: "late", ids: of(0, 0) },
];

function isRelay(message: KxMessage): message is Relay {
  return message.type === "relay";
}

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

test("the answer to a proposal has the tag that its vector has", (t) => {
  const key = answerKey(pad) as Buffer;
  const answer = sealMatch({ number: 13, digest: batch }, key);
  t.deepEqual(answer.tag, answerTag);
  t.true(isSealed(answer, key));
  t.false(isSealed({ ...answer, number: 14 }, key));
  t.false(isSealed({ type: "match", number: 13, digest: batch }, key));
  t.is(answerKey(pad.subarray(0, 32)), undefined, "a pad of version 1");
});

test("a long RELAY goes in pieces, and has the tag that its vector has", (t) => {
  const [told, tag] = readFileSync(new URL("long-relay.txt", folder), "utf8").split("\n") as [
    string,
    string,
  ];
  const message: Relay = {
    type: "relay",
    relay: of(0x4e, 16),
    pad: of(0x9d, 16),
    scheme: "case-2",
    step: "hop",
    path: ["km-a", "km-ß", "km-c"],
    at: 1,
    time: 1_700_000_000_123,
    length: 120_000,
    body: Buffer.from(Array.from({ length: 120_000 }, (_, i) => i % 251)),
    tag: of(0, 16),
  };
  const { pieces, last } = cutRelay(message);
  t.is(`${pieces.length} pieces, ${last.body.length} bytes in RELAY`, told);
  const found = oneTimeTag(pad.subarray(0, 32), ...relayText(message)).toString("hex");
  t.is(`tag under the key 00 to 1f: ${found}`, tag);
  const joiner = new RelayJoiner();
  for (const bytes of pieces) {
    const piece = decodePayload(command.relayPiece, encodePayload({ type: "relayPiece", bytes }));
    t.is(joiner.add(piece), undefined);
  }
  t.deepEqual(joiner.add(decodePayload(command.relay, encodePayload(last))), message);
});

test("pieces are cut in one way, belong to the RELAY that follows, and are of no more than the longest key", (t) => {
  const piece = { type: "relayPiece", bytes: of(1, 57_344) } as const;
  const rest = (length: number) => ({ ...(messages.find(isRelay) as Relay), body: of(2, length) });
  const fault = (...all: KxMessage[]) => {
    const joiner = new RelayJoiner();
    return faultOf(() => {
      for (const one of all) joiner.add(one);
    });
  };
  t.is(fault(piece, rest(17)), undefined);
  t.is(fault(piece, rest(57_360)), undefined);
  t.is(fault(rest(57_360), { type: "alive" }, piece, rest(17), rest(1)), undefined);
  t.like(fault(piece, rest(16)), { code: "kx.message", facts: { message: "relay" } });
  t.like(fault(piece, { type: "alive" }), { code: "kx.message", facts: { message: "alive" } });
  t.like(fault({ ...piece, bytes: of(1, 57_343) }), {
    code: "kx.message",
    facts: { limit: 57_344 },
  });
  t.is(fault(...Array(18).fill(piece), rest(57_360)), undefined);
  t.like(fault(...Array(19).fill(piece)), { code: "kx.message", facts: { limit: 1_048_576 } });
});

test("there are bytes of each message, and of nothing else", (t) => {
  t.deepEqual(messages.map(({ type }) => type).sort(), Object.keys(command).sort());
  const files = readdirSync(folder).filter((file) => file.endsWith(".hex"));
  t.is(files.length, messages.length);
});
