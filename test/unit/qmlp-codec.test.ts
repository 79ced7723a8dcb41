import test from "ava";
import {
  decodeCredit,
  decodeKeyHeader,
  decodeRefs,
  encodeCredit,
  encodeKeyHeader,
  encodeRefs,
} from "../../drivers/qmlp/blocks.ts";
import { cobsBound, cobsDecode, cobsEncode } from "../../drivers/qmlp/cobs.ts";
import {
  decodeCommand,
  decodeResult,
  encodeCommand,
  encodeResult,
} from "../../drivers/qmlp/commands.ts";
import { Deframer } from "../../drivers/qmlp/deframer.ts";
import { FrameWriter, flagReliable, type, wireBound } from "../../drivers/qmlp/frame.ts";
import {
  decodeHello,
  decodeRefuse,
  decodeWelcome,
  encodeHello,
  encodeRefuse,
  encodeWelcome,
} from "../../drivers/qmlp/hello.ts";
import {
  decodeEvent,
  decodeTelemetry,
  encodeEvent,
  encodeTelemetry,
} from "../../drivers/qmlp/telemetry.ts";
import { Fault } from "../../src/port/errors.ts";
import { random } from "../random.ts";

function encode(bytes: Buffer): Buffer {
  const target = Buffer.alloc(cobsBound(bytes.length));
  return target.subarray(0, cobsEncode(bytes, target, 0));
}

function decode(bytes: Buffer): Buffer | undefined {
  const target = Buffer.alloc(bytes.length);
  const length = cobsDecode(bytes, 0, bytes.length, target);
  return length < 0 ? undefined : target.subarray(0, length);
}

test("COBS gives the published examples", (t) => {
  const run = (from: number, length: number) =>
    Buffer.from(Array.from({ length }, (_, i) => (from + i) & 0xff)).toString("hex");
  const examples: [string, string][] = [
    ["00", "0101"],
    ["0000", "010101"],
    ["001100", "01021101"],
    ["11220033", "0311220233"],
    ["11223344", "0511223344"],
    ["11000000", "0211010101"],
    [run(1, 254), `ff${run(1, 254)}`],
    [`00${run(1, 254)}`, `01ff${run(1, 254)}`],
    [run(1, 255), `ff${run(1, 254)}02ff`],
    [`${run(2, 254)}00`, `ff${run(2, 254)}0101`],
    [`${run(3, 253)}0001`, `fe${run(3, 253)}0201`],
  ];
  for (const [plain, encoded] of examples) {
    t.is(encode(Buffer.from(plain, "hex")).toString("hex"), encoded);
    t.is(decode(Buffer.from(encoded, "hex"))?.toString("hex"), plain);
  }
});

test("COBS brings back anything, without a zero on the way and within its bound", (t) => {
  const draw = random(1);
  for (let round = 0; round < 2_000; round++) {
    const zeros = draw();
    const length = Math.floor(draw() * (round % 10 === 0 ? 2_000 : 300));
    const bytes = Buffer.from(
      Array.from({ length }, () => (draw() < zeros ? 0 : 1 + Math.floor(draw() * 255))),
    );
    const encoded = encode(bytes);
    if (encoded.includes(0)) t.fail("a zero in the encoding");
    if (decode(encoded)?.equals(bytes) !== true) t.fail(`length ${length}`);
  }
  t.pass();
});

test("a group of 254 at the end is taken with and without the code after it", (t) => {
  const run = Buffer.alloc(254, 7);
  t.deepEqual(decode(Buffer.concat([Buffer.from([0xff]), run])), run);
  t.deepEqual(decode(Buffer.concat([Buffer.from([0xff]), run, Buffer.from([1])])), run);
});

/** Frames with bodies of these lengths, as they are on the line. */
function stream(lengths: readonly number[]): Buffer {
  const writer = new FrameWriter(1_024);
  const parts = lengths.map((length, i) => {
    const target = Buffer.alloc(wireBound(length));
    const body = Buffer.alloc(length, i);
    return target.subarray(0, writer.write(type.more, flagReliable, i, 9, body, target, 0));
  });
  return Buffer.concat(parts);
}

function deframe(chunks: readonly Buffer[], maxBody = 1_024) {
  const seen: string[] = [];
  const deframer = new Deframer(maxBody, ({ seq, body }) => seen.push(`${seq}:${body.length}`));
  for (const chunk of chunks) deframer.push(chunk);
  return { seen, bad: deframer.bad };
}

