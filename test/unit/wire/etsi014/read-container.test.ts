import test from "ava";
import { describe, Fault } from "../../../../src/base/errors.ts";
import { writeKeyContainer } from "../../../../src/wire/etsi014/container.ts";
import { readKeyContainer } from "../../../../src/wire/etsi014/read-container.ts";

const id = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0";

test("keys are read as they are written, of every length, and the body is wiped", (t) => {
  for (let length = 1; length <= 70; length++) {
    const bytes = Buffer.from(
      Array.from({ length: 2 * length }, (_, i) => (i * 37 + length) & 255),
    );
    const ids = ["a".repeat(32), "b".repeat(32)];
    const both = [bytes.subarray(0, length), bytes.subarray(length)];
    const body = writeKeyContainer(ids, both, length % 2 === 0);
    const keys = readKeyContainer(body);
    t.deepEqual(
      keys.map((key) => key.bytes.toString("hex")),
      both.map((one) => one.toString("hex")),
    );
    t.is(keys[0]?.id, "aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa");
    t.true(body.every((byte) => byte === 0));
  }
});

test("dialects of other KMs are read: blanks, other orders, escaped slashes, extensions", (t) => {
  const body = Buffer.from(`{ "key_container_extension": {"x": 1},
    "keys" : [ { "key" : "\\/\\/79", "key_extension": {}, "key_ID" : "${id.toUpperCase()}" } ] }`);
  const [key] = readKeyContainer(body);
  t.is(key?.id, id);
  t.is(key?.bytes.toString("hex"), "fffefd");
});

test("escapes of JSON are letters of base64: as serializers write them", (t) => {
  const written = (key: string) => Buffer.from(`{"keys":[{"key_ID":"${id}","key":"${key}"}]}`);
  const read = (key: string) => readKeyContainer(written(key))[0]?.bytes.toString("hex");
  t.is(read("+/+/+/+/AAE="), Buffer.from("+/+/+/+/AAE=", "base64").toString("hex"));
  for (const key of [
    "\\u002B\\u002f+/+\\/+/AAE\\u003d",
    "\\u002b/+/+/+/A\\u0041E=",
    "+/+/+/+/AAE",
  ]) {
    t.is(read(key), read("+/+/+/+/AAE="), key);
  }
  t.is(readKeyContainer(Buffer.from(`\ufeff${written("AAAA")}`)).length, 1, "a BOM is none of it");
  for (const key of [
    "AA==AAAA",
    "AAE\\u003dAAAA",
    "AAF=",
    "AAAAA",
    "AAE==",
    "AA=",
    "A===",
    "====",
    "AAE\\",
    "AAE\\u00",
    "AAE\\n",
    "AAE\\\\",
    "AAE\\u0000",
    "AAE\\uFF1D",
    "AAE\\u00e9",
  ]) {
    t.throws(() => read(key), { code: "psk.km" }, key);
  }
});

for (const [what, body] of [
  ["nothing", ""],
  ["no JSON", `{"keys":[{"key_ID":"${id}","key":"AAAA"}]`],
  ["no base64", `{"keys":[{"key_ID":"${id}","key":"A*AA"}]}`],
  ["a key without an ID", `{"keys":[{"key":"AAAA"}]}`],
  ["an ID without a key", `{"keys":[{"key_ID":"${id}"}]}`],
  ["a key that has no end", `{"keys":[{"key_ID":"${id}","key":"AAAA`],
  ["a key beside the list", `{"key":"AAAA","keys":[]}`],
  ["a list", `[]`],
] as const) {
  test(`${what} is no Key container, and nothing of it is quoted`, (t) => {
    const error = t.throws(() => readKeyContainer(Buffer.from(body)), { instanceOf: Fault });
    t.regex(error.message, /^the KM's answer is no Key container/);
    t.regex(String(error.facts.why), /^(it|a key)/);
    t.false(/AA/.test(describe(error)));
    t.is(error.cause, undefined);
  });
}
