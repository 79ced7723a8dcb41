import { createHash, createHmac, randomBytes } from "node:crypto";
import test from "ava";
import { decodeBase64 } from "../../emulator/km/base64.ts";
import { frame, supplyPayload, testId, testKey } from "../../emulator/km/raw-client.ts";
import { KmStore } from "../../emulator/km/store.ts";
import { readSupply } from "../../emulator/km/supply.ts";
import { encodeResponse, FrameReader } from "../../emulator/km/wire.ts";

const ascii = (text: string) => new Uint8Array(Buffer.from(text));

/** What a message is refused for, or its facts. */
function read(payload: string) {
  const result = readSupply(ascii(payload));
  return "fault" in result ? result.reason : result.facts;
}

/** What a reader makes of `chunks`, as `MessageID:payload` or `MessageID!code of the fault`. */
function frames(reader: FrameReader, chunks: readonly Uint8Array[]): string[] {
  const seen: string[] = [];
  for (const chunk of chunks) {
    for (const item of reader.push(chunk)) {
      if ("fault" in item) return [...seen, `${item.messageId}!${item.fault.code}`];
      seen.push(`${item.messageId}:${Buffer.from(item.payload).toString()}`);
    }
  }
  return seen;
}

test("base64 of every length decodes to the bytes that were encoded", (t) => {
  for (let length = 0; length < 100; length++) {
    const bytes = randomBytes(length);
    t.deepEqual(decodeBase64(ascii(bytes.toString("base64"))), new Uint8Array(bytes));
  }
});

test("base64 in any form but the canonical one is refused", (t) => {
  // RFC 4648 §10 gives "Zg==" for "f" and "Zm8=" for "fo".
  const wrong = [
    "Zh==",
    "Zm9=",
    "Zg=",
    "Zg",
    "Z===",
    "====",
    "Zg=a",
    "Zm8\n",
    "_-8=",
    "Z m8",
    "Zg==Zg==",
  ];
  for (const text of wrong) t.is(decodeBase64(ascii(text)), undefined, text);
});

test("a stream of frames reads the same wherever it is split", (t) => {
  const stream = Buffer.concat([frame(1, "{}"), frame(2, ""), frame(0xffffffff, "abc")]);
  const expected = ["1:{}", "2:", "4294967295:abc"];
  for (let first = 0; first <= stream.length; first++) {
    for (let second = first; second <= stream.length; second++) {
      const parts = [
        stream.subarray(0, first),
        stream.subarray(first, second),
        stream.subarray(second),
      ];
      const reader = new FrameReader();
      t.deepEqual(
        frames(
          reader,
          parts.map((part) => new Uint8Array(part)),
        ),
        expected,
      );
      t.is(reader.pending, 0);
    }
  }
});

test("the longest payload is read whole, and chunks are overwritten once they are read", (t) => {
  const stream = new Uint8Array(frame(9, Buffer.alloc(65_535, "x")));
  const reader = new FrameReader();
  const [only] = frames(reader, [stream.subarray(0, 40_000), stream.subarray(40_000)]);
  t.is(only?.length, "9:".length + 65_535);
  t.true(stream.every((byte) => byte === 0));
});

test("a wrong Version and an unknown CommandCode are told as soon as the header is there", (t) => {
  const version = frame(5, "whatever", { version: 2 }).subarray(0, 10);
  t.deepEqual(frames(new FrameReader(), [version]), ["5!kq1.frame"]);
  const code = frame(6, "whatever", { code: 0x0100 }).subarray(0, 10);
  t.deepEqual(frames(new FrameReader(), [code]), ["6!kq1.frame"]);
});

test("a response is the bytes that Annex A and Table 2 say", (t) => {
  const payload = '{"key_ID":"","response":"busy"}';
  t.is(
    encodeResponse(0x01020304, { keyId: "", response: "busy" }).toString("hex"),
    `0001010203040002001f${Buffer.from(payload).toString("hex")}`,
  );
});

