import { readdirSync, readFileSync } from "node:fs";
import test from "ava";
import {
  decodeCredit,
  decodeKeyHeader,
  decodeRefs,
  encodeCredit,
  encodeKeyHeader,
  encodeRefs,
} from "../../../../drivers/qmlp/blocks.ts";
import { checkOf } from "../../../../drivers/qmlp/check.ts";
import {
  decodeCommand,
  decodeResult,
  encodeCommand,
  encodeResult,
} from "../../../../drivers/qmlp/commands.ts";
import { Deframer } from "../../../../drivers/qmlp/deframer.ts";
import {
  type Frame,
  isReliable,
  type,
  wireBound,
  writeFrame,
} from "../../../../drivers/qmlp/frame.ts";
import {
  decodeHello,
  decodeRefuse,
  decodeWelcome,
  encodeHello,
  encodeRefuse,
  encodeWelcome,
} from "../../../../drivers/qmlp/hello.ts";
import {
  decodeEvent,
  decodeTelemetry,
  encodeEvent,
  encodeTelemetry,
} from "../../../../drivers/qmlp/telemetry.ts";
import type { BlockFacts } from "../../../../src/port/key.ts";
import type { ModuleCommand, ModuleEvent } from "../../../../src/port/module.ts";

const folder = new URL("../../../fixtures/qmlp/", import.meta.url);

interface Vector {
  /** The frame before COBS. */
  readonly plain: Buffer;
  /** As it travels, with its 0x00. */
  readonly wire: Buffer;
}

