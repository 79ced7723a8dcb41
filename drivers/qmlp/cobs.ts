/**
 * Consistent overhead byte stuffing (QMLP §1): any bytes become bytes without 0x00, so that 0x00
 * can end a frame.
 */

/** The longest that `length` bytes can become, without the 0x00 that ends the frame. */
export function cobsBound(length: number): number {
  return length + Math.ceil(length / 254) + 1;
}

/**
 * Encodes `source` into `target` from `at` on, without a final 0x00.
 * @param source is used up: codes take the place of its zeros, so that long runs can be copied as one
 * @param target holds at least `at + cobsBound(source.length)` bytes; `source` may be the end of these
 * @returns the offset after the last byte written
 */
export function cobsEncode(source: Buffer, target: Buffer, at: number): number {
  const { length } = source;
  /** What was not copied yet, and where it goes; before that place is the code of its first group. */
  let from = 0;
  let to = at + 1;
  let group = 0;
  /** The zero before the group, where its code belongs; -1 for a first group. */
  let slot = -1;
  for (;;) {
    let zero = source.indexOf(0, group);
    if (zero < 0) zero = length;
    while (zero - group >= 254) {
      if (slot < 0) target[to - 1] = 0xff;
      else source[slot] = 0xff;
      group += 254;
      source.copy(target, to, from, group);
      to += group - from;
      // A full group stands for no zero: at the very end nothing more needs to be said.
      if (group === length) return to;
      from = group;
      to++;
      slot = -1;
    }
    if (slot < 0) target[to - 1] = zero - group + 1;
    else source[slot] = zero - group + 1;
    if (zero === length) {
      source.copy(target, to, from, length);
      return to + length - from;
    }
    slot = zero;
    group = zero + 1;
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

/** @returns the offset after the last byte at its new place */
function move(bytes: Buffer, start: number, end: number, to: number): number {
  if (to !== start) bytes.copyWithin(to, start, end);
  return to + end - start;
}