test("a Key supply message with all parameters is read into its facts", (t) => {
  const key = testKey(1);
  const payload = supplyPayload(1, {
    matching_qkd_module_ID: "bob-1",
    key_length: 256,
    generation_timestamp: "2026-02-28T23:59:59.001Z",
    hash_value: `sha-256:${createHash("sha256").update(key).digest("hex")}`,
    extension: [{ qber: 0.0316 }, { sequence: 7, colour: "red" }, {}],
    not_of_the_table: { key: "AAAA" },
  });
  const result = readSupply(ascii(payload));
  if ("fault" in result) return t.fail(result.fault.message);
  t.deepEqual(result.facts, {
    id: testId(1),
    moduleId: "alice-1",
    matchingModuleId: "bob-1",
    bits: 256,
    generatedAt: Date.UTC(2026, 1, 28, 23, 59, 59, 1),
    qber: 0.0316,
    sequence: 7,
  });
  t.deepEqual(Buffer.from(result.bytes), key);
  t.is(result.bytes.buffer.byteLength, 32, "in memory of its own, not in the pool");
});

test("the key is gone from the payload once it is read", (t) => {
  const base64 = testKey(1).toString("base64");
  for (const payload of [
    supplyPayload(1),
    supplyPayload(1, { key_ID: 5 }),
    `{"key": "${base64}" ,"key":"${base64}"}`,
    `{"k\\u0065y":"${base64}"}`,
    `{"key":["${base64}"]}`,
    `{"a":[{"key":"}]"}],"key":"${base64}", oops`,
  ]) {
    const bytes = ascii(payload);
    readSupply(bytes);
    t.false(Buffer.from(bytes).toString().includes(base64), payload);
  }
});

