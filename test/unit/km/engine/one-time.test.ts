import test from "ava";
import { tagOf } from "../../../../src/km/io/engine/tag.ts";

const bytes = (from: number, to: number) =>
  Buffer.from(Array.from({ length: to - from }, (_, i) => from + i));

test("the tag of a batch under a one-time key is that of the vector, however its bytes lie", (t) => {
  const key = { key: bytes(0, 32), nonce: Buffer.alloc(12), text: bytes(0x20, 0x40) };
  const parts = [bytes(0x40, 0x41), bytes(0x41, 0x60), bytes(0x60, 0x6d)];
  const tag = tagOf(parts, key).toString("hex");
  t.is(tag, "03a48576e9b5e6c6640fb3ff414ff03e");
  t.is(tagOf([bytes(0x40, 0x6d)], key).toString("hex"), tag);
});
