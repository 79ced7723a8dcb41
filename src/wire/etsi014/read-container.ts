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
const slash = 0x2f;
const pad = 0x3d;
const name = Buffer.from(`"${member.key}"`);
const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const values = new Map([...alphabet].map((letter, value) => [letter.charCodeAt(0), value]));

/** Whose answer it is, and what a fault about it is called. */
export interface ContainerSource {
  readonly code: FaultCode;
  /** As in "the KM's answer". */
  readonly whose: string;
  /** Where it is from, and the like. */
  readonly facts?: Readonly<Record<string, string>>;
}

/**
 * @param body of the answer: wiped, whatever comes of it
 * @throws Fault of the source's code if it is something else: says why, and quotes nothing of it
 */
export function readKeyContainer(
  body: Buffer,
  { code, whose, facts }: ContainerSource = { code: "psk.km", whose: "the KM's" },
): ContainedKey[] {
  const found: Buffer[] = [];
  try {
    for (let at = 0; ; ) {
      const start = keyFrom(body, at);
      if (start === undefined) break;
      const end = body.indexOf(quote, start);
      if (end < 0) throw new Wrong("a key has no end");
      found.push(decode(body.subarray(start, end)));
      at = end + 1;
    }
    const keys = listIn(body);
    if (keys.length !== found.length)
      throw new Wrong("a key_ID without a key, or a key without one");
    return keys.map((one, i) => {
      const id = (one as Record<string, unknown> | null)?.[member.keyId];
      if (typeof id !== "string" || !/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(id)) {
        throw new Wrong("a key_ID is no UUID");
      }
      return { id: id.toLowerCase(), bytes: found[i] as Buffer };
    });
  } catch (error) {
    for (const bytes of found) bytes.fill(0);
    // What the runtime says of JSON quotes from it.
    const why = error instanceof Wrong ? error.message : "it is no JSON";
    throw new Fault(code, `${whose} answer is no Key container`, { why, ...facts });
  } finally {
    body.fill(0);
  }
}

/** What is wrong with an answer, in words of our own. */
class Wrong extends Error {}

/** @param body in which the keys are blank */
function listIn(body: Buffer): readonly unknown[] {
  const container: unknown = JSON.parse(body.toString("utf8").replace(/^\ufeff/, ""));
  const keys = typeof container === "object" && container !== null && "keys" in container;
  if (keys && Array.isArray(container.keys)) return container.keys;
  throw new Wrong("it has no list of keys");
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

/**
 * A letter of a JSON text, and how many bytes it takes: some write `/` as `\/`, others `=` or `+` as `\u003d`, `\u002b`
 * (RFC 8259 §7). Of all that base64 has none is escaped in another way.
 */
function letterAt(text: Buffer, at: number): readonly [letter: number, length: number] {
  if (text[at] !== backslash) return [text[at] as number, 1];
  if (text[at + 1] === slash) return [slash, 2];
  const digits = text.toString("latin1", at + 2, at + 6);
  if (text[at + 1] === 0x75 && /^[0-9a-f]{4}$/i.test(digits))
    return [Number.parseInt(digits, 16), 6];
  throw new Wrong("a key is no base64");
}

/** @param text of base64 (RFC 4648 §4), padded or not: blank when this returns */
function decode(text: Buffer): Buffer {
  const bytes = Buffer.from(new ArrayBuffer(Math.floor((text.length * 3) / 4)));
  try {
    return bytes.subarray(0, decodeInto(bytes, text));
  } catch (error) {
    bytes.fill(0);
    throw error;
  } finally {
    text.fill(0x20);
  }
}

/** @returns bytes @throws Wrong for what no encoder makes: each key has one text */
function decodeInto(bytes: Buffer, text: Buffer): number {
  let [length, held, bits, letters, pads] = [0, 0, 0, 0, 0];
  for (let at = 0; at < text.length; ) {
    const [letter, taken] = letterAt(text, at);
    at += taken;
    const value = values.get(letter);
    if (letter === pad) pads++;
    if (letter === pad) continue;
    if (value === undefined || pads > 0) throw new Wrong("a key is no base64");
    letters++;
    held = ((held << 6) | value) & 0xffff;
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    bytes[length++] = (held >> bits) & 0xff;
  }
  const isCut = bits >= 6 || (held & ((1 << bits) - 1)) !== 0;
  const isPadded = pads === 0 || (pads <= 2 && (letters + pads) % 4 === 0);
  if (isCut || !isPadded) throw new Wrong("a key is no base64, or was cut");
  return length;
}
