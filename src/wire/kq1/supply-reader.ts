/**
 * The Key supply message (Kq-1 §8.1.1, Table 1), read from bytes: neither the key nor the payload becomes
 * a JS string. Messages of one block look alike but for ID, hash and key: where those stand is remembered, and
 * a message that is the same around them is not parsed again.
 */
import { hash } from "node:crypto";
import { decodedLength, readBase64 } from "./base64-read.ts";
import { readDateTime } from "./date-time.ts";
import { engine, place, scratch } from "./engine.ts";
import { hexDigit, isEscaped, kind, unescapeAscii } from "./json-scan.ts";
import { ModuleName } from "./module-name.ts";
import { parameter } from "./names.ts";
import type { SupplyResponse } from "./supply-answer.ts";
import { SupplyLayout } from "./supply-layout.ts";
import { Members, member, readExtension, readNumber } from "./supply-members.ts";
import { readUuid, uuidBytes, uuidText } from "./uuid.ts";

/** Why a message is refused. */
export interface SupplyRefusal {
  readonly reason: SupplyResponse;
  /** In words, without anything of the message. */
  readonly why: string;
  /** It is no JSON object: over TCP the connection ends after the answer. */
  readonly broken: boolean;
}

/** What a message says, beside ID and key. Of one message after the other it may be the same object. */
export interface SupplyFacts {
  readonly moduleId: string;
  /** Undefined if the message has none. */
  readonly matchingModuleId: string | undefined;
  readonly bits: number;
  /** ms since 1970 UTC */
  readonly generatedAt: number | undefined;
  /** Quantum bit error ratio, 0 to 1. */
  readonly qber: number | undefined;
}

/** Longest key that is one block of SHA-256, with its padding, bytes. */
const longestShort = 55;
const shaBlock = 64;
/** Base64 of a key at its longest, characters: what the engine's memory has room for. */
const longestText = 65_536;
const digestText = 64;
const hashPrefix = Buffer.from("sha-256:");

/** Where in the engine's memory a short key is decoded and hashed, and its digest written. */
const shortAt = place.arrived;
const digestAt = shortAt + 2 * shaBlock;
const longAt = place.result;

/** Length of the short key whose padding is in the engine's memory. */
let padded = -1;

function refusal(reason: SupplyResponse, why: string, broken = false): SupplyRefusal {
  return { reason, why, broken };
}

const invalid = (why: string) => refusal("invalid_message", why);
const isMissing = (name: string) => invalid(`${name} is missing, or no text`);

const refusals = {
  broken: refusal("invalid_message", "payload is not a JSON object", true),
  twice: invalid("a member is there twice"),
  keyId: invalid(`${parameter.keyId} is not a UUID`),
  moduleId: isMissing(parameter.moduleId),
  matchingModuleId: invalid(`${parameter.matchingModuleId} is no text of 1 to 128 characters`),
  generatedAt: invalid(`${parameter.generatedAt} is no time of RFC 3339`),
  key: isMissing(parameter.key),
  base64: invalid(`${parameter.key} is no base64 with padding`),
  empty: invalid(`${parameter.key} is empty`),
  tooLong: refusal("key_length_unsupported", `${parameter.key} is too long for a message`),
  keyLength: invalid(`${parameter.keyLength} is not the number of the key's bits`),
  spare: invalid(`${parameter.key} has bits set behind its last one`),
  hash: invalid(`${parameter.hash} is no SHA-256`),
  mismatch: refusal("hash_mismatch", `${parameter.hash} is another key's`),
} as const;

const noArray = invalid(`${parameter.extension} is not an array of objects`);

/** Reads the messages of one connection. The key of the last one is in the engine's memory until it is taken. */
export class SupplyReader {
  /** QKD-key ID of the last message, 16 bytes; overwritten by the next one. */
  readonly id = Buffer.alloc(uuidBytes);
  /** Whether {@link id} is that of the last message, which may have been refused. */
  hasId = false;
  facts: SupplyFacts | undefined;
  /** Bytes of the key; bits beyond the last are 0. */
  byteLength = 0;
  #keyAt = 0;
  readonly #members = new Members();
  readonly #layout = new SupplyLayout();
  readonly #moduleId = new ModuleName(member.moduleId);
  readonly #matchingModuleId = new ModuleName(member.matchingModuleId);

