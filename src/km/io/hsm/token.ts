/**
 * What is asked of a token: find it, log in, find or make the wrapping key, seal and open under it.
 * Sealing is C_Encrypt with CKM_AES_GCM and not C_WrapKey: the numbers of the wrapping mechanisms differ from vendor
 * to vendor, and unwrapping would put an object into the token that can be read out of it.
 */
import { randomBytes } from "node:crypto";
import { Fault } from "../../../base/errors.ts";
import { failed, type Pkcs11, rv } from "./pkcs11.ts";

const attribute = {
  class: 0x0,
  token: 0x1,
  private: 0x2,
  label: 0x3,
  keyType: 0x100,
  sensitive: 0x103,
  encrypt: 0x104,
  decrypt: 0x105,
  wrap: 0x106,
  unwrap: 0x107,
  valueLength: 0x161,
  extractable: 0x162,
} as const;
const secretKey = 4;
const aes = 0x1f;
const aesKeyGen = 0x1080;
const aesGcm = 0x1087;
const sessionSerial = 0x4;
const sessionWrites = 0x2;
const user = 1;
const flag = { pinCountLow: 0x1_0000n, pinFinalTry: 0x2_0000n, pinLocked: 0x4_0000n } as const;
const mostSlots = 256;

const keyBytes = 32;
const nonceBytes = 12;
const tagBytes = 16;

/** Which token, as the configuration has it: label, serial number, or both. */
export interface TokenName {
  readonly token?: string | undefined;
  readonly serial?: string | undefined;
}

export interface FoundToken {
  readonly slot: bigint;
  readonly label: string;
  readonly serial: string;
  readonly flags: bigint;
}

/** Bytes of a sealed key: nonce, ciphertext, tag. */
export const sealedBytes = nonceBytes + keyBytes + tagBytes;

export class Token {
  readonly found: FoundToken;
  readonly #library: Pkcs11;
  readonly #session: bigint;

  /** @throws Fault `hsm.token`, `hsm.io` */
  constructor(library: Pkcs11, name: TokenName, writes: boolean) {
    this.#library = library;
    library.must("C_Initialize", 0);
    this.found = findToken(library, name);
    const session = library.arena.take(8);
    const flags = sessionSerial | (writes ? sessionWrites : 0);
    library.must("C_OpenSession", this.found.slot, flags, 0, 0, session.at);
    this.#session = session.bytes.readBigUInt64LE();
  }

  /**
   * @param pin wiped after
   * @param isByHand a person asked for it. Else a token that was given a wrong PIN since the last right one is not
   * tried: it would lock itself after some tries.
   * @throws Fault `hsm.pin`
   */
  login(pin: Buffer, isByHand: boolean): void {
    const { flags, label } = this.found;
    const facts = { token: label };
    if ((flags & flag.pinLocked) !== 0n) throw new Fault("hsm.pin", "the PIN is locked", facts);
    if ((flags & (flag.pinCountLow | flag.pinFinalTry)) !== 0n && !isByHand) {
      throw new Fault(
        "hsm.pin",
        "the token was given a wrong PIN before, and is not tried again by itself: see that pin_file is right, then qkd-km hsm check",
        facts,
      );
    }
    const { at, bytes } = this.#library.arena.take(pin.length);
    pin.copy(bytes);
    pin.fill(0);
    const said = this.#library.call("C_Login", this.#session, user, at, bytes.length);
    bytes.fill(0);
    if (said === rv.ok || said === rv.alreadyLoggedIn) return;
    const why = pinProblem(said);
    if (why !== undefined) throw new Fault("hsm.pin", why, facts);
    throw new Fault("hsm.io", "the token does not let in", {
      ...facts,
      ...failed("C_Login", said),
    });
  }

