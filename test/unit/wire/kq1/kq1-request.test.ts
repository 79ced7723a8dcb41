import { readFileSync } from "node:fs";
import test from "ava";
import { Fault } from "../../../../src/base/errors.ts";
import { kmIdentity } from "../../../../src/host/tls/names.ts";
import { QkdKey } from "../../../../src/port/key.ts";
import { parseSupplyAnswer } from "../../../../src/wire/kq1/answer.ts";
import { KqDeframer, type KqFrame, writeHeader } from "../../../../src/wire/kq1/frame.ts";
import { command, header, reasonOfStatus, reasons } from "../../../../src/wire/kq1/names.ts";
import {
  checkKeyRequest,
  claimantOf,
  keysThatFit,
  parseMembers,
  writeKeyResponse,
} from "../../../../src/wire/kq1/request.ts";
import { SupplyWriter } from "../../../../src/wire/kq1/supply.ts";
import { rounds } from "../../../campaign-scale.ts";
import { readKeyAnswer } from "../../../emulator/km/answer.ts";
import { random } from "../../../random.ts";

const id = "84dec66a-1dda-8876-bf0f-2f4a0d1b3c5e";
const ref = { epoch: "0".repeat(16), number: 42 };

function key(keyId: string, bytes: Buffer): QkdKey {
  const facts = {
    ref,
    bits: bytes.length * 8,
    qber: 0.0316,
    generatedAt: Date.UTC(2026, 0, 31, 12, 0, 0, 7),
  };
  return new QkdKey(keyId, facts, bytes, bytes.length * 8);
}

const readRequest = (payload: Buffer) => checkKeyRequest(parseMembers(payload));

const counting = (from: number) => Buffer.from(Array.from({ length: 16 }, (_, i) => from + i));

