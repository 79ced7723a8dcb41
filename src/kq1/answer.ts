/** The Response to key supply message (Kq-1 §8.1.2, Table 2). */
import { Fault } from "../port/errors.ts";
import { parseObject } from "./json.ts";
import { parameter, reasons } from "./names.ts";

export interface SupplyAnswer {
  /** UUID in lower case; undefined in a refusal that does not name its key. */
  readonly keyId: string | undefined;
  /** `success` or a reason; at most 64 characters, printable ASCII. */
  readonly response: string;
}

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
const word = /^[\x21-\x7e]{1,64}$/;

/**
 * key_ID is mandatory in Table 2. A refusal may lack it all the same: a KM that could not read the
 * message can only tell its MessageID, and not to take that for an answer would keep the node
 * supplying the same key for ever.
 * @param byStatus what it means when `response` is not there: over HTTPS the status says it (Table B.2)
 * @throws Fault `kq1.message`, which never quotes the payload: a KM gone wrong could echo the key
 */
export function parseSupplyAnswer(payload: Buffer, byStatus?: string): SupplyAnswer {
  return parseUsual(payload) ?? parseAny(payload, byStatus);
}

const usualOpen = Buffer.from(`{"${parameter.keyId}":"`);
const usualClose = Buffer.from(`","${parameter.response}":"success"}`);
const idLength = 36;

/** The shortest way to say `success`, which most KMs take: read without a parser. */
function parseUsual(payload: Buffer): SupplyAnswer | undefined {
  const idAt = usualOpen.length;
  const closeAt = idAt + idLength;
  if (
    payload.length !== closeAt + usualClose.length ||
    payload.compare(usualOpen, 0, idAt, 0, idAt) !== 0 ||
    payload.compare(usualClose, 0, usualClose.length, closeAt) !== 0
  ) {
    return undefined;
  }
  const keyId = payload.toString("latin1", idAt, closeAt);
  return uuid.test(keyId) ? { keyId: keyId.toLowerCase(), response: "success" } : undefined;
}

function parseAny(payload: Buffer, byStatus: string | undefined): SupplyAnswer {
  const members = parseObject(payload, bad);
  const keyId = members[parameter.keyId];
  const response = members[parameter.response] ?? byStatus;
  if (typeof response !== "string" || !word.test(response)) {
    throw bad(`${parameter.response} is not a word of 1 to 64 characters`);
  }
  if (typeof keyId === "string" && uuid.test(keyId)) {
    return { keyId: keyId.toLowerCase(), response };
  }
  if (reasons[response] === "delivered") throw bad(`${parameter.keyId} is not a UUID`);
  return { keyId: undefined, response };
}

function bad(what: string): Fault {
  return new Fault("kq1.message", `response to key supply: ${what}`);
}
