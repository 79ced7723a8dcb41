/**
 * The Key request message and its response (Kq-1 §8.2, Tables 3 and 4), for both bindings. Keys are
 * written from bytes.
 */
import { hash } from "node:crypto";
import { Fault } from "../../base/errors.ts";
import type { BlockFacts, QkdKey } from "../../port/key.ts";
import { base64Length, writeBase64 } from "./base64.ts";
import { parseObject } from "./json.ts";
import {
  extension,
  header,
  parameter,
  requestDefaults,
  requestIdLength,
  requestLimits,
} from "./names.ts";

export interface KeyRequestMessage {
  /** Keys wanted. */
  readonly number: number;
  /** bits */
  readonly size: number;
  /** What the KM calls this request, so that it can repeat it; undefined if it can't. */
  readonly token: string | undefined;
}

/** What a request says, not looked at yet. */
export type RequestMembers = Readonly<Record<string, unknown>>;

function bad(what: string): Fault {
  return new Fault("kq1.message", `key request: ${what}`);
}

function wholeNumber(value: unknown, name: string, standard: number, most: number): number {
  if (value === undefined) return standard;
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 1 || value > most) {
    throw bad(`${name} is not a whole number from 1 to ${most}`);
  }
  return value;
}

/**
 * Checks the parameters of a request (Table 3), and what a "Get key" of ETSI GS QKD 014 has beside
 * them: an extension that must be understood is not, since none is known here.
 * @throws Fault `kq1.message`
 */
export function checkKeyRequest(members: RequestMembers): KeyRequestMessage {
  const { number, size, extensionMandatory } = parameter;
  const wanted = {
    number: wholeNumber(members[number], number, requestDefaults.number, requestLimits.number),
    size: wholeNumber(members[size], size, requestDefaults.size, requestLimits.size),
  };
  if (wanted.size % 8 !== 0) throw bad(`${size} is not a multiple of 8`);
  const extensions = objects(members[parameter.extension], parameter.extension);
  if (objects(members[extensionMandatory], extensionMandatory).length > 0) {
    throw bad(`not all of ${extensionMandatory} is supported`);
  }
  const named = extensions.filter((one) => extension.requestId in one);
  if (named.length > 1) throw bad(`${extension.requestId} is there twice`);
  const token = checkToken(named[0]?.[extension.requestId], extension.requestId);
  return { ...wanted, token };
}

/** @throws Fault `kq1.message` */
function objects(value: unknown, name: string): readonly Record<string, unknown>[] {
  if (value === undefined) return [];
  const isObject = (one: unknown) => typeof one === "object" && one !== null && !Array.isArray(one);
  if (!Array.isArray(value) || !value.every(isObject))
    throw bad(`${name} is not an array of objects`);
  return value;
}

const printable = /^[\x20-\x7e]*$/;

/**
 * Checks what a KM calls its request.
 * @param name of the parameter or header that says it
 * @returns undefined if nothing does @throws Fault `kq1.message`
 */
export function checkToken(value: unknown, name: string): string | undefined {
  if (value === undefined) return undefined;
  const { least, most } = requestIdLength;
  if (typeof value !== "string" || !printable.test(value)) {
    throw bad(`${name} is not a text of printable ASCII characters`);
  }
  if (value.length < least) {
    throw bad(`${name} has fewer than ${least} characters: two requests could have the same`);
  }
  if (value.length > most) throw bad(`${name} has more than ${most} characters`);
  return value;
}

/** @throws Fault `kq1.message`, which never quotes the payload, where it is no JSON object */
export function parseMembers(payload: Buffer): RequestMembers {
  return parseObject(payload, bad);
}

/**
 * Names a request in the ledger: its KM by the first 12 of 32 hex digits, the request by the others.
 * @param km all that tells it from others: see `kmIdentity`
 * @param request unlike that of any other of this KM
 */
export function claimantOf(km: string, moduleId: string, request: string): string {
  const name = hash("sha256", km, "hex").slice(0, 12);
  return name + hash("sha256", `${km}\0${moduleId}\0${request}`, "hex").slice(0, 20);
}

const open = Buffer.from(`{"${parameter.keys}":[`);
/** So many bytes of a response are the same in all: there is no key in them. */
export const bytesBeforeKeys = open.length;
const keyOpen = Buffer.from(`{"${parameter.keyId}":"`);
const extensionOpen = Buffer.from(`","${parameter.keyExtension}":`);
const keyMiddle = Buffer.from(`,"${parameter.key}":"`);
const keyClose = Buffer.from(`"}`);
const idLength = 36;
/** Digits of a QBER that mean something. */
const qberDigits = 6;
/** A key's extension at its longest: a QBER as `0.00000123457`, a sequence of 16 digits. */
const extensionLength = `{"${extension.qber}":,"${extension.sequence}":}`.length + 13 + 16;
/** What stands around the keys, at its longest. */
const around = 256;

function bytesOfKey(bits: number): number {
  const names = keyOpen.length + extensionOpen.length + keyMiddle.length + keyClose.length;
  return names + idLength + extensionLength + base64Length(Math.ceil(bits / 8)) + 1;
}

/**
 * How many keys of that length a response may have.
 * @param limit bytes of the payload
 */
export function keysThatFit(bits: number, limit: number = header.maxPayload): number {
  return Math.min(requestLimits.keysInResponse, Math.floor((limit - around) / bytesOfKey(bits)));
}

/** A response with so many keys of that length has no more bytes. */
export function responseBound(keys: number, bits: number): number {
  return around + keys * bytesOfKey(bits);
}

/** The same of a key as in the `extension` of a Key supply message. */
function keyExtension({ qber, ref }: BlockFacts): string {
  const measured =
    qber === undefined ? "" : `"${extension.qber}":${Number(qber.toPrecision(qberDigits))},`;
  return `{${measured}"${extension.sequence}":${ref.number}}`;
}

/**
 * Writes a response, in memory of its own: the caller wipes it once it was sent.
 * @param remaining keys that were asked for and did not fit this message
 */
export function writeKeyResponse(response: string, keys: readonly QkdKey[], remaining = 0): Buffer {
  const bound = keys.reduce((sum, { bits }) => sum + bytesOfKey(bits), around);
  const target = Buffer.allocUnsafeSlow(bound);
  let at = open.copy(target);
  keys.forEach((key, i) => {
    if (i > 0) target[at++] = 0x2c;
    at += keyOpen.copy(target, at);
    at += target.write(key.id, at, "latin1");
    at += extensionOpen.copy(target, at);
    at += target.write(keyExtension(key.block), at, "latin1");
    at += keyMiddle.copy(target, at);
    at = writeBase64(key.expose(), target, at);
    at += keyClose.copy(target, at);
  });
  const more =
    remaining > 0 ? `,"${parameter.extension}":[{"${extension.remaining}":${remaining}}]` : "";
  at += target.write(`],"${parameter.response}":"${response}"${more}}`, at, "latin1");
  return target.subarray(0, at);
}
