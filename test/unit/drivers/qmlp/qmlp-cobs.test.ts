import test from "ava";
import { cobsBound, cobsDecode, cobsEncode } from "../../../../drivers/qmlp/cobs.ts";
import { random } from "../../../random.ts";

function encode(bytes: Buffer): Buffer {
  const target = Buffer.alloc(cobsBound(bytes.length));
  return target.subarray(0, cobsEncode(Buffer.from(bytes), target, 0));
}

/** In the middle of other bytes, which stay as they are. */
function decode(bytes: Buffer): Buffer | undefined {
  const around = Buffer.from([0, 0x55]);
  const all = Buffer.concat([around, bytes, around]);
  const start = around.length;
  const end = cobsDecode(all, start, start + bytes.length);
  const kept = [all.subarray(0, start), all.subarray(start + bytes.length)];
  if (!kept.every((one) => one.equals(around))) throw new Error("touched what is not its own");
  return end < 0 ? undefined : all.subarray(start + 1, end);
}

/** What is wrong with how these bytes travel; undefined if nothing. */
function fault(bytes: Buffer): string | undefined {
  const encoded = encode(bytes);
  if (encoded.includes(0)) return `a zero among ${bytes.length} bytes`;
  if (encoded.length > cobsBound(bytes.length)) return `${bytes.length} bytes pass the bound`;
  return decode(encoded)?.equals(bytes) === true ? undefined : `${bytes.length} bytes are lost`;
}

function run(from: number, length: number): string {
  return Buffer.from(Array.from({ length }, (_, i) => (from + i) & 0xff)).toString("hex");
}

test("the published examples of COBS come out, and back, as published", (t) => {
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

test("lengths around the groups of 254 survive, with a zero anywhere or nowhere", (t) => {
  for (const length of [0, 1, 2, 252, 253, 254, 255, 256, 507, 508, 509, 510, 762, 763]) {
    t.is(fault(Buffer.alloc(length)), undefined, "zeros only");
    t.is(fault(Buffer.alloc(length, 0xff)), undefined, "no zero");
    for (let zero = 0; zero < length; zero++) {
      const bytes = Buffer.alloc(length, 1);
      bytes[zero] = 0;
      const found = fault(bytes);
      if (found !== undefined) t.fail(`zero at ${zero}: ${found}`);
    }
  }
});

test("random bytes survive, whatever part of them is zero", (t) => {
  const draw = random(1);
  for (let round = 0; round < 3_000; round++) {
    const zeros = draw() ** 3;
    const length = Math.floor(draw() * (round % 10 === 0 ? 2_000 : 300));
    const bytes = Buffer.from(
      Array.from({ length }, () => (draw() < zeros ? 0 : 1 + Math.floor(draw() * 255))),
    );
    const found = fault(bytes);
    if (found !== undefined) t.fail(`round ${round}: ${found}`);
  }
  t.pass();
});

test("full groups at the end are taken with and without the code after them", (t) => {
  for (const groups of [1, 2]) {
    const encoded = Buffer.concat(Array(groups).fill(Buffer.from(`ff${run(1, 254)}`, "hex")));
    const plain = Buffer.from(run(1, 254).repeat(groups), "hex");
    t.deepEqual(encode(plain), encoded);
    t.deepEqual(decode(encoded), plain);
    t.deepEqual(decode(Buffer.concat([encoded, Buffer.from([1])])), plain);
  }
});

test("encoding touches nothing outside its place", (t) => {
  const target = Buffer.alloc(20, 0xee);
  const end = cobsEncode(Buffer.from("00aa00", "hex"), target, 5);
  t.is(target.toString("hex"), `${"ee".repeat(5)}0102aa01${"ee".repeat(20 - end)}`);
});

test("what is not COBS is refused", (t) => {
  for (const wrong of ["", "02", "05112233", "ff01", "0211ff", "0211000311"]) {
    t.is(decode(Buffer.from(wrong, "hex")), undefined, wrong);
  }
});