test("a stream cut at any point gives the same frames", (t) => {
  const bytes = stream([0, 1, 300, 254]);
  for (let cut = 0; cut <= bytes.length; cut++) {
    const { seen, bad } = deframe([bytes.subarray(0, cut), bytes.subarray(cut)]);
    t.deepEqual(seen, ["0:0", "1:1", "2:300", "3:254"]);
    t.is(bad, 0);
  }
});

test("after any damage to one frame the next one is found", (t) => {
  const first = stream([40]);
  const rest = stream([1, 2, 3]).subarray(stream([1]).length);
  for (let at = 0; at < first.length - 1; at++) {
    for (const change of [1, 0x80, first[at] as number]) {
      const damaged = Buffer.from(first);
      damaged[at] = (damaged[at] as number) ^ change;
      const { seen, bad } = deframe([damaged, rest]);
      t.deepEqual(seen, ["1:2", "2:3"], `byte ${at}`);
      t.true(bad >= 1);
    }
    const shorter = Buffer.concat([first.subarray(0, at), first.subarray(at + 1)]);
    t.deepEqual(deframe([shorter, rest]).seen, ["1:2", "2:3"]);
  }
});

test("a frame beyond the limit is dropped without being kept", (t) => {
  const long = stream([1_000]);
  const { seen, bad } = deframe([long.subarray(0, 500), long.subarray(500), stream([5])], 64);
  t.deepEqual(seen, ["0:5"]);
  t.is(bad, 1);
});

test("random bytes give no frame and no exception", (t) => {
  const draw = random(7);
  let frames = 0;
  const deframer = new Deframer(256, () => frames++);
  for (let round = 0; round < 2_000; round++) {
    const zeros = draw() * 0.3;
    const length = Math.floor(draw() * 600);
    deframer.push(
      Buffer.from(Array.from({ length }, () => (draw() < zeros ? 0 : Math.floor(draw() * 256)))),
    );
  }
  t.is(frames, 0);
  t.true(deframer.bad > 1_000);
});

const nonce = Buffer.from("0102030405060708", "hex");
const ref = { epoch: "00112233aabbccdd", number: 5 };

