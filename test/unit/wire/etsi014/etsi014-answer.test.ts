/** Paths, and what is answered: containers byte for byte, errors. */
import test from "ava";
import { writeKeyContainer } from "../../../../src/wire/etsi014/container.ts";
import { pathOf } from "../../../../src/wire/etsi014/path.ts";
import {
  badRequest,
  EtsiRefusal,
  notAllowed,
  unauthorized,
} from "../../../../src/wire/etsi014/refusal.ts";

test("a path has an SAE and a method, and maybe a query", (t) => {
  const of = (url: string) => {
    const { method, sae, query } = pathOf(url);
    return [method, sae, String(query)];
  };
  t.deepEqual(of("/api/v1/keys/b/status"), ["status", "b", ""]);
  t.deepEqual(of("/api/v1/keys/b/enc_keys?number=1&size=8"), ["enc_keys", "b", "number=1&size=8"]);
  t.deepEqual(of("/api/v1/keys/b/dec_keys?a=?"), ["dec_keys", "b", "a=%3F"]);
  t.deepEqual(of("/api/v1/keys/b/dec_keys?"), ["dec_keys", "b", ""]);
  t.deepEqual(of("/api/v1/keys/%62%2fc%C3%BC/enc_keys"), ["enc_keys", "b/cü", ""]);
});

test("another path is not found, and an ID that is none is refused", (t) => {
  const status = (url: string) => t.throws(() => pathOf(url), { instanceOf: EtsiRefusal })?.status;
  for (const url of [
    "",
    "/",
    "*",
    "/api/v1/keys",
    "/api/v1/keys/",
    "/api/v1/keys/b",
    "/api/v1/keys/b/",
    "/api/v1/keys/b/Status",
    "/api/v1/keys/b/status/",
    "/api/v1/keys/b/c/status",
    "/api/v2/keys/b/status",
    "//api/v1/keys/b/status",
    "/x/api/v1/keys/b/status",
    "https://km",
    "/?/api/v1/keys/b/status",
  ]) {
    t.is(status(url), 404, url);
  }
  for (const id of ["", "%", "%f", "%ff", "%c0%af", "a".repeat(129)]) {
    t.is(status(`/api/v1/keys/${id}/status`), 400, id);
  }
});

const ids = ["000102030405460788090a0b0c0d0e0f", "ffffffffffff4fffbfffffffffffffff"];
const first = '{"key_ID":"00010203-0405-4607-8809-0a0b0c0d0e0f","key":"';
const second = '{"key_ID":"ffffffff-ffff-4fff-bfff-ffffffffffff","key":"';

test("a Key container is what the standard's example is", (t) => {
  const bytes = Buffer.from("0001020304050607f8f9fafbfcfdfeff", "hex");
  const halves = [bytes.subarray(0, 8), bytes.subarray(8)];
  t.is(
    String(writeKeyContainer(ids.slice(0, 1), [bytes], false)),
    `{"keys":[${first}AAECAwQFBgf4+fr7/P3+/w=="}]}`,
  );
  t.is(
    String(writeKeyContainer(ids, halves, false)),
    `{"keys":[${first}AAECAwQFBgc="},${second}+Pn6+/z9/v8="}]}`,
  );
  t.is(
    String(writeKeyContainer(ids, halves, true)),
    `{"keys":[${first}AAECAwQFBgc="},${second}+Pn6+/z9/v8="}],"key_container_extension":{"message":"not all extension_optional request options handled"}}`,
  );
});

test("containers of every length of key are JSON with the keys in them", (t) => {
  for (let length = 1; length <= 70; length++) {
    const bytes = Buffer.from(Array.from({ length: 2 * length }, (_, i) => (i * 37) & 0xff));
    // One is shorter: keys that are fetched together need not be alike.
    const [from, to] = [bytes.subarray(0, length - 1), bytes.subarray(length - 1)];
    const target = writeKeyContainer(ids, [from, to], length % 2 === 1);
    const { keys } = JSON.parse(String(target)) as { keys: { key: string }[] };
    const read = keys.map(({ key }) => Buffer.from(key, "base64"));
    t.deepEqual(read, [from, to]);
    // Memory that the caller wipes is of this answer alone.
    t.true(target.buffer.byteLength - target.length < 128);
  }
});

test("an error has a message, and details where there are some; 401 has no body", (t) => {
  t.is(String(badRequest("no").body()), '{"message":"no"}');
  const details = [{ max_key_per_request: 3 }];
  const error = badRequest('"no"', details);
  t.is(String(error.body()), '{"message":"\\"no\\"","details":[{"max_key_per_request":3}]}');
  t.is(error.status, 400);
  t.is(error.retryAfter, undefined);
  t.is(new EtsiRefusal(503, "later", [], 5).retryAfter, 5);
  t.is(unauthorized().status, 401);
  t.is(unauthorized().body().length, 0);
  t.like(notAllowed("GET"), { status: 405, allow: "GET", message: "GET only" });
});
