/** A strict reader for DER (ITU-T X.690 §10): views of the input, nothing copied, nothing guessed. */

/** The input is not DER, or not what was expected at this place. Quotes nothing of it. */
export class DerError extends Error {
  override readonly name = "DerError";
}

/** Universal tags that are read here. */
export const tag = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  oid: 0x06,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const;

/** One element: its tag, what is in it, and all of it with tag and length. */
export interface Element {
  readonly tag: number;
  readonly value: Uint8Array;
  readonly raw: Uint8Array;
}

/** Reads elements one after the other from the content of another, or from a whole file. */
export class DerReader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get ended(): boolean {
    return this.#at === this.#bytes.length;
  }

  /** Whether the next element has this tag; false at the end. */
  nextIs(expected: number): boolean {
    return this.#bytes[this.#at] === expected;
  }

  /** @throws DerError also if the next element has another tag */
  next(expected?: number): Element {
    const bytes = this.#bytes;
    const start = this.#at;
    const found = bytes[start];
    const first = bytes[start + 1];
    if (found === undefined || first === undefined) throw new DerError("cut off");
    if (expected !== undefined && found !== expected) throw new DerError("another tag");
    // Tags above 30 take more bytes; nothing here has one.
    if ((found & 0x1f) === 0x1f) throw new DerError("long tag");
    let from = start + 2;
    let length = first;
    if (first >= 0x80) {
      const size = first & 0x7f;
      if (size === 0 || size > 4) throw new DerError("length of no use");
      length = 0;
      for (const byte of bytes.subarray(from, from + size)) length = length * 256 + byte;
      from += size;
      if (length < 0x80 || length < 256 ** (size - 1)) throw new DerError("length not shortest");
    }
    const to = from + length;
    if (to > bytes.length) throw new DerError("cut off");
    this.#at = to;
    return { tag: found, value: bytes.subarray(from, to), raw: bytes.subarray(start, to) };
  }

  /** The content of the next element, which has this tag. @throws DerError */
  into(expected: number): DerReader {
    return new DerReader(this.next(expected).value);
  }

  /** @throws DerError if something is left */
  end(): void {
    if (!this.ended) throw new DerError("more than expected");
  }
}

/** Dotted decimal. @throws DerError */
export function oidText(value: Uint8Array): string {
  const arcs: number[] = [];
  let arc = 0;
  for (const byte of value) {
    arc = arc * 128 + (byte & 0x7f);
    if (!Number.isSafeInteger(arc)) throw new DerError("object identifier of no use");
    if (byte >= 0x80) continue;
    arcs.push(arc);
    arc = 0;
  }
  const [first, ...rest] = arcs;
  if (first === undefined || (value.at(-1) ?? 0x80) >= 0x80) throw new DerError("cut off");
  const top = Math.min(2, Math.floor(first / 40));
  return [top, first - top * 40, ...rest].join(".");
}

/** An INTEGER of any length in hexadecimal: no leading zeros, `-` before a negative one. */
export function integerText(value: Uint8Array): string {
  if (value.length === 0 || value.length > 64) throw new DerError("integer of no use");
  const number = BigInt(`0x${Buffer.from(value).toString("hex")}`);
  return BigInt.asIntN(8 * value.length, number).toString(16);
}

/** UTCTime or GeneralizedTime as RFC 5280 §4.1.2.5 allows them, ms since 1970 UTC. @throws DerError */
export function timeOf({ tag: found, value }: Element): number {
  const text = Buffer.from(value).toString("latin1");
  const [, year = "", ...rest] =
    (found === tag.utcTime
      ? /^(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})Z$/
      : /^(\d{4})(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})Z$/
    ).exec(text) ?? [];
  if (found !== tag.utcTime && found !== tag.generalizedTime) throw new DerError("another tag");
  const century = found === tag.generalizedTime ? "" : Number(year) < 50 ? "20" : "19";
  const [month, day, hour, minute, second] = rest;
  const at = Date.parse(`${century}${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
  if (Number.isNaN(at)) throw new DerError("time of no use");
  return at;
}
