/**
 * The one-time MAC of relay messages: Poly1305 (RFC 8439 §2.5) with a key of 32 bytes of KMA-key that is used for one
 * message alone, so that it is a Wegman-Carter code: who sees one message with its tag, and has any computer, gives
 * another message of at most L bytes the right tag with a probability of at most 8 ⌈L/16⌉ / 2¹⁰⁶ (Bernstein 2005,
 * theorem 3.3). For the longest message of a relay, 64 KiB, that is 2⁻⁹¹. Pure.
 */
import { timingSafeEqual } from "node:crypto";

/** Bytes of KMA-key that a tag uses up, and bytes of a tag. */
export const macKeyBytes = 32;
export const macBytes = 16;

/** Numbers are six limbs of 22 bits: sums of products stay below 2⁵³, and 2¹³² is 20 modulo 2¹³⁰ − 5. */
const limb = 4_194_304;
const inverse = 1 / limb;
const last = 1_048_576;

/** Sixteen bytes as limbs. @param top 2¹²⁸ of a whole block */
function limbsOf(bytes: Uint8Array, at: number, to: Float64Array, top: number): void {
  const word = (i: number) => {
    const j = at + i;
    const low = (bytes[j] as number) | ((bytes[j + 1] as number) << 8);
    return low + ((bytes[j + 2] as number) | ((bytes[j + 3] as number) << 8)) * 65_536;
  };
  const a = word(0);
  const b = word(4);
  const c = word(8);
  const d = word(12);
  to[0] = a & 0x3f_ffff;
  to[1] = (a >>> 22) | ((b & 0xfff) << 10);
  to[2] = (b >>> 12) | ((c & 0x3) << 20);
  to[3] = (c >>> 2) & 0x3f_ffff;
  to[4] = (c >>> 24) | ((d & 0x3fff) << 8);
  to[5] = (d >>> 14) + top;
}

/**
 * @param key 32 bytes that no other message is authenticated with
 * @returns 16 bytes
 */
export function oneTimeTag(key: Uint8Array, text: Uint8Array): Buffer {
  const clamped = Buffer.from(key.subarray(0, 16));
  for (const i of [3, 7, 11, 15]) clamped[i] = (clamped[i] as number) & 15;
  for (const i of [4, 8, 12]) clamped[i] = (clamped[i] as number) & 252;
  const r = new Float64Array(6);
  limbsOf(clamped, 0, r, 0);
  clamped.fill(0);
  const [r0, r1, r2, r3, r4, r5] = r as unknown as [number, number, number, number, number, number];
  r.fill(0);
  const [s1, s2, s3, s4, s5] = [r1 * 20, r2 * 20, r3 * 20, r4 * 20, r5 * 20];
  const m = new Float64Array(6);
  const rest = Buffer.alloc(16);
  let h0 = 0;
  let h1 = 0;
  let h2 = 0;
  let h3 = 0;
  let h4 = 0;
  let h5 = 0;
  // 2¹²⁸ in the sixth limb, which begins at 2¹¹⁰.
  const whole = 262_144;
  for (let at = 0; at < text.length; at += 16) {
    if (at + 16 <= text.length) limbsOf(text, at, m, whole);
    else {
      rest.set(text.subarray(at));
      rest[text.length - at] = 1;
      limbsOf(rest, 0, m, 0);
    }
    const a0 = h0 + (m[0] as number);
    const a1 = h1 + (m[1] as number);
    const a2 = h2 + (m[2] as number);
    const a3 = h3 + (m[3] as number);
    const a4 = h4 + (m[4] as number);
    const a5 = h5 + (m[5] as number);
    let d0 = a0 * r0 + a1 * s5 + a2 * s4 + a3 * s3 + a4 * s2 + a5 * s1;
    let d1 = a0 * r1 + a1 * r0 + a2 * s5 + a3 * s4 + a4 * s3 + a5 * s2;
    let d2 = a0 * r2 + a1 * r1 + a2 * r0 + a3 * s5 + a4 * s4 + a5 * s3;
    let d3 = a0 * r3 + a1 * r2 + a2 * r1 + a3 * r0 + a4 * s5 + a5 * s4;
    let d4 = a0 * r4 + a1 * r3 + a2 * r2 + a3 * r1 + a4 * r0 + a5 * s5;
    let d5 = a0 * r5 + a1 * r4 + a2 * r3 + a3 * r2 + a4 * r1 + a5 * r0;
    let carry = Math.floor(d0 * inverse);
    h0 = d0 - carry * limb;
    d1 += carry;
    carry = Math.floor(d1 * inverse);
    h1 = d1 - carry * limb;
    d2 += carry;
    carry = Math.floor(d2 * inverse);
    h2 = d2 - carry * limb;
    d3 += carry;
    carry = Math.floor(d3 * inverse);
    h3 = d3 - carry * limb;
    d4 += carry;
    carry = Math.floor(d4 * inverse);
    h4 = d4 - carry * limb;
    d5 += carry;
    // The sixth limb has 20 bits up to 2¹³⁰, which is 5.
    carry = Math.floor(d5 / last);
    h5 = d5 - carry * last;
    d0 = h0 + carry * 5;
    carry = Math.floor(d0 * inverse);
    h0 = d0 - carry * limb;
    h1 += carry;
  }
  return finished([h0, h1, h2, h3, h4, h5], key.subarray(16, 32));
}

/** What the limbs stand for, modulo 2¹³⁰ − 5, plus the second half of the key, modulo 2¹²⁸. */
function finished(h: number[], key: Uint8Array): Buffer {
  let carry = 0;
  for (let round = 0; round < 2; round++) {
    for (let i = 0; i < 6; i++) {
      const size = i === 5 ? last : limb;
      const value = (h[i] as number) + carry;
      carry = Math.floor(value / size);
      h[i] = value - carry * size;
    }
    carry *= 5;
  }
  // Whether it is 2¹³⁰ − 5 or more: then 5 more have a carry.
  const more = [...h];
  let over = 5;
  for (let i = 0; i < 6; i++) {
    const size = i === 5 ? last : limb;
    const value = (more[i] as number) + over;
    over = Math.floor(value / size);
    more[i] = value - over * size;
  }
  const result = over > 0 ? more : h;
  const bytes = Buffer.alloc(macBytes);
  let bits = 0;
  let held = 0;
  let at = 0;
  for (let i = 0; i < 6; i++) {
    held += (result[i] as number) * 2 ** bits;
    bits += i === 5 ? 20 : 22;
    while (bits >= 8 && at < macBytes) {
      bytes[at++] = held % 256;
      held = Math.floor(held / 256);
      bits -= 8;
    }
  }
  let sum = 0;
  for (let i = 0; i < macBytes; i++) {
    sum += (bytes[i] as number) + (key[i] as number);
    bytes[i] = sum & 255;
    sum >>>= 8;
  }
  return bytes;
}

/** In constant time. */
export function isTag(key: Uint8Array, text: Uint8Array, tag: Uint8Array): boolean {
  return tag.length === macBytes && timingSafeEqual(oneTimeTag(key, text), tag);
}