/** Bodies as the document gives them, written out by hand, and what they mean. */
const golden: readonly {
  readonly name: string;
  readonly hex: string;
  readonly encoded: Buffer;
  readonly decoded: unknown;
  readonly meaning: unknown;
}[] = [
  {
    name: "HELLO",
    // min 1, max 1, window 256, max_body 1024, nonce, capabilities 15, tag 7 "qkd"
    hex: `01010001 00040000 0102030405060708 0f000000 0703 716b64`,
    encoded: encodeHello({
      versionMin: 1,
      versionMax: 1,
      window: 256,
      maxBody: 1_024,
      nonce,
      capabilities: 15,
      nodeSoftware: "qkd",
    }),
    get decoded() {
      return decodeHello(hexed(this.hex)).window;
    },
    meaning: 256,
  },
  {
    name: "WELCOME",
    // version 1, Bob, window 64, max_body 65536, nonce, capabilities 3, max_block 2^20, six TLVs
    hex: `01014000 00000100 0102030405060708 03000000 00001000
      010142 020141 030176 04016d 050173 060166`,
    encoded: encodeWelcome({
      version: 1,
      role: "bob",
      window: 64,
      maxBody: 65_536,
      nonce,
      capabilities: 3,
      maxBlock: 1_048_576,
      moduleId: "B",
      matchingModuleId: "A",
      vendor: "v",
      model: "m",
      serial: "s",
      firmware: "f",
    }),
    get decoded() {
      const { role, moduleId, matchingModuleId, maxBlock } = decodeWelcome(hexed(this.hex));
      return { role, moduleId, matchingModuleId, maxBlock };
    },
    meaning: { role: "bob", moduleId: "B", matchingModuleId: "A", maxBlock: 1_048_576 },
  },
  {
    name: "REFUSE",
    hex: "0102030405060708 03 01 01",
    encoded: encodeRefuse({ nonce, reason: 3, versionMin: 1, versionMax: 1 }),
    get decoded() {
      return decodeRefuse(hexed(this.hex)).reason;
    },
    meaning: 3,
  },
  {
    name: "CREDIT",
    hex: "0a000000 0000000001000000",
    encoded: encodeCredit({ blocks: 10, bytes: 2 ** 32 }),
    get decoded() {
      return decodeCredit(hexed(this.hex));
    },
    meaning: { blocks: 10, bytes: 2 ** 32 },
  },
  {
    name: "RELEASE",
    hex: "00112233aabbccdd 0500000000000000 00112233aabbccdd 0000000000001000",
    encoded: encodeRefs([ref, { ...ref, number: 2 ** 52 }]),
    get decoded() {
      return decodeRefs(hexed(this.hex), "RELEASE");
    },
    meaning: [ref, { ...ref, number: 2 ** 52 }],
  },
  {
    name: "the header of KEY",
    // reference, 11530 bits, QBER+sifted+time+UUID, QBER 31600 ppm, 20000 sifted, time, hash, UUID
    hex: `00112233aabbccdd 0500000000000000 0a2d0000 0f000000 707b0000 204e0000
      0068e5cf8b010000 ${"ab".repeat(32)} 84dec66a1dda8876bf0f2f4a0d1b3c5e`,
    encoded: encodeKeyHeader(
      {
        ref,
        bits: 11_530,
        qber: 0.0316,
        siftedBits: 20_000,
        generatedAt: 1_700_000_000_000,
        uuid: "84dec66a-1dda-8876-bf0f-2f4a0d1b3c5e",
      },
      Buffer.alloc(32, 0xab),
    ),
    get decoded() {
      return decodeKeyHeader(hexed(this.hex)).facts;
    },
    meaning: {
      ref,
      bits: 11_530,
      qber: 0.0316,
      siftedBits: 20_000,
      generatedAt: 1_700_000_000_000,
      uuid: "84dec66a-1dda-8876-bf0f-2f4a0d1b3c5e",
    },
  },
  {
    name: "TELEMETRY",
    // version 1, two figures, time 1; qber f64 0.5; dark_counts two f64: 1, 2
    hex: `0100 0200 0100000000000000 0100 1301 000000000000e03f
      0700 1302 000000000000f03f 0000000000000040`,
    encoded: encodeTelemetry({ at: 1, values: { qber: 0.5, dark_counts: [1, 2] } }),
    get decoded() {
      return decodeTelemetry(hexed(this.hex));
    },
    meaning: { at: 1, values: { qber: 0.5, dark_counts: [1, 2] } },
  },
  {
    name: "EVENT",
    hex: "0500 0700 0100000000000000 6f70656e",
    encoded: encodeEvent({ code: "tamper", severity: "critical", text: "open" }, 1),
    get decoded() {
      return decodeEvent(hexed(this.hex));
    },
    meaning: { code: "tamper", severity: "critical", text: "open" },
  },
  {
    name: "COMMAND zeroize",
    hex: "07000000 0500 0000 4f52455a",
    encoded: encodeCommand(7, { name: "zeroize" }),
    get decoded() {
      return decodeCommand(hexed(this.hex));
    },
    meaning: { request: 7, command: { name: "zeroize" }, status: 0 },
  },
  {
    name: "RESULT",
    hex: "07000000 0400 0000 6c61736572",
    encoded: encodeResult({ request: 7, status: 4, text: "laser" }),
    get decoded() {
      return decodeResult(hexed(this.hex));
    },
    meaning: { request: 7, status: 4, text: "laser" },
  },
];

function hexed(hex: string): Buffer {
  return Buffer.from(hex.replace(/\s/g, ""), "hex");
}

for (const { name, hex, encoded, decoded, meaning } of golden) {
  test(`${name} is, byte for byte, what the document says`, (t) => {
    t.is(encoded.toString("hex"), hexed(hex).toString("hex"));
    t.deepEqual(decoded, meaning);
  });
}

test("figures and kinds that are not known are skipped, the others read", (t) => {
  // unknown id 999 as u32; qber as f32 0.25; unknown kind 0x60 (one byte) for id 2; NaN for id 3
  const body = hexed(`0100 0400 0000000000000000 e703 3201 01020304 0100 1201 0000803e
    0200 6001 07 0300 1201 0000c07f`);
  t.deepEqual(decodeTelemetry(body), { values: { qber: 0.25 } });
});

test("a body that is too short or out of range is a fault that names the message", (t) => {
  const empty = Buffer.alloc(0);
  const cases: [() => unknown, RegExp][] = [
    [() => decodeHello(empty), /HELLO/],
    [() => decodeWelcome(hexed(golden[1]?.hex ?? "").subarray(0, 29)), /WELCOME/],
    [() => decodeCredit(empty), /CREDIT/],
    [() => decodeRefs(Buffer.alloc(15), "RELEASED"), /RELEASED/],
    [() => decodeRefs(Buffer.alloc(16, 0xff), "READ"), /READ.*2\^53/],
    [() => decodeKeyHeader(Buffer.alloc(71)), /KEY/],
    [() => decodeTelemetry(hexed("010001000000000000000000 0100")), /TELEMETRY/],
    [() => decodeEvent(hexed("0900 0700 0100000000000000")), /EVENT/],
  ];
  for (const [act, message] of cases) t.throws(act, { instanceOf: Fault, message });
});
