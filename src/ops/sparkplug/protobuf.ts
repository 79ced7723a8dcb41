/** The little of Protocol Buffers (proto2 wire format) that Sparkplug B needs. Pure. */

const wire = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 } as const;

/** Writes fields in the order of the calls. Integers are whole and at least 0. */
export class Writer {
  readonly #parts: Uint8Array[] = [];

  /** uint32, uint64, and enumerations; below 2^53. */
  uint(field: number, value: number): this {
    return this.#tag(field, wire.varint).#varint(value);
  }

  bool(field: number, value: boolean): this {
    return this.uint(field, value ? 1 : 0);
  }

  double(field: number, value: number): this {
    const bytes = Buffer.alloc(8);
    bytes.writeDoubleLE(value);
    this.#tag(field, wire.fixed64).#parts.push(bytes);
    return this;
  }

  string(field: number, value: string): this {
    return this.bytes(field, Buffer.from(value));
  }

  /** Also a message within a message. */
  bytes(field: number, value: Uint8Array): this {
    this.#tag(field, wire.bytes).#varint(value.length).#parts.push(value);
    return this;
  }

  finish(): Buffer {
    return Buffer.concat(this.#parts);
  }

  #tag(field: number, type: number): this {
    return this.#varint(field * 8 + type);
  }

  #varint(value: number): this {
    const bytes: number[] = [];
    let rest = value;
    while (rest >= 0x80) {
      bytes.push((rest % 0x80) | 0x80);
      rest = Math.floor(rest / 0x80);
    }
    bytes.push(rest);
    this.#parts.push(Uint8Array.from(bytes));
    return this;
  }
}

export interface Field {
  readonly number: number;
  /** A number for varints (2^53 and above are not exact), bytes for all else. */
  readonly value: number | Buffer;
}

/** The fields of a message; undefined if it is none. */
export function fieldsOf(message: Buffer): Field[] | undefined {
  const fields: Field[] = [];
  let at = 0;
  const varint = (): number | undefined => {
    let value = 0;
    for (let i = 0; i < 10; i++) {
      const byte = message[at++];
      if (byte === undefined) return undefined;
      value += (byte & 0x7f) * 0x80 ** i;
      if (byte < 0x80) return value;
    }
    return undefined;
  };
  while (at < message.length) {
    const tag = varint();
    if (tag === undefined) return undefined;
    const number = Math.floor(tag / 8);
    const type = tag % 8;
    if (type === wire.varint) {
      const value = varint();
      if (value === undefined) return undefined;
      fields.push({ number, value });
      continue;
    }
    const length = type === wire.fixed64 ? 8 : type === wire.fixed32 ? 4 : varint();
    if (type !== wire.bytes && type !== wire.fixed64 && type !== wire.fixed32) return undefined;
    if (length === undefined || length > message.length - at) return undefined;
    fields.push({ number, value: message.subarray(at, at + length) });
    at += length;
  }
  return fields;
}
