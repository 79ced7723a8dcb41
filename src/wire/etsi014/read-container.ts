/** A Key container (ETSI GS QKD 014 §6.3) as an application reads it: keys are bytes, and are never a text. Pure. */
import { Fault, type FaultCode } from "../../base/errors.ts";
import { member } from "./names.ts";

export interface ContainedKey {
  /** UUID. */
  readonly id: string;
  /** Memory of its own, which the caller wipes. */
  readonly bytes: Buffer;
}

const quote = 0x22;
const backslash = 0x5c;
const name = Buffer.from(`"${member.key}"`);
const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const values = new Map([...letters].map((letter, value) => [letter.charCodeAt(0), value]));

/**
 * @param body of the answer: wiped, whatever comes of it
 * @throws Fault `code` if it is something else
 */
export function readKeyContainer(body: Buffer, code: FaultCode = "psk.km"): ContainedKey[] {
  const found: Buffer[] = [];
  try {
    for (let at = 0; ; ) {
      const start = keyFrom(body, at);
      if (start === undefined) break;
      const end = body.indexOf(quote, start);
      if (end < 0) throw wrong();
      found.push(decode(body.subarray(start, end)));
      at = end + 1;
    }
    const container = JSON.parse(body.toString("utf8")) as { keys?: unknown };
    const keys = container.keys;
    if (!Array.isArray(keys) || keys.length !== found.length) throw wrong();
    return keys.map((one, i) => {
      const id = (one as Record<string, unknown> | null)?.[member.keyId];
      if (typeof id !== "string" || !/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(id)) {
        throw wrong();
      }
      return { id: id.toLowerCase(), bytes: found[i] as Buffer };
    });
  } catch {
    for (const bytes of found) bytes.fill(0);
    throw new Fault(code, "the KM's answer is no Key container");
  } finally {
    body.fill(0);
  }
}

function wrong(): Error {
  return new Error("no Key container");
}

/** Where the text of the next key begins. */
function keyFrom(body: Buffer, from: number): number | undefined {
  for (let at = body.indexOf(name, from); at >= 0; at = body.indexOf(name, at + 1)) {
    let next = at + name.length;
    const skip = (byte: number) => {
      while (isBlank(body[next])) next++;
      return body[next++] === byte;
    };
    if (skip(0x3a) && skip(quote)) return next;
  }
  return undefined;
}

function isBlank(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x09 || byte === 0x0a || byte === 0x0d;
}

/** @param text of base64, with `/` escaped or not: blank when this returns */
function decode(text: Buffer): Buffer {
  const bytes = Buffer.from(new ArrayBuffer(Math.floor((text.length * 3) / 4)));
  let [length, held, bits] = [0, 0, 0];
  for (const byte of text) {
    const value = values.get(byte);
    if (value === undefined) {
      if (byte === backslash || byte === 0x3d) continue;
      bytes.fill(0);
      throw wrong();
    }
    held = ((held << 6) | value) & 0xffff;
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    bytes[length++] = (held >> bits) & 0xff;
  }
  text.fill(0x20);
  return bytes.subarray(0, length);
}
