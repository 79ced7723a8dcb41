/** SHA-256 (FIPS 180-4) of messages that were padded by the caller, as hex digits. Pure. */
import {
  type Code,
  get,
  i8x16,
  i16x8,
  i32,
  type Routine,
  repeat,
  set,
  tee,
  v128,
} from "./assembler.ts";

/** The first primes. */
function primes(count: number): number[] {
  const found: number[] = [];
  for (let n = 2; found.length < count; n++) if (found.every((p) => n % p !== 0)) found.push(n);
  return found;
}

/** The first 32 bits of the fractional part. */
function fraction(value: number): number {
  return Math.floor((value - Math.floor(value)) * 2 ** 32) | 0;
}

/** §4.2.2 and §5.3.3. A double has 53 bits: enough for 32 behind the point of roots below 7 and 18. */
const roundConstants = primes(64).map((prime) => fraction(Math.cbrt(prime)));
const initial = primes(8).map((prime) => fraction(Math.sqrt(prime)));

const from = 0;
const end = 1;
const to = 2;
/** The eight words of the hash so far, and the eight working variables. */
const state = [3, 4, 5, 6, 7, 8, 9, 10];
const working = [11, 12, 13, 14, 15, 16, 17, 18];
/** The last 16 words of the message schedule. */
const schedule = Array.from({ length: 16 }, (_, i) => 19 + i);
const sum = 35;
const bytes = 36;
const digits = 37;

const at = (list: readonly number[], i: number) => list[i] as number;
const rotations = (x: Code, a: number, b: number, last: Code): Code =>
  i32.xor(i32.xor(i32.rotr(x, i32.const(a)), i32.rotr(x, i32.const(b))), last);

/** Words in memory are big-endian. */
function swapped(local: number): Code {
  const x = get(local);
  const low = i32.and(i32.rotr(x, i32.const(8)), i32.const(0xff00_ff00 | 0));
  const high = i32.and(i32.rotr(x, i32.const(24)), i32.const(0x00ff_00ff));
  return i32.or(low, high);
}

/** The word of round t, and where it is kept. */
function word(t: number): Code {
  const own = at(schedule, t & 15);
  if (t < 16) {
    return [set(own, i32.load(get(from), t * 4)), tee(own, swapped(own))];
  }
  const before = (distance: number) => get(at(schedule, (t - distance) & 15));
  const s0 = rotations(before(15), 7, 18, i32.shrU(before(15), i32.const(3)));
  const s1 = rotations(before(2), 17, 19, i32.shrU(before(2), i32.const(10)));
  return tee(own, i32.add(i32.add(get(own), s0), i32.add(before(7), s1)));
}

/** One round: instead of moving the working variables along, their names move. */
function round(t: number): Code {
  const name = (i: number) => at(working, (i - t) & 7);
  const [a, b, c, d, e, f, g, h] = [0, 1, 2, 3, 4, 5, 6, 7].map(name) as [
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const s1 = rotations(get(e), 6, 11, i32.rotr(get(e), i32.const(25)));
  const choice = i32.xor(get(g), i32.and(get(e), i32.xor(get(f), get(g))));
  const s0 = rotations(get(a), 2, 13, i32.rotr(get(a), i32.const(22)));
  const majority = i32.or(i32.and(get(a), get(b)), i32.and(get(c), i32.or(get(a), get(b))));
  const constant = i32.const(at(roundConstants, t));
  return [
    set(sum, i32.add(i32.add(get(h), s1), i32.add(choice, i32.add(constant, word(t))))),
    set(d, i32.add(get(d), get(sum))),
    set(h, i32.add(get(sum), i32.add(s0, majority))),
  ];
}

/** 16 hex digits of 8 bytes. */
function hex(half: number): Code {
  const low = v128.and(get(bytes), i8x16.splat(0x0f));
  const high = v128.and(i16x8.shrU(get(bytes), i32.const(4)), i8x16.splat(0x0f));
  const places = Array.from({ length: 8 }, (_, i) => [half * 8 + i, half * 8 + i + 16]).flat();
  const nibbles = tee(digits, i8x16.shuffle(high, low, places));
  // From 0 to 9, and from a, which is 39 further on.
  const letters = v128.and(i8x16.gtU(nibbles, i8x16.splat(9)), i8x16.splat(39));
  return i8x16.add(i8x16.add(letters, get(digits)), i8x16.splat("0".charCodeAt(0)));
}

/** Writes 64 digits, by way of the 32 bytes in the first half of their place. */
const writeHex: Code = [
  state.map((local, i) => i32.store(get(to), swapped(local), i * 4)),
  [16, 0].map((half) => [
    set(bytes, v128.load(get(to), half)),
    v128.store(get(to), hex(1), half * 2 + 16),
    v128.store(get(to), hex(0), half * 2),
  ]),
];

/** `sha256(from, end, to)`: hash of the padded message, one or more blocks of 64 bytes; 64 hex digits. */
export const sha256: Routine = {
  name: "sha256",
  parameters: 3,
  i32s: 33,
  v128s: 2,
  body: [
    state.map((local, i) => set(local, i32.const(at(initial, i)))),
    repeat(
      [
        working.map((local, i) => set(local, get(at(state, i)))),
        Array.from({ length: 64 }, (_, t) => round(t)),
        state.map((local, i) => set(local, i32.add(get(local), get(at(working, i))))),
      ],
      i32.ltU(tee(from, i32.add(get(from), i32.const(64))), get(end)),
    ),
    writeHex,
  ],
};