function vector(name: string): Buffer {
  const text = readFileSync(new URL(`../../../fixtures/kq1/${name}.hex`, import.meta.url), "utf8");
  return Buffer.from(text.replace(/#.*/g, "").replace(/\s/g, ""), "hex");
}

function frame(bytes: Buffer): KqFrame {
  const frames: KqFrame[] = [];
  const deframer = new KqDeframer((one) =>
    frames.push({ ...one, payload: Buffer.from(one.payload) }),
  );
  for (const byte of bytes) deframer.push(Buffer.from([byte]));
  return frames[0] as KqFrame;
}

test("each of the four messages is, byte for byte, its golden vector", (t) => {
  const supply = vector("key-supply");
  const writer = new SupplyWriter("QKD-A", "QKD-B");
  const written = Buffer.alloc(2_000);
  const end = writer.write(written, 0, 0x01020304, key(id, counting(0)));
  t.is(written.toString("hex", 0, end), supply.toString("hex"));

  const answer = frame(vector("response-to-key-supply"));
  t.like(answer, { messageId: 0x01020304, command: command.keySupplyResponse });
  t.deepEqual(parseSupplyAnswer(answer.payload), { keyId: id, response: "success" });

  const request = frame(vector("key-request"));
  t.like(request, { messageId: 7, command: command.keyRequest });
  t.deepEqual(readRequest(request.payload), { number: 2, size: 128, token: undefined });

  const keys = [key(id, counting(0)), key("00000000-0000-8000-8000-000000000002", counting(16))];
  const payload = writeKeyResponse("success", keys, 1);
  const head = Buffer.alloc(header.length);
  writeHeader(head, 0, 7, command.keyRequestResponse, payload.length);
  t.is(
    Buffer.concat([head, payload]).toString("hex"),
    vector("response-to-key-request").toString("hex"),
  );
});

test("every parameter of Table 3: present, absent, of a wrong type, too small, too large", (t) => {
  const token = undefined;
  t.deepEqual(checkKeyRequest({}), { number: 1, size: 256, token });
  t.deepEqual(checkKeyRequest({ number: 1_000_000, size: 0xffff_fff8 }), {
    number: 1_000_000,
    size: 0xffff_fff8,
    token,
  });
  t.deepEqual(checkKeyRequest({ number: 3, unknown: { deep: [1] }, extension: [{ a: 1 }] }), {
    number: 3,
    size: 256,
    token,
  });
  const wrong: readonly unknown[] = ["1", 0, -1, 1.5, Number.NaN, null, true, [], {}, 2 ** 53, ""];
  for (const value of wrong) {
    const refused = { instanceOf: Fault, message: /^key request: number is not a whole number/ };
    t.throws(() => checkKeyRequest({ number: value }), refused);
    t.throws(() => checkKeyRequest({ size: value }), { instanceOf: Fault });
  }
  t.throws(() => checkKeyRequest({ number: 1_000_001 }), { message: /1 to 1000000/ });
  for (const size of [1, 7, 12, 257, 2 ** 32]) {
    t.throws(() => checkKeyRequest({ size }), { instanceOf: Fault });
  }
  for (const extension of [{}, "x", 1, null, [1], [null], [[]]]) {
    t.throws(() => checkKeyRequest({ extension }), { message: /extension is not an array of obj/ });
    t.throws(() => checkKeyRequest({ extension_mandatory: extension }), { instanceOf: Fault });
  }
  t.notThrows(() => checkKeyRequest({ extension_mandatory: [], extension_optional: [{ a: 1 }] }));
  t.throws(() => checkKeyRequest({ extension_mandatory: [{ a: 1 }] }), { message: /not all of/ });
  for (const text of ["", "{", "null", "[]", '"x"', "1", "{}x", "\xff\xfe"]) {
    t.throws(() => readRequest(Buffer.from(text, "latin1")), {
      message: /^key request: is not/,
    });
  }
});

test("a request may have a name of its own: 16 to 128 printable characters, once", (t) => {
  const named = (request_ID: unknown) => checkKeyRequest({ extension: [{ a: 1 }, { request_ID }] });
  for (const name of ["0123456789abcdef", '"a quoted text, ~"', "x".repeat(128)]) {
    t.is(named(name).token, name);
  }
  for (const [name, why] of [
    ["0123456789abcde", /request_ID has fewer than 16 characters: two requests/],
    ["", /fewer than 16/],
    ["x".repeat(129), /more than 128/],
    ["0123456789abcdef\n", /printable/],
    ["0123456789abcdé\u00e9", /printable/],
    [1_234_567_890_123_456, /printable/],
    [null, /printable/],
    [["0123456789abcdef"], /printable/],
  ] as const) {
    t.throws(() => named(name), { instanceOf: Fault, message: why });
  }
  const twice = [{ request_ID: "0123456789abcdef" }, { request_ID: "0123456789abcdef" }];
  t.throws(() => checkKeyRequest({ extension: twice }), { message: /there twice/ });
});

test("a KM is who it is by its names and its certificate; without TLS by where it is", (t) => {
  const identities = [
    kmIdentity(["a", "km"], { fingerprint256: "01" }, "host:1"),
    kmIdentity(["a", "km"], { fingerprint256: "02" }, "host:1"),
    kmIdentity(["b", "km"], { fingerprint256: "01" }, "host:1"),
    kmIdentity(["a", "km"], undefined, "host:1"),
    kmIdentity(["a", "km"], undefined, "host:2"),
  ];
  t.is(new Set(identities).size, 5);
  t.is(identities[0], kmIdentity(["a", "km"], { fingerprint256: "01" }, "elsewhere:2"));
});

test("a response holds as many keys as fit, and never more than Length can say", (t) => {
  for (const bits of [8, 64, 256, 376_000]) {
    const most = keysThatFit(bits);
    t.true(most >= 1);
    const bytes = Buffer.alloc(bits / 8, 0xff);
    const longest = {
      ref: { ...ref, number: Number.MAX_SAFE_INTEGER },
      bits,
      qber: 0.00000123456789,
    };
    const keys = Array.from({ length: most }, () => new QkdKey(id, longest, bytes, bits));
    const payload = writeKeyResponse("key_length_unsupported", keys, 999_999);
    t.true(payload.length <= header.maxPayload, `${bits} bits: ${payload.length}`);
    const { keys: read, remaining } = readKeyAnswer(Buffer.from(payload), "QKD-A");
    t.is(read.length, most);
    t.is(remaining, 999_999);
    t.true(read.every((one) => Buffer.from(one.bytes).equals(bytes)));
  }
});

test("a claimant names KM and request, and nothing else of either", (t) => {
  const claimant = claimantOf("km-1", "QKD-A", "tcp 1");
  t.regex(claimant, /^[0-9a-f]{32}$/);
  t.is(claimant, claimantOf("km-1", "QKD-A", "tcp 1"));
  t.is(claimant.slice(0, 12), claimantOf("km-1", "QKD-B", "tcp 2").slice(0, 12));
  for (const other of [
    claimantOf("km-2", "QKD-A", "tcp 1"),
    claimantOf("km-1", "QKD-B", "tcp 1"),
    claimantOf("km-1", "QKD-A", "tcp 2"),
  ]) {
    t.not(claimant.slice(12), other.slice(12));
  }
});

test("an HTTP status from 400 on means a reason, and only 200 and 201 that a key is stored", (t) => {
  for (let status = 100; status < 700; status++) {
    const reason = reasonOfStatus(status);
    if (status === 200 || status === 201) t.is(reason, "success");
    else if (status < 400 || status >= 600) t.is(reason, undefined, String(status));
    else t.true(reason !== undefined && reasons[reason] !== "delivered", String(status));
  }
});

test("malformed frames and bodies are refused with a Fault, and leave nothing behind", (t) => {
  const draw = random(4);
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  const bytes = Buffer.alloc(512);
  const pieces = [
    '{"',
    '"number"',
    ":",
    "1",
    ",",
    '"size"',
    "[",
    "]",
    "}",
    '"key_ID"',
    '"response"',
  ];
  let refused = 0;
  const attempt = (act: () => unknown) => {
    try {
      act();
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      t.notRegex(error.message, /\ufffd/);
      refused++;
    }
  };
  let deframer = new KqDeframer(() => {});
  for (let i = 0; i < rounds(300_000); i++) {
    const length = Math.floor(draw() ** 2 * 200);
    if (draw() < 0.5) {
      for (let at = 0; at < length; at++) bytes[at] = draw() * 256;
    } else {
      bytes.fill(0x20, 0, length);
      for (let at = 0; at < length; ) {
        const piece = pieces[Math.floor(draw() * pieces.length)] as string;
        at += bytes.write(piece, at, length - at, "latin1") || 1;
      }
    }
    const input = bytes.subarray(0, length);
    attempt(() => readRequest(input));
    attempt(() => parseSupplyAnswer(input));
    attempt(() => readKeyAnswer(Buffer.from(input), "QKD-A"));
    attempt(() => {
      // Often a right version, so that what follows is looked at too.
      if (draw() < 0.7 && length > 2) input.writeUInt16BE(1);
      deframer.push(input);
    });
    if (i % 50 === 0) deframer = new KqDeframer(() => {});
  }
  Error.stackTraceLimit = stackTraceLimit;
  t.true(refused > rounds(500_000));
});

test("each HTTP status that says more has its own reason", (t) => {
  const said: Readonly<Record<string, readonly number[]>> = {
    busy: [408, 429, 502, 503, 504],
    duplicate_key_ID: [409],
    storage_full: [507],
    unauthorized: [401, 403],
    unknown_module: [404],
    invalid_message: [400, 402, 405, 410, 418, 422, 499],
    internal_error: [500, 501, 505, 506, 508, 599],
  };
  for (const [reason, all] of Object.entries(said)) {
    for (const status of all) t.is(reasonOfStatus(status), reason as never, String(status));
  }
});
