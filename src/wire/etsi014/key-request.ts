/** The Key request (ETSI GS QKD 014 §6.2), as a KME reads it. Pure. */
import { type Members, membersOf } from "./members.ts";
import { longestSaeId, member, securityLevel, sessionOption, text } from "./names.ts";
import { badRequest, EtsiRefusal } from "./refusal.ts";

export type SecurityLevel = (typeof securityLevel.levels)[number];

export interface KeyRequest {
  /** Keys wanted. */
  readonly number: number;
  /** Of each, bits. */
  readonly size: number;
  /** Further applications that are to get the same keys. */
  readonly additional: readonly string[];
  /** What the keys must be at least, and what they had better be. */
  readonly level: SecurityLevel;
  readonly wish: SecurityLevel;
  /** The session whose destination is to be brought the keys; undefined: it fetches them. */
  readonly session?: string;
  /** Options that were asked for without need, and are not known here. */
  readonly unhandled: boolean;
}

/** Whether keys that are this at least are also what was asked for. */
export function meets(there: SecurityLevel, asked: SecurityLevel): boolean {
  return asked === "any" || there === asked;
}

/** What a KME can do, as its Status tells it. */
export interface KeyLimits {
  /** bits */
  readonly standard: number;
  readonly least: number;
  readonly most: number;
  /** Keys of one request. */
  readonly number: number;
  /** Additional slave SAEs; 0: no multicast. */
  readonly saes: number;
}

/** Bits of all keys of one request: what an answer may have. */
export const mostBitsOfRequest = 8_388_608;

/** @throws EtsiRefusal 400 */
export function requestOfBody(body: Buffer, limits: KeyLimits): KeyRequest {
  return checked(membersOf(body), limits);
}

/** A GET has `number` and `size` alone (§5.2). @throws EtsiRefusal 400 */
export function requestOfQuery(query: URLSearchParams, limits: KeyLimits): KeyRequest {
  const members: Record<string, unknown> = Object.create(null);
  for (const name of [member.number, member.size]) {
    const values = query.getAll(name);
    if (values.length > 1) throw badRequest(`${name} is there twice`);
    const [value = ""] = values;
    // "1e3" and " 7" are numbers to JavaScript alone.
    if (value !== "") members[name] = /^\d{1,10}$/.test(value) ? Number(value) : value;
  }
  return checked(members, limits);
}

function checked(members: Members, limits: KeyLimits): KeyRequest {
  const size = whole(members[member.size], member.size, limits.standard);
  if (size % 8 !== 0) throw badRequest(text.size);
  if (size < limits.least || size > limits.most) {
    const { least, most } = limits;
    throw badRequest(`${member.size} is not from ${least} to ${most} bits`, [
      { min_key_size: least, max_key_size: most },
    ]);
  }
  const number = whole(members[member.number], member.number, 1);
  if (number > limits.number) {
    throw badRequest(`${member.number} is over ${limits.number}`, [
      { max_key_per_request: limits.number },
    ]);
  }
  if (number * size > mostBitsOfRequest) {
    throw badRequest(`number times size is over ${mostBitsOfRequest} bits`);
  }
  return {
    number,
    size,
    additional: additionalOf(members[member.additional], limits.saes),
    ...extensionsOf(members),
  };
}

function whole(value: unknown, name: string, standard: number): number {
  if (value === undefined) return standard;
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 1) {
    throw badRequest(`${name} is not a whole number from 1`);
  }
  return value;
}

function additionalOf(value: unknown, most: number): readonly string[] {
  if (value === undefined) return [];
  // One client writes a single one without its array.
  const named = typeof value === "string" ? [value] : value;
  if (!Array.isArray(named) || !named.every(isSaeId)) {
    throw badRequest(`${member.additional} is not an array of SAE IDs`);
  }
  if (named.length > most) {
    throw badRequest(`${member.additional} has more than ${most}`, [{ max_SAE_ID_count: most }]);
  }
  if (new Set(named).size < named.length) {
    throw badRequest(`${member.additional} names one twice`);
  }
  return named;
}

export function isSaeId(value: unknown): value is string {
  if (typeof value !== "string" || value === "") return false;
  // A character is one or two units of UTF-16.
  return value.length <= longestSaeId || [...value].length <= longestSaeId;
}

function extensionsOf(
  members: Members,
): Pick<KeyRequest, "level" | "wish" | "unhandled" | "session"> {
  const { name, levels } = securityLevel;
  let level: SecurityLevel = "any";
  let session: string | undefined;
  for (const [option, value] of options(members[member.mandatory], member.mandatory)) {
    if (option === sessionOption.name) {
      session = sessionOf(value);
      continue;
    }
    if (option !== name) throw new EtsiRefusal(400, text.mandatoryUnknown);
    const known = levels.find((one) => one === value);
    if (known === undefined) throw new EtsiRefusal(400, text.mandatoryUnmet);
    if (known !== "any") level = known;
  }
  let wish: SecurityLevel = "any";
  let unhandled = false;
  for (const [option, value] of options(members[member.optional], member.optional)) {
    const known = levels.find((one) => option === name && one === value);
    if (known === undefined) unhandled = true;
    else if (known !== "any") wish = known;
  }
  return { level, wish, unhandled, ...(session !== undefined && { session }) };
}

function sessionOf(value: unknown): string {
  const isId = typeof value === "string" && value !== "" && value.length <= sessionOption.longest;
  if (!isId) throw new EtsiRefusal(400, text.mandatoryUnmet);
  return value;
}

/** Objects of one member each, in an array. */
function options(value: unknown, name: string): [string, unknown][] {
  if (value === undefined) return [];
  const isObject = (one: unknown): one is object =>
    typeof one === "object" && one !== null && !Array.isArray(one);
  if (!Array.isArray(value) || !value.every(isObject)) {
    throw badRequest(`${name} is not an array of objects`);
  }
  return value.flatMap((one) => Object.entries(one) as [string, unknown][]);
}