  /** @returns undefined if there is none @throws Fault `hsm.key` if there are two, or it can be read out */
  findKey(label: string): bigint | undefined {
    const library = this.#library;
    const { at, count } = library.template([
      [attribute.class, secretKey],
      [attribute.keyType, aes],
      [attribute.label, label],
    ]);
    library.must("C_FindObjectsInit", this.#session, at, count);
    const handles = library.arena.take(16);
    const found = library.arena.take(8);
    library.must("C_FindObjects", this.#session, handles.at, 2, found.at);
    library.must("C_FindObjectsFinal", this.#session);
    const keys = found.bytes.readBigUInt64LE();
    if (keys === 0n) return undefined;
    if (keys > 1n) {
      throw new Fault("hsm.key", "two keys in the token have this label", { key: label });
    }
    const key = handles.bytes.readBigUInt64LE();
    this.#mustBeSafe(key, label);
    return key;
  }

  #mustBeSafe(key: bigint, label: string): void {
    const { at, count, values } = this.#library.template([
      [attribute.sensitive, false],
      [attribute.extractable, true],
    ]);
    this.#library.must("C_GetAttributeValue", this.#session, key, at, count);
    if (values[0]?.[0] === 1 && values[1]?.[0] === 0) return;
    throw new Fault("hsm.key", "the wrapping key can be read out of the token: make another", {
      key: label,
    });
  }

  /** A wrapping key that never leaves the token. @throws Fault `hsm.io` */
  makeKey(label: string): bigint {
    const { at, count } = this.#library.template([
      [attribute.class, secretKey],
      [attribute.keyType, aes],
      [attribute.valueLength, keyBytes],
      [attribute.token, true],
      [attribute.private, true],
      [attribute.sensitive, true],
      [attribute.extractable, false],
      [attribute.encrypt, true],
      [attribute.decrypt, true],
      [attribute.wrap, false],
      [attribute.unwrap, false],
      [attribute.label, label],
    ]);
    const handle = this.#library.arena.take(8);
    const mechanism = this.#library.mechanism(aesKeyGen);
    this.#library.must("C_GenerateKey", this.#session, mechanism, at, count, handle.at);
    return handle.bytes.readBigUInt64LE();
  }

  /** 32 bytes that neither this machine nor the token alone knew before. */
  draw(): Buffer {
    const key = randomBytes(keyBytes);
    const { at, bytes } = this.#library.arena.take(keyBytes);
    const said = this.#library.call("C_GenerateRandom", this.#session, at, keyBytes);
    if (said !== rv.ok && said !== rv.randomNoRng) {
      throw new Fault(
        "hsm.io",
        "the token gives no random numbers",
        failed("C_GenerateRandom", said),
      );
    }
    for (let i = 0; i < keyBytes; i++) key[i] = (key[i] as number) ^ (bytes[i] as number);
    bytes.fill(0);
    return key;
  }

  /** @param about what it is of: it opens as nothing else @returns nonce, ciphertext, tag @throws Fault */
  seal(key: bigint, plain: Buffer, about: string): Buffer {
    const gcm = this.#gcm(randomBytes(nonceBytes), about);
    this.#init("C_EncryptInit", key, gcm.mechanism);
    const source = this.#library.arena.take(keyBytes);
    plain.copy(source.bytes);
    const target = this.#library.arena.take(256);
    const length = this.#library.arena.take(8);
    length.bytes.writeBigUInt64LE(256n);
    this.#library.must("C_Encrypt", this.#session, source.at, keyBytes, target.at, length.at);
    source.bytes.fill(0);
    const made = Number(length.bytes.readBigUInt64LE());
    if (made !== keyBytes + tagBytes) {
      throw new Fault("hsm.library", "AES-GCM of this token has another form", { bytes: made });
    }
    // Some tokens draw the nonce themselves, and write it where it was to be.
    const sealed = Buffer.concat([gcm.nonce, target.bytes.subarray(0, made)]);
    const again = this.open(key, sealed, about);
    const isSame = again.equals(plain);
    again.fill(0);
    if (!isSame) throw new Fault("hsm.library", "the token does not open what it sealed");
    return sealed;
  }

  /** @throws Fault `hsm.key` if another key sealed it, or as something else */
  open(key: bigint, sealed: Buffer, about: string): Buffer {
    const gcm = this.#gcm(sealed.subarray(0, nonceBytes), about);
    this.#init("C_DecryptInit", key, gcm.mechanism);
    const source = this.#library.arena.take(keyBytes + tagBytes);
    sealed.copy(source.bytes, 0, nonceBytes);
    const target = this.#library.arena.take(256);
    const length = this.#library.arena.take(8);
    length.bytes.writeBigUInt64LE(256n);
    const said = this.#library.call(
      "C_Decrypt",
      this.#session,
      source.at,
      source.bytes.length,
      target.at,
      length.at,
    );
    const isWhole = said === rv.ok && length.bytes.readBigUInt64LE() === BigInt(keyBytes);
    const plain = Buffer.from(target.bytes.subarray(0, keyBytes));
    target.bytes.fill(0);
    if (isWhole) return plain;
    if (isDevice(said)) {
      throw new Fault("hsm.io", "the token failed", failed("C_Decrypt", said));
    }
    // Vendors have half a dozen codes for a tag that does not fit.
    const facts = failed("C_Decrypt", said);
    throw new Fault(
      "hsm.key",
      "the master key was wrapped by another key, or for another key manager",
      facts,
    );
  }

  #init(name: "C_EncryptInit" | "C_DecryptInit", key: bigint, mechanism: bigint): void {
    const said = this.#library.call(name, this.#session, mechanism, key);
    if (said === rv.ok) return;
    if (said === rv.mechanismInvalid) {
      throw new Fault("hsm.library", "the token does not do AES-GCM", failed(name, said));
    }
    throw new Fault("hsm.key", "the wrapping key can't be used", failed(name, said));
  }

  /** CK_GCM_PARAMS: nonce, its bytes and bits, what is sealed along, its bytes, bits of the tag. */
  #gcm(nonce: Buffer, about: string): { nonce: Buffer; mechanism: bigint } {
    const { arena } = this.#library;
    const iv = arena.take(nonceBytes);
    nonce.copy(iv.bytes);
    const text = Buffer.from(about, "utf8");
    const along = arena.take(text.length);
    text.copy(along.bytes);
    const parameter = arena.take(48);
    const fields = [iv.at, nonceBytes, nonceBytes * 8, along.at, text.length, tagBytes * 8];
    for (const [i, field] of fields.entries()) {
      parameter.bytes.writeBigUInt64LE(BigInt(field), i * 8);
    }
    return { nonce: iv.bytes, mechanism: this.#library.mechanism(aesGcm, parameter) };
  }

  /** Ends the session too. */
  close(): void {
    this.#library.call("C_Finalize", 0);
    this.#library.arena.wipe();
  }
}