function hexed(text: string): Buffer {
  return Buffer.from(text.replace(/#.*/g, "").replace(/\s/g, ""), "hex");
}

function vector(name: string): Vector {
  const text = readFileSync(new URL(`${name}.hex`, folder), "utf8");
  const [plain = "", wire = ""] = text.split("# on the line");
  return { plain: hexed(plain), wire: hexed(wire) };
}

const bodyOf = (name: string) => {
  const { plain } = vector(name);
  return plain.subarray(6, plain.length - 4);
};

/** What a message says, and how the code writes it; without `encode` only reading is asked. */
interface Case {
  readonly type: number;
  readonly seq: number;
  readonly ack: number;
  readonly nak?: true;
  readonly shortCrc?: true;
  readonly encode?: () => Buffer;
  readonly decode: (body: Buffer) => unknown;
  readonly meaning: unknown;
}

/** A message that a pair of functions writes and reads. */
function message<T>(
  messageType: number,
  [seq, ack]: readonly [number, number],
  encode: (meaning: T) => Buffer,
  decode: (body: Buffer) => unknown,
  meaning: T,
): Case {
  return { type: messageType, seq, ack, encode: () => encode(meaning), decode, meaning };
}

/** A message whose body is nothing but these bytes. */
function bare(messageType: number, numbers: readonly [number, number], ...bytes: number[]): Case {
  const copy = (body: Buffer) => Buffer.from(body);
  return message(messageType, numbers, copy, copy, Buffer.from(bytes));
}

const hello = {
  versionMin: 1,
  versionMax: 1,
  window: 256,
  maxBody: 1_024,
  nonce: Buffer.from("0102030405060708", "hex"),
  capabilities: 15,
  nodeSoftware: "qkd-node",
};
const welcome = {
  version: 1,
  role: "bob",
  window: 64,
  maxBody: 65_536,
  nonce: hello.nonce,
  capabilities: 3,
  maxBlock: 1_048_576,
  moduleId: "QKD-B-0001",
  matchingModuleId: "QKD-A-0001",
  vendor: "Acme",
  model: "Rx 2",
  serial: "0042",
  firmware: "1.2.3",
} as const;
const refuse = { nonce: hello.nonce, reason: 1, versionMin: 2, versionMax: 3 };
const ref = (number: number) => ({ epoch: "00112233aabbccdd", number });
const at = 1_700_000_000_000;

function refs(messageType: number, seq: number, ack: number, ...numbers: number[]): Case {
  const decode = (body: Buffer) => decodeRefs(body, "list");
  return message(messageType, [seq, ack], encodeRefs, decode, numbers.map(ref));
}

/** @param first the first bytes of the block, which follow the header */
function key(name: string, seq: number, facts: BlockFacts, first: string): Case {
  const decode = (body: Buffer) => {
    const header = decodeKeyHeader(body);
    return { facts: header.facts, first: body.toString("hex", header.length) };
  };
  const encode = () => {
    const { check } = decodeKeyHeader(bodyOf(name));
    const bytes = Buffer.from(first, "hex");
    // Of a block that goes on in MORE there is too little here to compute its check.
    const whole = bytes.length === Math.ceil(facts.bits / 8);
    const hash = whole ? checkOf(check, bytes) : decodeKeyHeader(bodyOf(name)).hash;
    return Buffer.concat([encodeKeyHeader(facts, hash, check), bytes]);
  };
  return message(type.key, [seq, 1], encode, decode, { facts, first });
}

function event(seq: number, meaning: ModuleEvent, time: number): Case {
  return message(type.event, [seq, 4], (said) => encodeEvent(said, time), decodeEvent, meaning);
}

function command(request: number, asked: ModuleCommand): Case {
  const encode = () => encodeCommand(request, asked);
  const meaning = { request, command: asked, status: 0 };
  return message(type.command, [4, 6], encode, decodeCommand, meaning);
}

const hundreds = Array.from({ length: 300 }, (_, i) => (i % 255) + 1);
const token = [0xef, 0xbe, 0xad, 0xde];

const cases: Readonly<Record<string, Case>> = {
  hello: message(type.hello, [0, 0], encodeHello, decodeHello, hello),
  welcome: message(type.welcome, [0, 0], encodeWelcome, decodeWelcome, welcome),
  refuse: message(type.refuse, [0, 0], encodeRefuse, decodeRefuse, refuse),
  ping: bare(type.ping, [7, 259], ...token),
  pong: bare(type.pong, [259, 7], ...token),
  ack: bare(type.ack, [12, 300]),
  nak: { ...bare(type.ack, [0, 65_535]), nak: true },
  bye: bare(type.bye, [3, 4], 2),
  unknown: bare(type.unknown, [3, 4], 0x7f),
  credit: message(type.credit, [0, 0], encodeCredit, decodeCredit, { blocks: 10, bytes: 2 ** 32 }),
  key: key(
    "key",
    0,
    { ref: ref(5), bits: 20, qber: 0.0316, siftedBits: 20_000, generatedAt: at },
    "a5c3f0",
  ),
  "key-gmac": key("key-gmac", 3, { ref: ref(5), bits: 20, qber: 0.0316 }, "a5c3f0"),
  "key-uuid": key(
    "key-uuid",
    1,
    { ref: ref(2 ** 52 + 1), bits: 2_432, uuid: "84dec66a-1dda-8876-bf0f-2f4a0d1b3c5e" },
    "f1f2f3f4",
  ),
  "key-empty": key("key-empty", 2, { ref: ref(6), bits: 0, qber: 0.125, siftedBits: 24_576 }, ""),
  more: bare(type.more, [258, 772], ...hundreds),
  "more-short": { ...bare(type.more, [258, 772], ...hundreds), shortCrc: true },
  release: refs(type.release, 1, 3, 5, 6),
  released: refs(type.released, 3, 2, 5, 6),
  discard: refs(type.discard, 2, 4, Number.MAX_SAFE_INTEGER),
  discarded: refs(type.discarded, 4, 3, Number.MAX_SAFE_INTEGER),
  read: refs(type.read, 3, 5, 5),
  telemetry: message(type.telemetry, [5, 4], encodeTelemetry, decodeTelemetry, {
    at,
    values: { qber: 0.03125, dark_counts: [100, 250.5] },
  }),
  "telemetry-kinds": {
    type: type.telemetry,
    seq: 5,
    ack: 4,
    decode: decodeTelemetry,
    meaning: {
      values: {
        visibility: 0.984375,
        detector_temperature: -50,
        raw_rate: 4e9,
        key_buffer_bits: 2 ** 40,
        module_temperature: 31.5,
      },
    },
  },
  event: event(5, { code: "tamper", severity: "critical", text: "cover °C" }, at),
  "event-vendor": event(6, { code: "vendor_32769", severity: "cleared", text: "fan" }, 0),
  "command-start": command(1, { name: "start" }),
  "command-stop": command(2, { name: "stop" }),
  "command-key-rate": command(3, { name: "key_rate", bitsPerSecond: 1_500 }),
  "command-self-test": command(4, { name: "self_test" }),
  "command-zeroize": command(5, { name: "zeroize" }),
  "command-telemetry-interval": command(0x01020304, { name: "telemetry_interval", ms: 250 }),
  result: message(type.result, [7, 5], encodeResult, decodeResult, {
    request: 5,
    status: 0,
    text: "",
  }),
  "result-failed": message(type.result, [8, 5], encodeResult, decodeResult, {
    request: 4,
    status: 4,
    text: "APD 2",
  }),
};

function received(wire: Buffer): Frame[] {
  const frames: Frame[] = [];
  const take = (frame: Frame) => frames.push({ ...frame, body: Buffer.from(frame.body) });
  const deframer = new Deframer(1_024, take, true);
  deframer.push(wire);
  return frames;
}

test("every vector has its test, and every message type its vector", (t) => {
  const files = readdirSync(folder).filter((name) => name.endsWith(".hex"));
  t.deepEqual(
    files.sort(),
    Object.keys(cases)
      .map((name) => `${name}.hex`)
      .sort(),
  );
  const covered = new Set(Object.values(cases).map((one) => one.type));
  t.deepEqual(
    Object.entries(type).filter(([, number]) => !covered.has(number)),
    [],
  );
});

for (const [name, one] of Object.entries(cases)) {
  test(`${name}.hex is read as what it means`, (t) => {
    const [frame, ...more] = received(vector(name).wire);
    t.deepEqual(more, []);
    t.like(frame, { type: one.type, seq: one.seq, ack: one.ack });
    t.is(frame?.reliable, isReliable(one.type));
    t.is(frame?.nak, one.nak ?? false);
    t.deepEqual(frame?.body, bodyOf(name));
    t.deepEqual(one.decode(frame?.body as Buffer), one.meaning);
  });

  if (one.encode !== undefined) {
    const { encode } = one;
    test(`${name}.hex is what is written, byte for byte`, (t) => {
      const body = encode();
      t.is(body.toString("hex"), bodyOf(name).toString("hex"));
      const target = Buffer.alloc(wireBound(body.length));
      const flags = (isReliable(one.type) ? 1 : 0) + (one.nak ? 2 : 0) + (one.shortCrc ? 4 : 0);
      const end = writeFrame(one.type, flags, one.seq, one.ack, body, target, 0);
      t.is(target.toString("hex", 0, end), vector(name).wire.toString("hex"));
    });
  }
}
