/** The Response to key supply message (Kq-1 §8.1.2, Table 2), in both bindings. */
import { Fault } from "../../base/errors.ts";
import { parseObject } from "./json.ts";
import { parameter, type Reason, reasonOf, reasonOfStatus } from "./names.ts";

export interface SupplyAnswer {
  /** UUID in lower case; undefined in a refusal that does not name its key. */
  readonly keyId: string | undefined;
  readonly response: Reason;
}

type Members = Readonly<Record<string, unknown>>;

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
const word = /^[\x21-\x7e]{1,64}$/;

/**
 * Over TCP (Annex A). key_ID is mandatory in Table 2. A refusal may lack it all the same: a KM that
 * could not read the message can only tell its MessageID, and not to take that for an answer would
 * keep the node supplying the same key for ever. A word that is unknown and names no key is `unclear`.
 * Every other parameter is of no consequence to the node and is not looked at.
 * @throws Fault `kq1.message`, which never quotes the payload: a KM gone wrong could echo the key
 */
export function parseSupplyAnswer(payload: Buffer): SupplyAnswer {
  const members = parseObject(payload, bad);
  const response = saidIn(members);
  if (response === undefined) throw bad(`has no ${parameter.response}`);
  const keyId = keyIdOf(members);
  if (keyId !== undefined) return { keyId, response };
  if (response === "success") throw bad("names no key");
  return { keyId, response: response === "other" ? "unclear" : response };
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
 * Over HTTPS (Annex B, Table B.2) the status code is the Response, and the body names the key. Only what
 * names the key is the KM's own word about it: a status alone may be that of a proxy or gateway. A body
 * that gives a known reason is more exact than the status.
 * @param keyId of the key that was posted
 * @throws Fault `kq1.message`, which quotes nothing: it is not the KM's word about this key
 */
export function readHttpAnswer(status: number, body: Buffer, keyId: string): Reason {
  if (body.length === 0) throw bad("has no body");
  const members = parseObject(body, bad);
  const named = keyIdOf(members);
  if (named === undefined) throw bad("names no key");
  if (named !== keyId) throw bad("names another key");
  const byStatus = reasonOfStatus(status);
  const said = saidIn(members);
  // A word that is unknown is less exact than a status that says why.
  const vague = said === undefined || (said === "other" && byStatus !== "success");
  const reason = vague ? byStatus : said;
  if (reason === undefined) throw bad("has a status that says nothing about a key");
  if (reason === "success" && byStatus !== "success") {
    throw bad("says that the key was stored and that it was not");
  }
  return reason;
}

/** What the member `response` says; undefined if there is none. @throws Fault `kq1.message` */
function saidIn(members: Members): Reason | undefined {
  const value = members[parameter.response];
  if (value === undefined) return undefined;
  if (typeof value !== "string" || !word.test(value)) {
    throw bad(`has a ${parameter.response} that is no word of 1 to 64 characters`);
  }
  return value === "unclear" ? "other" : reasonOf(value);
}

function keyIdOf(members: Members): string | undefined {
  const value = members[parameter.keyId];
  return typeof value === "string" && uuid.test(value) ? value.toLowerCase() : undefined;
}

function bad(what: string): Fault {
  return new Fault("kq1.message", `response to key supply ${what}`);
}
