import test from "ava";
import { writeCapabilities, writeEntropy, writeKey } from "../../../../src/wire/skip/answer.ts";
import { SkipRefusal } from "../../../../src/wire/skip/refusal.ts";
import { skipRequest } from "../../../../src/wire/skip/request.ts";

const limits = { least: 64, most: 4_096 };
const id = "0123456789abcdef0123456789abcdef";

test("every path of the draft is read", (t) => {
  const read = (url: string) => skipRequest("GET", url, limits);
  t.deepEqual(read("/capabilities"), { kind: "capabilities" });
  t.deepEqual(read("/key?remoteSystemID=KP_Bob"), {
    kind: "new key",
    remote: "KP_Bob",
    bits: 256,
  });
  t.deepEqual(read("/key?remoteSystemID=a%20b&size=512"), {
    kind: "new key",
    remote: "a b",
    bits: 512,
  });
  t.deepEqual(read(`/key/${id.toUpperCase()}?remoteSystemID=KP_Alice`), {
    kind: "key",
    remote: "KP_Alice",
    id,
  });
  t.deepEqual(read("/entropy"), { kind: "entropy", bits: 256 });
  t.deepEqual(read("/entropy?minentropy=129"), { kind: "entropy", bits: 136 });
});

const refused: readonly [method: string, url: string, status: SkipRefusal["status"]][] = [
  ["GET", "/", 404],
  ["GET", "/keys", 404],
  ["GET", "/key/1/2?remoteSystemID=a", 404],
  ["GET", "/capabilities/x", 404],
  ["GET", "capabilities", 404],
  ["GET", "*", 404],
  ["POST", "/nowhere", 404],
  ["POST", "/key?remoteSystemID=a", 405],
  ["HEAD", "/capabilities", 405],
  ["DELETE", `/key/${id}?remoteSystemID=a`, 405],
  ["GET", "/key", 400],
  ["GET", "/key?remoteSystemID=", 400],
  ["GET", "/key?remoteSystemID=a&remoteSystemID=b", 400],
  ["GET", `/key?remoteSystemID=${"a".repeat(129)}`, 400],
  ["GET", "/key?remoteSystemID=a&size=56", 400],
  ["GET", "/key?remoteSystemID=a&size=4104", 400],
  ["GET", "/key?remoteSystemID=a&size=257", 400],
  ["GET", "/key?remoteSystemID=a&size=1e3", 400],
  ["GET", "/key?remoteSystemID=a&size=-8", 400],
  ["GET", `/key/${id}`, 400],
  ["GET", `/key/${id}00?remoteSystemID=a`, 400],
  ["GET", "/key/?remoteSystemID=a", 400],
  ["GET", "/key/..%2f?remoteSystemID=a", 400],
  ["GET", "/entropy?minentropy=0", 400],
  ["GET", "/entropy?minentropy=16385", 400],
  ["GET", "/entropy?minentropy=8&minentropy=8", 400],
];

for (const [method, url, status] of refused) {
  test(`${method} ${url.slice(0, 60)} is answered ${status}`, (t) => {
    const refusal = t.throws(() => skipRequest(method, url, limits), { instanceOf: SkipRefusal });
    t.is(refusal.status, status);
    t.deepEqual(Object.keys(JSON.parse(refusal.body().toString())), ["message"]);
  });
}

test("answers are the draft's", (t) => {
  t.deepEqual(JSON.parse(writeCapabilities("KP_Alice", ["KP_Bob"]).toString()), {
    entropy: true,
    key: true,
    algorithm: "QKD",
    localSystemID: "KP_Alice",
    remoteSystemID: ["KP_Bob"],
  });
  const bytes = Buffer.from("00ff10a5", "hex");
  t.is(writeKey(id, bytes).toString(), `{"keyId":"${id}","key":"00ff10a5"}`);
  t.is(writeEntropy(bytes).toString(), `{"randomStr":"00ff10a5","minentropy":32}`);
});
