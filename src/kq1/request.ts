/**
 * The Key request message and its response (Kq-1 §8.2, Tables 3 and 4), for both bindings. Keys are
 * written from bytes.
 */
import { hash } from "node:crypto";
import { Fault } from "../port/errors.ts";
import type { QkdKey } from "../port/key.ts";
import { base64Length, writeBase64 } from "./base64.ts";
import { parseObject } from "./json.ts";
import { extension, header, parameter, requestDefaults, requestLimits } from "./names.ts";

export interface KeyRequestMessage {
  /** Keys wanted. */
  readonly number: number;
  /** bits */
  readonly size: number;
}

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

/** Checks the members of a request. @throws Fault `kq1.message` */
export function checkKeyRequest(members: Readonly<Record<string, unknown>>): KeyRequestMessage {
  const { number, size } = parameter;
  const wanted = {
    number: wholeNumber(members[number], number, requestDefaults.number, requestLimits.number),
    size: wholeNumber(members[size], size, requestDefaults.size, requestLimits.size),
  };
  if (wanted.size % 8 !== 0) throw bad(`${size} is not a multiple of 8`);
  const more = members[parameter.extension];
  if (more !== undefined && !Array.isArray(more))
    throw bad(`${parameter.extension} is not an array`);
  return wanted;
}

/** @throws Fault `kq1.message`, which never quotes the payload */
export function parseKeyRequest(payload: Buffer): KeyRequestMessage {
  return checkKeyRequest(parseObject(payload, bad));
}

/**
 * Names a request, for repeats: `km` is the KM as its certificate proves it, `token` what it numbers
 * its requests by.
 */
export function slotOf(km: string, moduleId: string, token: string): string {
  const name = hash("sha256", km, "hex").slice(0, 12);
  return name + hash("sha256", `${km}\0${moduleId}\0${token}`, "hex").slice(0, 20);
}

const open = Buffer.from(`{"${parameter.keys}":[`);
const keyOpen = Buffer.from(`{"${parameter.keyId}":"`);
const keyMiddle = Buffer.from(`,"${parameter.key}":"`);
const keyClose = Buffer.from(`"}`);
/** `key_extension` at its longest, bytes. */
const longestExtension = 96;
const idLength = 36;
/** What stands around the keys, at its longest. */
const around = 256;

function bytesOfKey(bits: number): number {
  const frame = keyOpen.length + idLength + 1 + longestExtension + keyMiddle.length;
  return frame + keyClose.length + 1 + base64Length(Math.ceil(bits / 8));
}

/** How many keys of that length fit a response. @param limit bytes of the payload */
export function keysThatFit(bits: number, limit: number = header.maxPayload): number {
  return Math.floor((limit - around) / bytesOfKey(bits));
}

/** What is said of a key beside itself (Table 4, Key extension): as in a Key supply. */
function describeKey({ block: { qber, ref } }: QkdKey): string {
  const measured = qber === undefined ? "" : `"${extension.qber}":${qber},`;
  return `,"${parameter.keyExtension}":{${measured}"${extension.sequence}":${ref.number}}`;
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
    at += target.write(`${key.id}"${describeKey(key)}`, at, "latin1");
    at += keyMiddle.copy(target, at);
    at = writeBase64(key.expose(), target, at);
    at += keyClose.copy(target, at);
  });
  const left = remaining > 0 ? `,"${parameter.extension}":[{"remaining":${remaining}}]` : "";
  at += target.write(`],"${parameter.response}":"${response}"${left}}`, at, "latin1");
  return target.subarray(0, at);
}
