/**
 * Base64 (RFC 4648 §4) of 12 bytes at a time. Method: W. Muła and D. Lemire, Faster Base64 Encoding and
 * Decoding using AVX2 Instructions (ACM TWEB 12, 2018), on 128-bit vectors.
 */
import {
  type Code,
  get,
  i8x16,
  i16x8,
  i32,
  i32x4,
  type Routine,
  repeat,
  set,
  tee,
  v128,
  when,
} from "./assembler.ts";

const word = (value: number): Code => [0, 8, 16, 24].map((by) => (value >>> by) & 0xff);
const words = (value: number): Code => Array(4).fill(word(value));
const bytes = (value: number): Code => Array(16).fill(value);

/**
 * Constants of the loop. It loads them from memory before it begins: as immediates the compiler would
 * put each together anew each time, which takes longer than the work.
 */
const constants = {
  first: words(0x0000_fc00),
  third: words(0x0fc0_0000),
  others: words(0x003f_03f0),
  /** A product shifts the two halves by different counts: 4 and 8 bits to the left. */
  shifts: words(0x0100_0010),
  lastLetter: bytes(51),
  letters: bytes(26),
  capital: bytes(13),
  /** What is added to a 6-bit value to make a character, by the class of the value. */
  offsets: [
    "a".charCodeAt(0) - 26,
    ...Array(10).fill("0".charCodeAt(0) - 52),
    "+".charCodeAt(0) - 62,
    "/".charCodeAt(0) - 63,
    "A".charCodeAt(0),
    0,
    0,
  ].map((offset) => offset & 0xff),
} as const;
type Constant = keyof typeof constants;
const names = Object.keys(constants) as Constant[];

/** What must stand at the beginning of the memory. */
export const base64Data: Code = Object.values(constants);

const from = 0;
const to = 1;
const end = 2;
const firstConstant = 3;
const constant = (name: Constant) => get(firstConstant + names.indexOf(name));
/** Vectors under way; two, so that the processor can begin one before the other is done. */
const held = [firstConstant + names.length, firstConstant + names.length + 1];
/** Vectors in one round of the loop. */
const round = 4;

/** Four 6-bit values, one a byte, from each three bytes. */
function sixBits(input: Code, lane: number): Code {
  // Of bytes a b c, a 32-bit lane gets b a c b: each 6-bit value is in one 16-bit half then.
  const spread = [0, 3, 6, 9].flatMap((at) => [at + 1, at, at + 2, at + 1]);
  const lanes = tee(lane, i8x16.shuffle(input, i32x4.splat(0), spread));
  const first = i32x4.shrU(v128.and(lanes, constant("first")), i32.const(10));
  const third = i32x4.shrU(v128.and(get(lane), constant("third")), i32.const(6));
  const others = i16x8.mul(v128.and(get(lane), constant("others")), constant("shifts"));
  return v128.or(v128.or(first, third), others);
}

/** Characters of 6-bit values. */
function characters(values: Code, lane: number): Code {
  // Class 0 for a-z, 1 to 10 for the digits, 11 and 12 for + and /; 13 for A-Z.
  const beyond = i8x16.subSatU(tee(lane, values), constant("lastLetter"));
  const capital = v128.and(i8x16.ltU(get(lane), constant("letters")), constant("capital"));
  const offset = i8x16.swizzle(constant("offsets"), v128.or(beyond, capital));
  return i8x16.add(offset, get(lane));
}

/** Encodes `count` vectors, and goes on behind them. */
function encode(count: number): Code {
  return [
    Array.from({ length: count }, (_, i) => {
      const lane = held[i & 1] as number;
      const input = v128.load(get(from), i * 12);
      return v128.store(get(to), characters(sixBits(input, lane), lane), i * 16);
    }),
    set(from, i32.add(get(from), i32.const(count * 12))),
    set(to, i32.add(get(to), i32.const(count * 16))),
  ];
}

/** Whether there are as many bytes left. */
const left = (count: number) => i32.ltU(i32.add(get(from), i32.const(count - 1)), get(end));

/**
 * `base64(from, to, end)`: encodes the bytes from `from` to before `end`. Reads up to 15 bytes, and
 * writes up to 15, more than that: whole vectors.
 */
export const base64: Routine = {
  name: "base64",
  parameters: 3,
  i32s: 0,
  v128s: names.length + held.length,
  body: [
    names.map((_, i) => set(firstConstant + i, v128.load(i32.const(i * 16)))),
    when(left(round * 12), [repeat([encode(round)], left(round * 12))]),
    when(left(1), [repeat([encode(1)], left(1))]),
  ],
};
