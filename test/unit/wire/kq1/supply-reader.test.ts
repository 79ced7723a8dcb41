import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import test from "ava";
import { scratch } from "../../../../src/wire/kq1/engine.ts";
import { KqDeframer } from "../../../../src/wire/kq1/frame.ts";
import { writeSupplyAnswerFrame } from "../../../../src/wire/kq1/supply-answer.ts";
import { elementsOf } from "../../../../src/wire/kq1/supply-members.ts";
import { SupplyReader } from "../../../../src/wire/kq1/supply-reader.ts";
import { uuidOf } from "../../../../src/wire/kq1/uuid.ts";
import {
  bytes,
  id,
  message,
  type Parts,
  read,
  sha256,
  usual,
} from "../../../rig/supply-message.ts";

/** The golden vectors: bytes in hexadecimal, comments behind `#`. */
function vector(name: string): Buffer {
  const file = new URL(`../../../fixtures/kq1/${name}.hex`, import.meta.url);
  const text = readFileSync(file, "utf8").replace(/#.*$/gm, "");
  return Buffer.from(text.replace(/\s+/g, ""), "hex");
}

test("the message of the golden vector is read, and its answer is that of the golden vector", (t) => {
  const reader = new SupplyReader();
  const answer = Buffer.alloc(256);
  let end = 0;
  const deframer = new KqDeframer((frame) => {
    t.is(reader.read(frame.bytes, frame.start, frame.end), undefined);
    end = writeSupplyAnswerFrame(answer, 0, frame.messageId, reader.id, 0, "success");
  });
  deframer.push(vector("key-supply"));
  const key = Buffer.alloc(16);
  reader.take(key, 0);
  t.deepEqual(key, Buffer.from("000102030405060708090a0b0c0d0e0f", "hex"));
  t.deepEqual(reader.facts, {
    moduleId: "QKD-A",
    matchingModuleId: "QKD-B",
    bits: 128,
    generatedAt: Date.parse("2026-01-31T12:00:00.007Z"),
    qber: 0.0316,
  });
  t.deepEqual(answer.subarray(0, end), vector("response-to-key-supply"));
});

const invalid = "invalid_message";
const deep = (levels: number) => `${"[".repeat(levels)}${"]".repeat(levels)}`;
const withText = (change: string) => Buffer.from(message().toString().replace("{", `{${change},`));

/** Payloads that are refused: why, the reason, and whether the connection ends. */
const refused: readonly (readonly [string, Buffer, string, ("broken" | "nameless")?])[] = [
  ["nothing", Buffer.alloc(0), invalid, "broken"],
  ["white space", Buffer.from("  \n"), invalid, "broken"],
  ["a number", Buffer.from("1"), invalid, "broken"],
  ["an array", Buffer.from("[1, null]"), invalid, "broken"],
  ["half of it", message().subarray(0, 200), invalid, "broken"],
  ["all but its last byte", message().subarray(0, -1), invalid, "broken"],
  ["more behind it", Buffer.concat([message(), Buffer.from("{}")]), invalid, "broken"],
  ["a comma too many", Buffer.from('{"key_ID":"x",}'), invalid, "broken"],
  ["a zero byte", Buffer.concat([message(), Buffer.alloc(1)]), invalid, "broken"],
  ["a byte order mark", Buffer.from(`\ufeff${message()}`), invalid, "broken"],
  [
    "no UTF-8",
    Buffer.concat([Buffer.from('{"\xff":1,', "latin1"), message().subarray(1)]),
    invalid,
    "broken",
  ],
  [
    "a surrogate in UTF-8",
    Buffer.concat([
      Buffer.from([0x7b, 0x22, 0xed, 0xa0, 0x80]),
      Buffer.from('":1,'),
      message().subarray(1),
    ]),
    invalid,
    "broken",
  ],
  ["a line feed in a string", Buffer.from('{"key_ID":"\n"}'), invalid, "broken"],
  ["an escape that is none", withText('"a":"\\x41"'), invalid, "broken"],
  ["half an escape", withText('"a":"\\u12"'), invalid, "broken"],
  ["a number that begins with 0", withText('"a":01'), invalid, "broken"],
  ["a number without digits", withText('"a":-'), invalid, "broken"],
  ["a number with no fraction", withText('"a":1.'), invalid, "broken"],
  ["a number with no exponent", withText('"a":1e+'), invalid, "broken"],
  ["a word that is none", withText('"a":nul'), invalid, "broken"],
  ["a name without quotes", withText("a:1"), invalid, "broken"],
  ["too deep", withText(`"a":${deep(33)}`), invalid, "broken"],
  ["60,000 brackets", withText(`"a":${"[".repeat(60_000)}`), invalid, "broken"],
  ["an empty object", Buffer.from("{}"), invalid, "nameless"],
  ["no key_ID", message({ key_ID: undefined }), invalid, "nameless"],
  ["a key_ID that is null", message({ key_ID: null }), invalid, "nameless"],
  ["a key_ID that is a number", message({ key_ID: 7 }), invalid, "nameless"],
  ["a key_ID of another form", message({ key_ID: id.replaceAll("-", "") }), invalid, "nameless"],
  ["a key_ID with a wrong digit", message({ key_ID: id.replace("8", "g") }), invalid, "nameless"],
  [
    "a key_ID with dashes elsewhere",
    message({ key_ID: `8-${id.replace("-", "").slice(1)}` }),
    invalid,
    "nameless",
  ],
  ["no module", message({ qkd_module_ID: undefined }), invalid],
  ["an empty module", message({ qkd_module_ID: "" }), invalid],
  ["a module of 129 characters", message({ qkd_module_ID: "x".repeat(129) }), invalid],
  ["a module that is a list", message({ qkd_module_ID: ["A"] }), invalid],
  ["a matching module that is a number", message({ matching_qkd_module_ID: 1 }), invalid],
  ["a time of no day", message({ generation_timestamp: "2026-02-31T12:00:00Z" }), invalid],
  ["a time without a zone", message({ generation_timestamp: "2026-01-31T12:00:00" }), invalid],
  ["a time that is a number", message({ generation_timestamp: 1_769_860_800 }), invalid],
  ["an extension that is an object", message({ extension: { qber: 0.1 } }), invalid],
  ["an extension of numbers", message({ extension: [1] }), invalid],
  ["two QBERs", message({ extension: [{ qber: 0.1 }, { qber: 0.2 }] }), invalid],
  ["no key", message({ key: undefined }), invalid],
  ["an empty key", message({ key: "", key_length: 0 }), invalid],
  ["a key that is a number", message({ key: 1 }), invalid],
  ["a key that is not base64", message({ key: "~~~~not base64~~~~~~" }), invalid],
  [
    "a key of the other alphabet",
    message({ key: `${"-".repeat(43)}=`, hash_value: undefined }),
    invalid,
  ],
  ["a key without padding", message({ key: bytes.toString("base64").slice(0, -1) }), invalid],
  ["a key with padding within", message({ key: "AA==AAAA", key_length: undefined }), invalid],
  ["a key with three times padding", message({ key: "A===", key_length: undefined }), invalid],
  [
    "a key with bits behind its end",
    message({ key: "AB==", key_length: 8, hash_value: undefined }),
    invalid,
  ],
  ["a key with a line feed", message({ key: `AAAA\nAAA`, key_length: undefined }), invalid],
  ["a key_length of another key", message({ key_length: 264 }), invalid],
  ["a key_length in bytes", message({ key_length: 32 }), invalid],
  ["a key_length that is a text", message({ key_length: "256" }), invalid],
  ["a key_length with a fraction", message({ key_length: 255.5 }), invalid],
  ["bits set behind the key", message({ key_length: 250 }), invalid],
  ["a hash of another algorithm", message({ hash_value: `sha-512:${"0".repeat(64)}` }), invalid],
  ["a hash without digits", message({ hash_value: "sha-256:" }), invalid],
  ["a hash with a wrong digit", message({ hash_value: `sha-256:${"g".repeat(64)}` }), invalid],
  ["a hash that is null as text", message({ hash_value: "null" }), invalid],
  ["another key's hash", message({ hash_value: `sha-256:${"0".repeat(64)}` }), "hash_mismatch"],
  ["a hash of the text", message({ hash_value: sha256(Buffer.from(usual.key)) }), "hash_mismatch"],
  ["a key twice", withText('"key":"AAAA"'), invalid],
  ["a key twice, once as an escape", withText('"k\\u0065y":"AAAA"'), invalid],
  ["a key_ID twice", withText(`"key_ID":"${id}"`), invalid],
  ["a hash twice, once null", withText('"hash_value":null'), invalid],
  [
    "a key that is too long",
    message({ key: "A".repeat(65_540), hash_value: undefined }),
    "key_length_unsupported",
  ],
];

test("what is not as Table 1 and the profile say is refused, with the reason, and no key is left", (t) => {
  for (const [what, payload, reason, more] of refused) {
    for (const reader of [new SupplyReader(), read(message()).reader]) {
      const { refusal } = read(payload, reader);
      t.is(refusal?.reason, reason as never, what);
      t.is(refusal?.broken, more === "broken", what);
      t.is(reader.byteLength, 0);
      if (more === undefined) t.true(reader.hasId && uuidOf(reader.id) === id, what);
      else t.false(reader.hasId, what);
      t.notRegex(refusal?.why ?? "", /QKD-A|AAAA|84dec66a/);
    }
  }
});

test("huge numbers are refused in a moment", (t) => {
  for (const number of ["9".repeat(60_000), "1e999", `0.${"0".repeat(50_000)}1`, "-1", "1e-9"]) {
    const text = message().toString().replace('"key_length":256', `"key_length":${number}`);
    t.is(read(Buffer.from(text)).refusal?.reason, "invalid_message");
  }
});

/** Payloads that are good though they are not as a node of this project writes them. */
const good: readonly (readonly [string, Buffer, Parts?])[] = [
  [
    "only what is mandatory",
    Buffer.from(JSON.stringify({ key: usual.key, key_ID: id, qkd_module_ID: "QKD-A" })),
    { matchingModuleId: undefined, generatedAt: undefined, qber: undefined },
  ],
  ["with spaces", Buffer.from(JSON.stringify(usual, undefined, 2))],
  ["with tabs around", Buffer.from(`\t\r\n ${message()} \n`)],
  [
    "in another order",
    Buffer.from(JSON.stringify(Object.fromEntries(Object.entries(usual).reverse()))),
  ],
  [
    "with members of a later edition",
    message({ later: { more: [1, "two", null, true, false, -1.5e-3] } }),
  ],
  ["with a member named like one of Object's", withText('"__proto__":{"key":1},"constructor":1')],
  ["deep, but not too deep", withText(`"a":${deep(31)}`)],
  [
    "with null for what is not given",
    message({
      generation_timestamp: null,
      hash_value: null,
      extension: null,
      matching_qkd_module_ID: null,
      key_length: null,
    }),
    { matchingModuleId: undefined, generatedAt: undefined, qber: undefined },
  ],
  [
    "with slashes as escapes",
    Buffer.from(
      message({ key: Buffer.alloc(32, 0xff).toString("base64"), hash_value: undefined })
        .toString()
        .replaceAll("/", "\\/"),
    ),
  ],
  [
    "with names as escapes",
    Buffer.from(
      message().toString().replace('"key":', '"\\u006bey":').replace('"key_ID"', '"key\\u005fID"'),
    ),
  ],
  [
    "with another's extension",
    message({ extension: [{ qber: "3 %" }, { vendor: [1] }, {}] }),
    { qber: undefined },
  ],
  ["with a QBER that is no ratio", message({ extension: [{ qber: 3.16 }] }), { qber: undefined }],
  ["with a length of another form", Buffer.from(message().toString().replace(":256", ":2.56e2"))],
  [
    "with a hash in upper case",
    message({ hash_value: `sha-256:${usual.hash_value.slice(8).toUpperCase()}` }),
  ],
  ["with an ID in upper case", message({ key_ID: id.toUpperCase() })],
  [
    "with an offset in its time",
    message({ generation_timestamp: "2026-01-31T13:30:00.007+01:30" }),
  ],
  [
    "with a module's name beyond ASCII",
    message({ qkd_module_ID: "Zürich 🔑" }),
    { moduleId: "Zürich 🔑" },
  ],
  [
    "with a module's name as escapes",
    Buffer.from(message().toString().replace("QKD-A", "Z\\u00fcrich \\ud83d\\udd11")),
    { moduleId: "Zürich 🔑" },
  ],
  [
    "with a module of 128 characters",
    message({ qkd_module_ID: "🔑".repeat(128) }),
    { moduleId: "🔑".repeat(128) },
  ],
];

test("whatever speaks the draft is read", (t) => {
  const facts = {
    moduleId: "QKD-A",
    matchingModuleId: "QKD-B",
    bits: 256,
    generatedAt: Date.parse(usual.generation_timestamp),
    qber: 0.0316,
  };
  for (const [what, payload, change] of good) {
    for (const reader of [new SupplyReader(), read(message()).reader]) {
      const said = read(payload, reader);
      t.is(said.refusal, undefined, `${what}: ${said.refusal?.why}`);
      t.deepEqual(said.facts, { ...facts, ...change } as never, what);
      t.is(said.id, id);
      if (!what.includes("slashes")) t.deepEqual(said.key, bytes, what);
      // Once more: it is like the one before.
      t.is(read(payload, reader).refusal, undefined, what);
    }
  }
});

test("a message like the one before is still looked at in all that differs", (t) => {
  const reader = new SupplyReader();
  for (let round = 0; round < 2; round++) {
    t.is(read(message(), reader).refusal, undefined);
    const other = randomBytes(32);
    t.is(read(message({ key: other.toString("base64") }), reader).refusal?.reason, "hash_mismatch");
    t.is(read(message(), reader).refusal, undefined);
    const changed = read(
      message({
        key: other.toString("base64"),
        hash_value: sha256(other),
        key_ID: `0${id.slice(1)}`,
      }),
      reader,
    );
    t.is(changed.refusal, undefined);
    t.deepEqual(changed.key, other);
    t.is(changed.id, `0${id.slice(1)}`);
    t.is(
      read(message({ key: `!${usual.key.slice(1)}` }), reader).refusal?.reason,
      "invalid_message",
    );
    t.is(read(message({ key_ID: `x${id.slice(1)}` }), reader).refusal?.reason, "invalid_message");
    const figure = usual.hash_value.replace(/\d(?=[^:]*$)/, (digit) =>
      String.fromCharCode(Number(digit) + 0x10),
    );
    t.is(read(message(), reader).refusal, undefined);
    const raw = Buffer.from(message().toString().replace(usual.hash_value, figure));
    t.not(read(raw, reader).refusal, undefined, "a control character for a figure of the hash");
  }
});

test("without a key_length two keys whose texts are as long may be of different lengths", (t) => {
  const reader = new SupplyReader();
  for (const length of [31, 32, 31, 32, 31]) {
    const key = randomBytes(length);
    const change = { key: key.toString("base64"), hash_value: sha256(key), key_length: undefined };
    // 31 and 32 bytes both are 44 characters of base64.
    const said = read(message(change), reader);
    t.is(said.refusal, undefined);
    t.deepEqual(said.key, key);
    t.is(said.facts?.bits, length * 8);
  }
});

test("nothing of a key stays in the engine's memory, whether it was right or not", (t) => {
  const reader = new SupplyReader();
  for (const length of [16, 32, 55, 56, 200, 1_000, 32_768]) {
    const key = Buffer.concat([randomBytes(length - 1), Buffer.from([0xff])]);
    const part = key.subarray(0, 12);
    const text = Buffer.from(key.toString("base64").slice(0, 16));
    const change = { key: key.toString("base64"), key_length: length * 8, hash_value: sha256(key) };
    const slashes = (of: Buffer) => Buffer.from(of.toString().replaceAll("/", "\\/"));
    for (const payload of [
      message(change),
      slashes(message(change)),
      message({ ...change, hash_value: usual.hash_value }),
      message({ ...change, key_length: length * 8 - 1 }),
      message({ ...change, key: `${change.key.slice(0, -4)}!!!!` }),
    ]) {
      read(payload, reader);
      t.false(scratch.includes(part), `${length} bytes`);
      t.false(scratch.includes(text), `base64 of ${length} bytes`);
    }
    t.is(reader.read(message(change), 0, message(change).length), undefined);
    t.true(scratch.includes(part));
    reader.drop();
    t.false(scratch.includes(part));
  }
});

test("elements of a batch are messages of their own", (t) => {
  const other = message({ key_ID: `0${id.slice(1)}` });
  const batch = Buffer.from(`{ "keys" : [${message()} ,\n ${other}, 7] }`);
  const reader = new SupplyReader();
  t.is(reader.read(batch, 0, batch.length)?.reason, "invalid_message");
  const place = reader.batch;
  if (place === undefined) return t.fail("it is a batch");
  const said = [...elementsOf(batch, place.from, place.to)].map(({ from, to }) => {
    const refusal = reader.read(batch, from, to);
    reader.drop();
    return refusal?.reason ?? uuidOf(reader.id);
  });
  t.deepEqual(said, [id, `0${id.slice(1)}`, "invalid_message"]);
  t.is(read(message({ keys: [1] })).refusal, undefined);
  t.is(read(message({ keys: [1] })).reader.batch, undefined);
});
