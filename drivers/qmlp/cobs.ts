/**
 * Consistent overhead byte stuffing (QMLP §1): any bytes become bytes without 0x00, so that 0x00
 * can end a frame.
 */

/** Runs shorter than this are copied in a loop; a call into native code costs more. */
const shortRun = 32;

function copy(from: Buffer, start: number, end: number, to: Buffer, at: number): void {
  if (end - start < shortRun) {
    for (let i = start, o = at; i < end; i++, o++) to[o] = from[i] as number;
  } else {
    from.copy(to, at, start, end);
  }
}

/** The longest that `length` bytes can become, without the 0x00 that ends the frame. */
export function cobsBound(length: number): number {
  return length + Math.ceil(length / 254) + 1;
}

/**
 * Encodes `source` into `target` from `at` on, without a final 0x00.
 * @param target holds at least `at + cobsBound(source.length)` bytes
 * @returns the offset after the last byte written
 */
export function cobsEncode(source: Buffer, target: Buffer, at: number): number {
  const length = source.length;
  let out = at;
  let start = 0;
  for (;;) {
    let zero = source.indexOf(0, start);
    if (zero < 0) zero = length;
    while (zero - start >= 254) {
      target[out] = 0xff;
      copy(source, start, start + 254, target, out + 1);
      out += 255;
      start += 254;
      // A full group stands for no zero: at the very end nothing more needs to be said.
      if (start === length) return out;
    }
    target[out] = zero - start + 1;
    copy(source, start, zero, target, out + 1);
    out += zero - start + 1;
    if (zero === length) return out;
    start = zero + 1;
  }
}

/**
 * Decodes `source[start, end)`, which holds no 0x00, into `target`.
 * @returns the number of bytes written, or -1 if the bytes are not COBS or do not fit
 */
export function cobsDecode(source: Buffer, start: number, end: number, target: Buffer): number {
  let out = 0;
  let at = start;
  while (at < end) {
    const code = source[at] as number;
    const next = at + code;
    if (code === 0 || next > end) return -1;
    const size = code - 1;
    if (out + size > target.length) return -1;
    copy(source, at + 1, next, target, out);
    out += size;
    at = next;
    if (code !== 0xff && at < end) {
      if (out >= target.length) return -1;
      target[out++] = 0;
    }
  }
  return out;
}