  /**
   * Reads the payload `[start, end)`.
   * @returns undefined if all of it is right: the key is to be taken or dropped then, before any other
   *   message is read
   */
  read(bytes: Buffer, start: number, end: number): SupplyRefusal | undefined {
    const layout = this.#layout;
    if (layout.fits(bytes, start, end) && this.#readAlike(bytes, start)) return undefined;
    this.hasId = false;
    this.byteLength = 0;
    const refused = this.#parse(bytes, start, end);
    if (refused !== undefined) this.drop();
    else layout.learn(bytes, start, end, this.#members);
    return refused;
  }

  /**
   * Whether what was refused last is a batch, `{"keys": [...]}`, of which each element is a message (HTTPS only).
   * @returns where the array is
   */
  get batch(): { readonly from: number; readonly to: number } | undefined {
    const { kinds, from, to } = this.#members;
    const { keys, key, keyId } = member;
    const isBatch = kinds[keys] === kind.array && kinds[key] === kind.none;
    if (!isBatch || kinds[keyId] !== kind.none) return undefined;
    return { from: from[keys] as number, to: to[keys] as number };
  }

  /**
   * Reads one of the `keys` of a Response to key request (Table 4), which do not say whose they are.
   * @param asked what was asked for; QBER and ID are the key's own
   */
  readOne(
    bytes: Buffer,
    start: number,
    end: number,
    asked: SupplyFacts,
  ): SupplyRefusal | undefined {
    const members = this.#members;
    this.byteLength = 0;
    const found = members.find(bytes, start, end);
    const refused = found === "broken" ? refusals.broken : this.#checkOne(bytes, found, asked);
    if (refused !== undefined) this.drop();
    return refused;
  }

  #checkOne(bytes: Buffer, found: "good" | "twice", asked: SupplyFacts): SupplyRefusal | undefined {
    const members = this.#members;
    if (found === "twice") return refusals.twice;
    this.#readId(bytes, members);
    if (!this.hasId) return refusals.keyId;
    const qber = extensionIn(bytes, members, member.keyExtension);
    if (typeof qber === "object") return qber;
    const undecoded = this.#decodeMember(bytes, members, member.key);
    if (undecoded !== undefined) return undecoded;
    if (this.byteLength !== Math.ceil(asked.bits / 8)) return refusals.keyLength;
    if (!this.#spareBitsAreZero(asked.bits)) return refusals.spare;
    this.facts = { ...asked, qber };
    return undefined;
  }

  /** Copies the key to `target`, and wipes it here. */
  take(target: Uint8Array, at: number): void {
    const { byteLength } = this;
    const from = this.#keyAt;
    if (byteLength > longestShort) target.set(scratch.subarray(from, from + byteLength), at);
    else for (let i = 0; i < byteLength; i++) target[at + i] = scratch[from + i] as number;
    this.drop();
  }

  /** Wipes the key. */
  drop(): void {
    const from = this.#keyAt;
    if (this.byteLength > longestShort) engine.wipe(from, from + this.byteLength);
    else for (let i = from; i < from + this.byteLength; i++) scratch[i] = 0;
    this.byteLength = 0;
  }

  /** Reads what differs from the message before. @returns false if it has to be parsed, to see what is wrong */
  #readAlike(bytes: Buffer, start: number): boolean {
    const { idAt, keyFrom, keyTo, hashAt } = this.#layout;
    this.hasId = readUuid(bytes, start + idAt, this.id, 0);
    if (!this.hasId || !this.#decode(bytes, start + keyFrom, start + keyTo)) return false;
    const { bits } = this.facts as SupplyFacts;
    const good =
      this.byteLength === Math.ceil(bits / 8) &&
      this.#spareBitsAreZero(bits) &&
      (hashAt < 0 || this.#hashIs(bytes, start + hashAt));
    if (!good) this.drop();
    return good;
  }

  #parse(bytes: Buffer, start: number, end: number): SupplyRefusal | undefined {
    const found = this.#members.find(bytes, start, end);
    return found === "broken" ? refusals.broken : this.#check(bytes, this.#members, found);
  }

  #readId(bytes: Buffer, { kinds, from, to }: Members): void {
    const { keyId } = member;
    const [idFrom, idTo] = [from[keyId] as number, to[keyId] as number];
    this.hasId =
      kinds[keyId] === kind.text &&
      idTo - idFrom === uuidText &&
      readUuid(bytes, idFrom, this.id, 0);
  }

  /** Checks the members of a message, and decodes its key. */
  #check(bytes: Buffer, members: Members, found: "good" | "twice"): SupplyRefusal | undefined {
    const { kinds, from, to } = members;
    const { keyLength, generatedAt, hash: hashMember, key } = member;
    this.#readId(bytes, members);
    if (found === "twice") return refusals.twice;
    if (!this.hasId) return refusals.keyId;
    const moduleId = this.#moduleId.in(bytes, members);
    if (moduleId === undefined) return refusals.moduleId;
    const isMatched = members.has(member.matchingModuleId);
    const matchingModuleId = this.#matchingModuleId.in(bytes, members);
    if (isMatched && matchingModuleId === undefined) return refusals.matchingModuleId;
    let at: number | undefined;
    if (members.has(generatedAt)) {
      const isText = kinds[generatedAt] === kind.text;
      at = isText
        ? readDateTime(bytes, from[generatedAt] as number, to[generatedAt] as number)
        : at;
      if (at === undefined) return refusals.generatedAt;
    }
    const qber = extensionIn(bytes, members, member.extension);
    if (typeof qber === "object") return qber;
    const undecoded = this.#decodeMember(bytes, members, key);
    if (undecoded !== undefined) return undecoded;
    let bits = this.byteLength * 8;
    if (members.has(keyLength)) {
      const isNumber = kinds[keyLength] === kind.number;
      const said =
        isNumber && readNumber(bytes, from[keyLength] as number, to[keyLength] as number);
      if (typeof said !== "number" || !Number.isInteger(said)) return refusals.keyLength;
      if (Math.ceil(said / 8) !== this.byteLength) return refusals.keyLength;
      bits = said;
    }
    if (!this.#spareBitsAreZero(bits)) return refusals.spare;
    if (members.has(hashMember)) {
      const [hashFrom, hashTo] = [from[hashMember] as number, to[hashMember] as number];
      const isHash = kinds[hashMember] === kind.text && isSha256(bytes, hashFrom, hashTo);
      if (!isHash) return refusals.hash;
      if (!this.#hashIs(bytes, hashFrom + hashPrefix.length)) return refusals.mismatch;
    }
    this.facts = { moduleId, matchingModuleId, bits, generatedAt: at, qber };
    return undefined;
  }

  #decodeMember(bytes: Buffer, members: Members, key: number): SupplyRefusal | undefined {
    const [from, to] = [members.from[key] as number, members.to[key] as number];
    const what = members.kinds[key];
    if (what !== kind.text && what !== kind.escaped) return refusals.key;
    if (to === from) return refusals.empty;
    if (what === kind.text) {
      if (to - from > longestText) return refusals.tooLong;
      if (this.#decode(bytes, from, to)) return undefined;
      // The search for its end did not look at what is in it.
      if (!isEscaped(bytes, from, to)) return refusals.base64;
    }
    // Some encoders write a slash as an escape.
    const { source } = place;
    const length = unescapeAscii(bytes, from, to, scratch, source, longestText);
    const good = length > 0 && this.#decode(scratch, source, source + length);
    engine.wipe(source, source + Math.min(to - from, longestText));
    return good ? undefined : refusals.base64;
  }

  /** @returns whether it is base64; else nothing of it is left */
  #decode(bytes: Buffer, from: number, to: number): boolean {
    const expected = decodedLength(bytes, from, to);
    this.#keyAt = expected > longestShort ? longAt : shortAt;
    if (expected <= longestShort && expected !== padded) padded = -1;
    const length = readBase64(bytes, from, to, this.#keyAt);
    this.byteLength = length < 0 ? expected : length;
    if (length < 0) this.drop();
    return length > 0;
  }

  #spareBitsAreZero(bits: number): boolean {
    const spare = this.byteLength * 8 - bits;
    const last = scratch[this.#keyAt + this.byteLength - 1] as number;
    return (last & ((1 << spare) - 1)) === 0;
  }

  /** @param at of 64 hexadecimal digits */
  #hashIs(bytes: Buffer, at: number): boolean {
    const { byteLength } = this;
    if (byteLength > longestShort) {
      const key = scratch.subarray(this.#keyAt, this.#keyAt + byteLength);
      scratch.write(hash("sha256", key, "hex"), digestAt, digestText, "latin1");
    } else {
      if (padded !== byteLength) pad(byteLength);
      engine.sha256(shortAt, shortAt + shaBlock, digestAt);
    }
    for (let i = 0; i < digestText; i++) {
      const digit = bytes[at + i] as number;
      const right = scratch[digestAt + i] as number;
      // Letters in upper case differ in one bit.
      if (digit !== right && (digit < 0x41 || (digit | 0x20) !== right)) return false;
    }
    return true;
  }
}

/** What stands behind a short key of this length (FIPS 180-4 §5.1.1). */
function pad(length: number): void {
  padded = length;
  scratch.fill(0, shortAt + length, shortAt + shaBlock);
  scratch[shortAt + length] = 0x80;
  scratch.writeUInt32BE(length * 8, shortAt + shaBlock - 4);
}

function isSha256(bytes: Buffer, from: number, to: number): boolean {
  if (to - from !== hashPrefix.length + digestText) return false;
  for (let i = 0; i < hashPrefix.length; i++) if (bytes[from + i] !== hashPrefix[i]) return false;
  for (let i = from + hashPrefix.length; i < to; i++) {
    if (hexDigit(bytes[i] as number) < 0) return false;
  }
  return true;
}

/** The QBER of an extension, if it tells one; or what is wrong with it. */
function extensionIn(
  bytes: Buffer,
  members: Members,
  which: number,
): number | SupplyRefusal | undefined {
  if (!members.has(which)) return undefined;
  // Beside one of `keys` it is an object; there are KMs that have an array there too.
  if (which === member.extension && members.kinds[which] !== kind.array) return noArray;
  const from = members.from[which] as number;
  const { wrong, qber } = readExtension(bytes, from, members.to[which] as number);
  return wrong === undefined ? qber : invalid(wrong);
}