function isDevice(said: bigint): boolean {
  const device: readonly bigint[] = [
    rv.deviceError,
    rv.deviceMemory,
    rv.deviceRemoved,
    rv.tokenNotPresent,
  ];
  return device.includes(said);
}

function pinProblem(said: bigint): string | undefined {
  if (said === rv.pinIncorrect || said === rv.pinInvalid || said === rv.pinLenRange) {
    return "the PIN is wrong: it is not tried again by itself, since tokens lock after some tries";
  }
  if (said === rv.pinLocked) return "the PIN is locked";
  if (said === rv.pinExpired) return "the PIN has expired";
  return said === rv.pinNotInitialized ? "the token has no user PIN yet" : undefined;
}

/** @throws Fault `hsm.token` */
function findToken(library: Pkcs11, { token, serial }: TokenName): FoundToken {
  const slots = library.arena.take(8 * mostSlots);
  const count = library.arena.take(8);
  count.bytes.writeBigUInt64LE(BigInt(mostSlots));
  library.must("C_GetSlotList", 1, slots.at, count.at);
  const tokens: FoundToken[] = [];
  const info = library.arena.take(256);
  for (let i = 0; i < Number(count.bytes.readBigUInt64LE()); i++) {
    const slot = slots.bytes.readBigUInt64LE(i * 8);
    // CK_TOKEN_INFO. One that is just being pulled is not there.
    if (library.call("C_GetTokenInfo", slot, info.at) !== rv.ok) continue;
    const text = (from: number, to: number) => info.bytes.toString("utf8", from, to).trimEnd();
    const flags = info.bytes.readBigUInt64LE(96);
    tokens.push({ slot, label: text(0, 32), serial: text(80, 96), flags });
  }
  const fitting = tokens.filter(
    (one) =>
      (token === undefined || one.label === token) &&
      (serial === undefined || one.serial === serial),
  );
  const wanted = { ...(token && { token }), ...(serial && { serial }) };
  const [found] = fitting;
  if (found === undefined) {
    const labels = tokens.flatMap(({ label }) => (label === "" ? [] : [label]));
    const there = labels.length > 0 ? labels.join(", ") : "none";
    throw new Fault("hsm.token", "there is no such token", { ...wanted, there });
  }
  if (fitting.length > 1) {
    throw new Fault("hsm.token", "two tokens have this name: give the serial number", wanted);
  }
  return found;
}
