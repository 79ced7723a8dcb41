import test from "ava";
import { MessageCutter, prefixed } from "../../../../src/host/grpc/message-cutter.ts";
import {
  decodeText,
  encodeText,
  GrpcError,
  readTimeout,
  statusIn,
  statusOfHttp,
  timeoutText,
} from "../../../../src/host/grpc/status.ts";
import { random } from "../../../random.ts";

test("messages are found in chunks of any length", (t) => {
  const draw = random(5);
  const lengths = [0, 1, 4, 5, 6, 300, 70_000, 0, 0, 2];
  const messages = lengths.map((length, n) => Buffer.alloc(length, n));
  const all = Buffer.concat(messages.map((message) => prefixed(message)));
  for (let round = 0; round < 200; round++) {
    const found: Buffer[] = [];
    const cutter = new MessageCutter(70_000, (message) => found.push(Buffer.from(message)));
    for (let at = 0; at < all.length; ) {
      const length = Math.ceil(draw() ** 4 * (round < 100 ? 200_000 : 50));
      cutter.push(all.subarray(at, at + length));
      at += length;
    }
    t.false(cutter.isWithin);
    if (!found.every((one, n) => one.equals(messages[n] as Buffer))) t.fail(`round ${round}`);
    t.is(found.length, messages.length);
  }
});

test("a message that is too long or compressed is refused before it comes, and nothing is kept for it", (t) => {
  const cutter = () => new MessageCutter(100, () => t.fail());
  t.throws(() => cutter().push(Buffer.from([0, 0, 0, 0, 101])), { message: /101 bytes.* 100/ });
  t.throws(() => cutter().push(Buffer.from([0, 255, 255, 255, 255])), { instanceOf: GrpcError });
  t.throws(() => cutter().push(Buffer.from([1, 0, 0, 0, 1, 0])), { message: /compressed/ });
  const half = cutter();
  half.push(Buffer.from([0, 0, 0, 0, 100, 1, 2]));
  t.true(half.isWithin);
});

test("texts of a status pass as headers, and come shortened, without control characters", (t) => {
  for (const text of ["", "no route", "50 % of größe 😀"]) t.is(decodeText(encodeText(text)), text);
  t.is(encodeText("ä%\n"), "%C3%A4%25%0A");
  t.is(decodeText("a%0Ab%zz"), "a b%zz");
  t.is(decodeText("x".repeat(5_000)).length, 256);
});

test("a status is read from headers or trailers, or is not there", (t) => {
  t.is(statusIn({}), undefined);
  t.is(statusIn({ "grpc-status": "0" }), "ok");
  t.like(statusIn({ "grpc-status": "5", "grpc-message": "no%20such" }), {
    status: 5,
    message: "no such",
  });
  t.like(statusIn({ "grpc-status": "five" }), { status: 2, message: "no reason is told" });
  t.deepEqual(
    [400, 401, 403, 404, 429, 502, 503, 504, 418].map(statusOfHttp),
    [13, 16, 7, 12, 14, 14, 14, 14, 2],
  );
});

test("times of calls", (t) => {
  t.is(timeoutText(0), "1m");
  t.is(timeoutText(1_500.2), "1501m");
  t.is(timeoutText(2e8), "200000S");
  t.deepEqual(
    ["2H", "3M", "4S", "5m", "6u", "7000000n", "99999999S"].map(readTimeout),
    [7.2e6, 180_000, 4_000, 5, 0.006, 7, 99_999_999_000],
  );
  for (const text of ["", "5", "m", "123456789m", "5x", "-5m", "1.5S"])
    t.is(readTimeout(text), undefined, text);
});
