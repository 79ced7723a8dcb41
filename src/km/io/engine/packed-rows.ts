/**
 * Rows of a transaction as one piece of memory, which is handed to the thread of the books without a copy: to copy
 * each as an object takes longer than to write it. No key byte is in any. Pure.
 */

/** A row of the books, as they have it. */
export interface LedgerRow {
  readonly kind: number;
  readonly link: string;
  readonly key: string;
  readonly value: Uint8Array | undefined;
}

/** Kind, length of the link's name, length of the key, length of the value plus 1; 0 of that: no value. */
const head = 1 + 2 + 2 + 4;

/** @returns memory of its own */
export function packRows(rows: readonly LedgerRow[]): Uint8Array<ArrayBuffer> {
  let length = 0;
  for (const { link, key, value } of rows) {
    length += head + Buffer.byteLength(link) + Buffer.byteLength(key) + (value?.length ?? 0);
  }
  const packed = Buffer.from(new ArrayBuffer(length));
  let at = 0;
  for (const { kind, link, key, value } of rows) {
    const linkLength = packed.write(link, at + head);
    const keyLength = packed.write(key, at + head + linkLength);
    packed.writeUInt8(kind, at);
    packed.writeUInt16BE(linkLength, at + 1);
    packed.writeUInt16BE(keyLength, at + 3);
    packed.writeUInt32BE(value === undefined ? 0 : value.length + 1, at + 5);
    at += head + linkLength + keyLength;
    if (value === undefined) continue;
    packed.set(value, at);
    at += value.length;
  }
  return packed;
}

/** Values are views of what is given. */
export function* unpackRows(bytes: Uint8Array): Generator<LedgerRow> {
  const packed = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let at = 0; at < packed.length; ) {
    const kind = packed.readUInt8(at);
    const linkEnd = at + head + packed.readUInt16BE(at + 1);
    const keyEnd = linkEnd + packed.readUInt16BE(at + 3);
    const length = packed.readUInt32BE(at + 5);
    const end = keyEnd + Math.max(0, length - 1);
    yield {
      kind,
      link: packed.toString("utf8", at + head, linkEnd),
      key: packed.toString("utf8", linkEnd, keyEnd),
      value: length === 0 ? undefined : packed.subarray(keyEnd, end),
    };
    at = end;
  }
}