test("slashes in the key may be escaped, as JSON allows", (t) => {
  const key = Buffer.alloc(30, 0xff);
  const escaped = key.toString("base64").replaceAll("/", "\\/");
  const result = readSupply(ascii(supplyPayload(1).replace(/"key":"[^"]*"/, `"key":"${escaped}"`)));
  t.deepEqual("bytes" in result && Buffer.from(result.bytes), key);
});

test("a key of odd length has its bits counted and its padding checked", (t) => {
  const odd = (last: number, key_length: number) =>
    read(supplyPayload(1, { key: Buffer.from([0xff, last]).toString("base64"), key_length }));
  t.like(odd(0xe0, 11), { bits: 11 });
  t.like(odd(0x80, 9), { bits: 9 });
  t.is(odd(0xf0, 11), "invalid_message");
  t.is(odd(0xe0, 8), "invalid_message");
  t.is(odd(0xe0, 17), "invalid_message");
});

test("a parameter that breaks its rule makes the message invalid", (t) => {
  const wrong: Record<string, readonly unknown[]> = {
    key: [undefined, "", 5, null, "AAA", "AAB=", "AA-_", ["AAAA"]],
    key_ID: [
      undefined,
      1,
      "",
      "5F0C3A52-7d1e-8a4b-9c6d-000000000001",
      "5f0c3a527d1e8a4b9c6d000000000001",
    ],
    qkd_module_ID: [undefined, 7, "", "x".repeat(129)],
    matching_qkd_module_ID: [7, null, "x".repeat(129)],
    key_length: [0, -8, 1.5, "256", null, 255 * 8, 248],
    generation_timestamp: [
      0,
      "2026-01-01T00:00:00Z",
      "2026-01-01T00:00:00.000+00:00",
      "2026-02-31T00:00:00.000Z",
      "2026-13-01T00:00:00.000Z",
    ],
    hash_value: [1, "", "a".repeat(64), `sha-256:${"A".repeat(64)}`, `sha-512:${"a".repeat(128)}`],
    extension: [{}, "x", [1], [null], [[]], [{ qber: "0.1" }], [{ qber: 1.5 }], [{ sequence: -1 }]],
  };
  t.like(read(supplyPayload(1)), { bits: 256 });
  for (const [name, values] of Object.entries(wrong)) {
    for (const value of values) {
      const what = `${name}: ${JSON.stringify(value)}`;
      t.is(read(supplyPayload(1, { [name]: value })), "invalid_message", what);
    }
  }
});

test("a hash of other bytes is a mismatch", (t) => {
  const hash = createHash("sha256").update(testKey(2)).digest("hex");
  t.is(read(supplyPayload(1, { hash_value: `sha-256:${hash}` })), "hash_mismatch");
});

test("a refusal names the parameter and the key ID, and quotes nothing", (t) => {
  const result = readSupply(ascii(supplyPayload(3, { generation_timestamp: "CANARY" })));
  if (!("fault" in result)) return t.fail();
  t.is(result.keyId, testId(3));
  t.is(result.moduleId, "alice-1");
  t.false(result.broken);
  t.regex(result.fault.message, /generation_timestamp/);
  t.notRegex(JSON.stringify([result.fault, result.fault.message, result.fault.stack]), /CANARY/);
});

test("a payload that is not a JSON object is broken, however it is not", (t) => {
  const inside = '"key":"AAAA"';
  const broken = [
    "",
    "[]",
    "7",
    "{",
    `{${inside}`,
    `{${inside}}}`,
    `{${inside},}`,
    `{${inside} "a":1}`,
    `{${inside},"a":}`,
    `{${inside},"a":[}`,
    `{${inside},"a":nope}`,
    `{${inside},"a":"\\`,
    `{'key':"AAAA"}`,
    '{"key":"AAAA',
    '{"key":"AA\\"',
    '\uFEFF{"key":"AAAA"}',
  ];
  for (const payload of broken) t.like(readSupply(ascii(payload)), { broken: true }, payload);
  const latin1 = new Uint8Array(Buffer.from(`{${inside},"a":"\xe9"}`, "latin1"));
  t.like(readSupply(latin1), { broken: true }, "not UTF-8");
});

const supply = (n: number, bytes: Uint8Array = new Uint8Array(testKey(n))) => ({
  facts: { id: testId(n), moduleId: n % 2 === 0 ? "bob-1" : "alice-1", bits: bytes.length * 8 },
  bytes,
});

test("the store holds a key once, counts its repeats, and never changes it", (t) => {
  const store = new KmStore();
  t.is(store.put(supply(1)), "stored");
  t.is(store.put(supply(2)), "stored");
  t.is(store.put(supply(1)), "repeat");
  t.is(store.put(supply(1, new Uint8Array(32))), "conflict");
  t.is(store.put(supply(1, new Uint8Array(testKey(1).subarray(0, 16)))), "conflict");
  t.deepEqual(store.ids(), [testId(1), testId(2)]);
  t.like(store.get(testId(1)), { order: 0, arrivals: 2 });
  t.deepEqual(store.summary(), {
    keys: 2,
    bits: 512,
    bytes: 64,
    repeats: 1,
    conflicts: 2,
    modules: { "alice-1": 1, "bob-1": 1 },
  });
  t.deepEqual(Buffer.from(store.bytes(testId(1)) ?? []), testKey(1));
});

test("the store is bounded by keys and by bytes, and repeats still fit", (t) => {
  const byKeys = new KmStore({ maxKeys: 1 });
  t.deepEqual(
    [1, 2, 1].map((n) => byKeys.put(supply(n))),
    ["stored", "full", "repeat"],
  );
  const byBytes = new KmStore({ maxBytes: 63 });
  t.deepEqual(
    [1, 2, 1].map((n) => byBytes.put(supply(n))),
    ["stored", "full", "repeat"],
  );
});

test("stores compare by digests under a common secret", (t) => {
  const [one, other] = [new KmStore(), new KmStore()];
  for (const n of [1, 2, 3]) one.put(supply(n));
  for (const n of [3, 2, 1]) other.put(supply(n));
  const secret = randomBytes(32);
  const sorted = (store: KmStore) => [...store.digest(secret)].sort();
  t.deepEqual(sorted(one), sorted(other));
  t.is(
    one.digest(secret).get(testId(1)),
    createHmac("sha256", secret).update(testKey(1)).digest("hex"),
  );
});

test("what the store tells about its keys has no bytes in it, and a wipe leaves none", (t) => {
  const store = new KmStore();
  const bytes = new Uint8Array(testKey(1));
  store.put(supply(1, bytes));
  const told = JSON.stringify([store, store.entries(), store.summary(), store.ids()]);
  t.false(told.includes(testKey(1).toString("base64")));
  t.deepEqual(Object.keys(store.entries()[0] ?? {}), [
    "id",
    "moduleId",
    "bits",
    "order",
    "arrivals",
  ]);
  store.wipe();
  t.deepEqual(bytes, new Uint8Array(32));
  t.is(store.size, 0);
});
