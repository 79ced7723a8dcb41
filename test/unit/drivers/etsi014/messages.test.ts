/** What two drivers say to each other, against the vectors. */
import { readFileSync } from "node:fs";
import test from "ava";
import { compare, Decoder, encode, type Message } from "../../../../drivers/etsi014/messages.ts";
import { Fault } from "../../../../src/base/errors.ts";
import { random } from "../../../random.ts";

const file = new URL("../../../fixtures/etsi014/messages.txt", import.meta.url);
const lines = readFileSync(file, "utf8").trim().split("\n");
const vectors = lines.map((line) => line.split(" | ") as [string, string, string]);

test("each message is as the vectors have it, in whatever pieces it comes", (t) => {
  const good = vectors.filter(([name]) => name !== "bad");
  t.is(good.length, 10);
  const messages = good.map(([, json]) => JSON.parse(json) as Message);
  for (const [i, [name, , hex]] of good.entries()) {
    t.is(encode(messages[i] as Message).toString("hex"), hex, name);
  }
  const all = Buffer.from(good.map(([, , hex]) => hex).join(""), "hex");
  const draw = random(7);
  for (let round = 0; round < 50; round++) {
    const decoder = new Decoder();
    const found: Message[] = [];
    for (let at = 0; at < all.length; ) {
      const end = at + 1 + Math.floor(draw() * 40);
      found.push(...decoder.push(all.subarray(at, end)));
      at = end;
    }
    t.deepEqual(found, messages);
  }
});

test("what is not of the document is a fault, and quotes nothing", (t) => {
  const bad = vectors.filter(([name]) => name === "bad");
  t.is(bad.length, 14);
  for (const [, what, hex] of bad) {
    const error = t.throws(
      () => new Decoder().push(Buffer.from(hex, "hex")),
      { instanceOf: Fault },
      what,
    );
    t.is(error?.code, "peer.message", what);
    t.false(/0011|019/.test(error?.message ?? ""));
  }
});

test("members that are not known are ignored", (t) => {
  const body = Buffer.from('{"type":"alive","room":1,"mood":"good"}');
  const head = Buffer.alloc(4);
  head.writeUInt32BE(body.length);
  t.deepEqual(new Decoder().push(Buffer.concat([head, body])), [{ type: "alive", room: 1 }]);
});

test("noise never does anything but end the connection", (t) => {
  const draw = random(11);
  for (let round = 0; round < 2_000; round++) {
    const [, , hex] = vectors[Math.floor(draw() * vectors.length)] as [string, string, string];
    const bytes = Buffer.from(hex, "hex");
    for (let n = 0; n < 3; n++) bytes[Math.floor(draw() * bytes.length)] = Math.floor(draw() * 256);
    try {
      new Decoder().push(bytes);
    } catch (error) {
      t.true(error instanceof Fault);
    }
  }
  t.pass();
});

test("references have an order", (t) => {
  const [a, b] = ["019c13ececb7a215", "019c13ececb7a216"];
  t.true(compare({ epoch: a, number: 9 }, { epoch: b, number: 0 }) < 0);
  t.true(compare({ epoch: a, number: 9 }, { epoch: a, number: 8 }) > 0);
  t.is(compare({ epoch: a, number: 9 }, { epoch: a, number: 9 }), 0);
});
