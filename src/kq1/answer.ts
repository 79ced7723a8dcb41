/** The Response to key supply message (Kq-1 §8.1.2, Table 2). */
import { Fault } from "../port/errors.ts";
import { parameter } from "./names.ts";

export interface SupplyAnswer {
  readonly keyId: string;
  /** `success` or a reason; at most 64 characters, printable ASCII. */
  readonly response: string;
}

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
const word = /^[\x21-\x7e]{1,64}$/;

/**
 * @throws Fault `kq1.message`, which never quotes the payload: a KM gone wrong could echo the key
 */
export function parseSupplyAnswer(payload: Buffer): SupplyAnswer {
  let value: unknown;
  try {
    value = JSON.parse(payload.toString("utf8"));
  } catch {
    throw bad("is not JSON");
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw bad("is not a JSON object");
  }
  const members = value as Record<string, unknown>;
  const keyId = members[parameter.keyId];
  const response = members[parameter.response];
  if (typeof keyId !== "string" || !uuid.test(keyId)) throw bad(`${parameter.keyId} is not a UUID`);
  if (typeof response !== "string" || !word.test(response)) {
    throw bad(`${parameter.response} is not a word of 1 to 64 characters`);
  }
  return { keyId: keyId.toLowerCase(), response };
}

function bad(what: string): Fault {
  return new Fault("kq1.message", `response to key supply: ${what}`);
}
