import { readFileSync } from "node:fs";
import test from "ava";
import { KqDeframer } from "../../../../src/wire/kq1/frame.ts";
import {
  type KeyResponse,
  readKeyResponse,
  writeKeyRequest,
  writeKeyRequestFrame,
} from "../../../../src/wire/kq1/key-request.ts";
import { checkKeyRequest, parseMembers } from "../../../../src/wire/kq1/request.ts";
import { SupplyReader } from "../../../../src/wire/kq1/supply-reader.ts";
import { uuidOf } from "../../../../src/wire/kq1/uuid.ts";

function vector(name: string): Buffer {
  const file = new URL(`../../../fixtures/kq1/${name}.hex`, import.meta.url);
  const text = readFileSync(file, "utf8").replace(/#.*$/gm, "");
  return Buffer.from(text.replace(/\s+/g, ""), "hex");
}

const asked = {
  moduleId: "QKD-A",
  matchingModuleId: "QKD-B",
  bits: 128,
  generatedAt: undefined,
  qber: undefined,
};

function keysIn(payload: Buffer, { keys }: KeyResponse) {
  const reader = new SupplyReader();
  return keys.map(({ from, to }) => {
    const refusal = reader.readOne(payload, from, to, asked);
    if (refusal !== undefined) return refusal.reason;
    const bytes = Buffer.alloc(reader.byteLength);
    reader.take(bytes, 0);
    return { id: uuidOf(reader.id), bytes: bytes.toString("hex"), facts: reader.facts };
  });
}

test("a request is the golden vector; with a name it is what a node reads", (t) => {
  const payload = vector("key-request").subarray(10);
  t.deepEqual(writeKeyRequest({ number: 2, size: 128 }), payload);
  const wish = { number: 7, size: 256, token: "sixteen letters!" };
  const deframer = new KqDeframer((frame) => {
    t.is(frame.messageId, 0xffff_fffe);
    t.is(frame.command, 3);
    t.deepEqual(checkKeyRequest(parseMembers(frame.payload)), wish);
  });
  t.plan(3 + 1);
  deframer.push(writeKeyRequestFrame(0xffff_fffe, wish));
});

test("the response of the golden vector is read: its keys, and how many are left", (t) => {
  const payload = vector("response-to-key-request").subarray(10);
  const response = readKeyResponse(payload, 0, payload.length) as KeyResponse;
  t.like(response, { response: "success", remaining: 1 });
  const facts = { ...asked, qber: 0.0316 };
  t.deepEqual(keysIn(payload, response), [
    {
      id: "84dec66a-1dda-8876-bf0f-2f4a0d1b3c5e",
      bytes: "000102030405060708090a0b0c0d0e0f",
      facts,
    },
    {
      id: "00000000-0000-8000-8000-000000000002",
      bytes: "101112131415161718191a1b1c1d1e1f",
      facts,
    },
  ]);
});

const read = (text: string) => {
  const payload = Buffer.from(text);
  return readKeyResponse(payload, 0, payload.length);
};

test("an answer of ETSI GS QKD 014 has no word; one without keys is none", (t) => {
  const id = "84dec66a-1dda-8876-bf0f-2f4a0d1b3c5e";
  const text = `{"keys":[{"key":"AAECAwQFBgcICQoLDA0ODw==","key_ID":"${id}","key_extension":[]}]}`;
  const response = read(text) as KeyResponse;
  t.is(response.response, "success");
  t.like(keysIn(Buffer.from(text), response), [{ id }]);
  t.is(read('{"keys":[]}')?.response, "other");
  t.is(read('{"keys":[],"response":"success"}')?.response, "other");
  t.is(read('{"keys":[],"response":"no_keys_available"}')?.response, "no_keys_available");
  t.is(read('{"response":"busy"}')?.response, "busy");
  t.is(read('{"response":"later, perhaps"}')?.response, "other");
  t.is(read('{"response":7}')?.response, "other");
});

test("what is no answer is not read, and of keys that are none each is refused", (t) => {
  for (const text of ["", "[]", '{"keys":', '{"keys":[],"keys":[]}', '{"keys":[}']) {
    t.is(read(text), undefined, text);
  }
  const good = '"key_ID":"84dec66a-1dda-8876-bf0f-2f4a0d1b3c5e"';
  const elements = [
    "7",
    "{}",
    `{${good}}`,
    `{${good},"key":"AAAA"}`,
    `{${good},"key":"AAECAwQFBgcICQoLDA0ODw==","key_extension":7}`,
    `{${good},${good},"key":"AAECAwQFBgcICQoLDA0ODw=="}`,
  ];
  const text = `{"keys":[${elements.join(",")}]}`;
  const response = read(text) as KeyResponse;
  t.deepEqual(keysIn(Buffer.from(text), response), Array(6).fill("invalid_message"));
  for (const remaining of ["[1]", "[null]", '[{"remaining":-1}]', '[{"remaining":"1"}]', "{}"]) {
    t.is(read(`{"keys":[],"extension":${remaining}}`)?.remaining, 0);
  }
});
