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

/** @returns the offset after the last byte at its new place */
function move(bytes: Buffer, start: number, end: number, to: number): number {
  if (to !== start) bytes.copyWithin(to, start, end);
  return to + end - start;
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
 * Decodes `bytes[start, end)`, which holds no 0x00, in place: what was encoded begins at `start + 1`
 * afterwards. Each group is already where it belongs but for the codes 0xff before it, which stand for
 * no byte; the other codes turn into the zeros that they stand for.
 * @returns where it ends, or -1 if the bytes are not COBS
 */
export function cobsDecode(bytes: Buffer, start: number, end: number): number {
  let out = start + 1;
  /** The first byte that is not where it belongs yet. */
  let from = out;
  let code = bytes[start] as number;
  let next = start + code;
  while (next < end) {
    const full = code === 0xff;
    code = bytes[next] as number;
    if (code === 0) return -1;
    if (full) {
      out = move(bytes, from, next, out);
      from = next + 1;
    } else {
      bytes[next] = 0;
    }
    next += code;
  }
  return next === end && end > start ? move(bytes, from, end, out) : -1;
}
