/** A writer for DER (ITU-T X.690 §10), as much of it as certificates need. */
import { tag } from "./der.ts";

/** One element. @param content of it, in order */
export function der(kind: number, ...content: readonly Uint8Array[]): Buffer {
  const value = Buffer.concat(content);
  return Buffer.concat([Buffer.from([kind]), lengthOf(value.length), value]);
}

function lengthOf(length: number): Buffer {
  if (length < 0x80) return Buffer.from([length]);
  const digits = length.toString(16);
  const bytes = Buffer.from(digits.length % 2 === 0 ? digits : `0${digits}`, "hex");
  return Buffer.concat([Buffer.from([0x80 | bytes.length]), bytes]);
}

export function sequence(...content: readonly Uint8Array[]): Buffer {
  return der(tag.sequence, ...content);
}

export function oid(text: string): Buffer {
  const [first = 0, second = 0, ...rest] = text.split(".").map(Number);
  return der(tag.oid, Buffer.from([first * 40 + second, ...rest.flatMap(base128)]));
}

function base128(arc: number): number[] {
  const bytes = [arc % 128];
  for (let left = Math.floor(arc / 128); left > 0; left = Math.floor(left / 128)) {
    bytes.unshift(0x80 | (left % 128));
  }
  return bytes;
}

/** A whole number that is not negative. @param value big endian */
export function integer(value: Uint8Array | number): Buffer {
  const bytes = typeof value === "number" ? numberBytes(value) : value;
  const from = bytes.findIndex((byte) => byte !== 0);
  const digits = from < 0 ? Buffer.from([0]) : bytes.subarray(from);
  const sign = (digits[0] ?? 0) >= 0x80 ? [0] : [];
  return der(tag.integer, Buffer.from(sign), digits);
}

function numberBytes(value: number): Buffer {
  const digits = value.toString(16);
  return Buffer.from(digits.length % 2 === 0 ? digits : `0${digits}`, "hex");
}

/** Bits of whole bytes. @param unused of the last byte */
export function bitString(value: Uint8Array, unused = 0): Buffer {
  return der(tag.bitString, Buffer.from([unused]), value);
}

/**
 * UTCTime until 2049, GeneralizedTime from then on (RFC 5280 §4.1.2.5).
 * @param wall ms since 1970 UTC; of it whole seconds
 */
export function time(wall: number): Buffer {
  const text = new Date(wall).toISOString().replace(/[-:T]|\.\d+/g, "");
  const isLate = Number(text.slice(0, 4)) >= 2050;
  const kind = isLate ? tag.generalizedTime : tag.utcTime;
  return der(kind, Buffer.from(isLate ? text : text.slice(2), "latin1"));
}

/** @param label `CERTIFICATE`, … */
export function pem(label: string, bytes: Uint8Array): string {
  const lines =
    Buffer.from(bytes)
      .toString("base64")
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join("\n")}\n-----END ${label}-----\n`;
}
