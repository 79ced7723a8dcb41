/** QKD-key IDs as text (UUID, RFC 9562 §4) and as their 16 bytes. */
import { hexDigit } from "./json-scan.ts";

export const uuidText = 36;
export const uuidBytes = 16;

/** Where the digits of each byte stand in the text. */
const places = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34];
const placeOf = Uint8Array.from(places);
const dash = 0x2d;
const digits = Buffer.from("0123456789abcdef");

/**
 * Reads the 36 characters at `from`, in lower or upper case.
 * @returns whether they are a UUID; if not, `target` may have been written to
 */
export function readUuid(bytes: Buffer, from: number, target: Uint8Array, at: number): boolean {
  let wrong = 0;
  for (let i = 0; i < uuidBytes; i++) {
    const place = from + (placeOf[i] as number);
    const high = hexDigit(bytes[place] as number);
    const low = hexDigit(bytes[place + 1] as number);
    wrong |= high | low;
    target[at + i] = (high << 4) | low;
  }
  const dashes =
    bytes[from + 8] === dash &&
    bytes[from + 13] === dash &&
    bytes[from + 18] === dash &&
    bytes[from + 23] === dash;
  return dashes && wrong >= 0;
}

/** Writes 36 characters, in lower case. @returns the offset after them */
export function writeUuid(id: Uint8Array, from: number, target: Uint8Array, at: number): number {
  for (let i = 0; i < uuidBytes; i++) {
    const byte = id[from + i] as number;
    const place = at + (placeOf[i] as number);
    target[place] = digits[byte >> 4] as number;
    target[place + 1] = digits[byte & 15] as number;
  }
  target[at + 8] = dash;
  target[at + 13] = dash;
  target[at + 18] = dash;
  target[at + 23] = dash;
  return at + uuidText;
}

/** For logs and alarms: an ID is public. */
export function uuidOf(id: Uint8Array, from = 0): string {
  const text = Buffer.alloc(uuidText);
  writeUuid(id, from, text, 0);
  return text.toString("latin1");
}
