/**
 * A Key request as stock clients of ETSI GS QKD 014 write it (§6.3, Table 10), and what is not supported
 * of it. Pure.
 */
import { Fault } from "../../base/errors.ts";
import {
  checkKeyRequest,
  type KeyRequestMessage,
  parseMembers,
  type RequestMembers,
} from "../kq1/request.ts";

/** Further SAEs that are to get the same keys: a module has one at its other end. */
const additional = "additional_slave_SAE_IDs";

function bad(what: string): Fault {
  return new Fault("kq1.message", `key request: ${what}`);
}

/** Libraries write an absent member as null, and a request with nothing but defaults as no body at all. */
export function membersOfBody(body: Buffer): RequestMembers {
  const text = body.toString("utf8").replace(/^\ufeff/, "");
  if (text.trim() === "") return {};
  const members = Object.entries(parseMembers(Buffer.from(text)));
  return Object.fromEntries(members.filter(([, value]) => value !== null));
}

/** @throws Fault `kq1.message` */
export function membersOfQuery(query: URLSearchParams): RequestMembers {
  const members: Record<string, unknown> = Object.create(null);
  for (const [name, value] of query) {
    if (name in members) throw bad("a parameter is there twice");
    if (value === "") continue;
    // "1e3" and " 7" are numbers to JavaScript alone.
    members[name] = /^\d{1,10}$/.test(value) ? Number(value) : value;
  }
  return members;
}

/** @throws Fault `kq1.message` */
export function checkEtsiRequest(members: RequestMembers): KeyRequestMessage {
  const saes = members[additional] ?? [];
  const named = typeof saes === "string" ? [saes] : saes;
  if (!Array.isArray(named) || named.some((one) => typeof one !== "string")) {
    throw bad(`${additional} is not an array of texts`);
  }
  // Silence would let the others wait for keys that never come.
  if (named.length > 0) throw bad(`${additional} is not supported (max_SAE_ID_count is 0)`);
  return checkKeyRequest(members);
}
