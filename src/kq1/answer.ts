/** The Response to key supply message (Kq-1 §8.1.2, Table 2), in both bindings. */
import { Fault } from "../port/errors.ts";
import { parseObject } from "./json.ts";
import { parameter, reasonOfStatus, reasons } from "./names.ts";

export interface SupplyAnswer {
  /** UUID in lower case; undefined in a refusal that does not name its key. */
  readonly keyId: string | undefined;
  /** `success` or a reason; at most 64 characters, printable ASCII. */
  readonly response: string;
}

type Members = Readonly<Record<string, unknown>>;

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
const word = /^[\x21-\x7e]{1,64}$/;

/**
 * Over TCP (Annex A). key_ID is mandatory in Table 2. A refusal may lack it all the same: a KM that
 * could not read the message can only tell its MessageID, and not to take that for an answer would
 * keep the node supplying the same key for ever. Every other parameter is of no consequence to the
 * node and is not looked at.
 * @throws Fault `kq1.message`, which never quotes the payload: a KM gone wrong could echo the key
 */
export function parseSupplyAnswer(payload: Buffer): SupplyAnswer {
  const members = parseObject(payload, bad);
  const response = members[parameter.response];
  if (!isWord(response)) throw bad(`${parameter.response} is not a word of 1 to 64 characters`);
  const keyId = keyIdOf(members);
  if (keyId === undefined && reasons[response] === "delivered") {
    throw bad(`${parameter.keyId} is not a UUID`);
  }
  return { keyId, response };
}

const usualOpen = Buffer.from(`{"${parameter.keyId}":"`);
const usualClose = Buffer.from(`","${parameter.response}":"success"}`);

/**
 * Whether `[start, end)` is the shortest way to say `success` for this key, which most KMs take; told
 * without a parser, and without making anything.
 * @param keyId in lower case
 */
export function isUsualSuccess(bytes: Buffer, start: number, end: number, keyId: string): boolean {
  const idAt = start + usualOpen.length;
  const closeAt = idAt + keyId.length;
  if (end !== closeAt + usualClose.length) return false;
  for (let i = 0; i < usualOpen.length; i++) if (bytes[start + i] !== usualOpen[i]) return false;
  for (let i = 0; i < keyId.length; i++) if (bytes[idAt + i] !== keyId.charCodeAt(i)) return false;
  for (let i = 0; i < usualClose.length; i++) {
    if (bytes[closeAt + i] !== usualClose[i]) return false;
  }
  return true;
}

/**
 * Over HTTPS (Annex B, Table B.2) the status code is the Response, and the body names the key. A body
 * that gives a reason is more exact than a status; but a key counts as stored only where nothing says
 * otherwise: neither the status alone (a gateway's page), nor the body alone (a failed request).
 * @param keyId of the key that was posted
 * @returns `success` or a reason
 * @throws Fault `kq1.message`: a success that does not name the key, or an answer about another
 */
export function readHttpAnswer(status: number, body: Buffer, keyId: string): string {
  const byStatus = reasonOfStatus(status);
  let members: Members;
  try {
    members = parseObject(body, bad);
  } catch (error) {
    if (byStatus === "success") throw error;
    return byStatus;
  }
  const named = keyIdOf(members);
  if (named !== undefined && named !== keyId) {
    throw bad(`names another ${parameter.keyId} than its message`);
  }
  const response = members[parameter.response];
  if (byStatus === "success") {
    if (response !== undefined && !isWord(response)) {
      throw bad(`${parameter.response} is not a word of 1 to 64 characters`);
    }
    if (named === undefined && (response ?? "success") === "success") {
      throw bad(`${parameter.keyId} is not a UUID`);
    }
    return response ?? "success";
  }
  return isWord(response) && reasons[response] !== "delivered" ? response : byStatus;
}

function isWord(value: unknown): value is string {
  return typeof value === "string" && word.test(value);
}

function keyIdOf(members: Members): string | undefined {
  const value = members[parameter.keyId];
  return typeof value === "string" && uuid.test(value) ? value.toLowerCase() : undefined;
}

function bad(what: string): Fault {
  return new Fault("kq1.message", `response to key supply: ${what}`);
}
