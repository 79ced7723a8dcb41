/** Reads a Key supply message (Table 1) and checks every parameter of it. */
import { createHash } from "node:crypto";
import { Fault, type FaultFacts } from "../../../src/base/errors.ts";
import { takeKey } from "./redact.ts";
import { names, type Reason } from "./wire.ts";

const maxIdLength = 128;
const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const timestamp = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
const sha256 = /^sha-256:([0-9a-f]{64})$/;

/** All that a Key supply message says, but the key. */
export interface SupplyFacts {
  /** QKD-key ID: a UUID in lower case. */
  readonly id: string;
  readonly moduleId: string;
  readonly matchingModuleId?: string;
  /** Length of the key in bits. */
  readonly bits: number;
  /** Milliseconds since 1970 UTC. */
  readonly generatedAt?: number;
  /** Bit error ratio of the block the key was cut from, 0 to 1; from `extension`. */
  readonly qber?: number;
  /** Running number of that block on its link; from `extension`. */
  readonly sequence?: number;
}

export interface Supply {
  readonly facts: SupplyFacts;
  /** In memory of their own; whoever has the supply wipes them. */
  readonly bytes: Uint8Array;
}

/** Why a message is no {@link Supply}. */
export interface Refusal {
  readonly reason: Reason;
  readonly fault: Fault;
  /** As far as they could be read, so that the answer can name them; `keyId` is empty if not. */
  readonly keyId: string;
  readonly moduleId?: string;
  /** The payload was not a JSON object: the connection can't be trusted any further. */
  readonly broken: boolean;
}

type Members = Readonly<Record<string, unknown>>;

function wrong(parameter: string, rule: string, facts: FaultFacts = {}): Fault {
  return new Fault("kq1.message", `${parameter} ${rule}`, { ...facts, clause: "Table 1" });
}

function isObject(value: unknown): value is Members {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function parse(payload: Uint8Array): Members {
  try {
    const members: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(payload));
    if (isObject(members)) return members;
  } catch {
    // The parser's own error quotes what it read.
  }
  throw new Fault("kq1.message", "payload is not a JSON object", { clause: "Annex A" });
}

function text(members: Members, name: string, least: number): string {
  const value = members[name];
  if (typeof value !== "string") throw wrong(name, "must be a string");
  const length = [...value].length;
  if (length < least || length > maxIdLength) {
    throw wrong(name, `must have ${least} to ${maxIdLength} characters`, { length });
  }
  return value;
}

function readId(members: Members): string {
  const id = members[names.keyId];
  if (typeof id !== "string" || !uuid.test(id)) {
    throw wrong(names.keyId, "must be a UUID in lower case");
  }
  return id;
}

/** The key's length: in bits if the message says so, else all of its bytes. */
function readBits(members: Members, key: Uint8Array): number {
  const bits = members[names.keyLength];
  if (bits === undefined) return key.length * 8;
  if (!Number.isSafeInteger(bits) || (bits as number) < 1) {
    throw wrong(names.keyLength, "must be a positive integer, in bits");
  }
  const length = bits as number;
  if (Math.ceil(length / 8) !== key.length) {
    throw wrong(names.keyLength, "does not match the key", { bits: length, bytes: key.length });
  }
  const padding = key.length * 8 - length;
  if (((key[key.length - 1] as number) & ((1 << padding) - 1)) !== 0) {
    throw wrong(names.key, "must be padded with zero bits on the right", { bits: length });
  }
  return length;
}

function readTimestamp(members: Members): number | undefined {
  const value = members[names.generatedAt];
  if (value === undefined) return undefined;
  if (typeof value === "string" && timestamp.test(value)) {
    const at = Date.parse(value);
    // Date.parse takes the 31st of February for the 3rd of March.
    if (!Number.isNaN(at) && new Date(at).toISOString() === value) return at;
  }
  throw wrong(names.generatedAt, "must be RFC 3339, UTC, with milliseconds");
}

/** @returns whether the hash, if there is one, is the key's */
function hashMatches(members: Members, key: Uint8Array): boolean {
  const value = members[names.hash];
  if (value === undefined) return true;
  const digest = typeof value === "string" ? sha256.exec(value)?.[1] : undefined;
  if (digest === undefined) {
    throw wrong(names.hash, "must be sha-256: and 64 lower-case hexadecimal digits");
  }
  return createHash("sha256").update(key).digest("hex") === digest;
}

/** `extension`: an array of objects, of which this KM knows `qber` and `sequence`. */
function readExtension(members: Members): Pick<SupplyFacts, "qber" | "sequence"> {
  const value = members[names.extension];
  if (value === undefined) return {};
  if (!Array.isArray(value) || !value.every(isObject)) {
    throw wrong(names.extension, "must be an array of objects");
  }
  const named = (name: string) => value.findLast((item) => Object.hasOwn(item, name))?.[name];
  const qber = named("qber");
  const sequence = named("sequence");
  if (qber !== undefined && !(typeof qber === "number" && qber >= 0 && qber <= 1)) {
    throw wrong("extension.qber", "must be a ratio, 0 to 1");
  }
  if (sequence !== undefined && !(Number.isSafeInteger(sequence) && (sequence as number) >= 0)) {
    throw wrong("extension.sequence", "must be an integer, at least 0");
  }
  return {
    ...(qber === undefined ? {} : { qber }),
    ...(sequence === undefined ? {} : { sequence: sequence as number }),
  };
}

function readFacts(members: Members, id: string, moduleId: string, key: Uint8Array): SupplyFacts {
  const matching = members[names.matchingModuleId];
  const generatedAt = readTimestamp(members);
  return {
    id,
    moduleId,
    ...(matching === undefined
      ? {}
      : { matchingModuleId: text(members, names.matchingModuleId, 0) }),
    bits: readBits(members, key),
    ...(generatedAt === undefined ? {} : { generatedAt }),
    ...readExtension(members),
  };
}

function theKey({ key, keys }: ReturnType<typeof takeKey>): Uint8Array {
  if (keys !== 1) throw wrong(names.key, "must be there once", { times: keys });
  if (key === undefined || key.length === 0) {
    throw wrong(names.key, "must be a string of padded base64, and not empty");
  }
  return key;
}

/**
 * Reads the payload of a Key supply message and overwrites the key in it.
 * @param payload UTF-8 JSON, up to 65,535 bytes; what it holds afterwards is of no use
 */
export function readSupply(payload: Uint8Array): Supply | Refusal {
  let key: Uint8Array | undefined;
  let keyId = "";
  let moduleId: string | undefined;
  let broken = true;
  const refuse = (reason: Reason, fault: Fault): Refusal => {
    key?.fill(0);
    return { reason, fault, keyId, ...(moduleId === undefined ? {} : { moduleId }), broken };
  };
  try {
    const redacted = takeKey(payload);
    key = redacted.key;
    const members = parse(payload);
    broken = false;
    keyId = readId(members);
    moduleId = text(members, names.moduleId, 1);
    const bytes = theKey(redacted);
    const facts = readFacts(members, keyId, moduleId, bytes);
    if (hashMatches(members, bytes)) return { facts, bytes };
    return refuse("hash_mismatch", wrong(names.hash, "is not the key's"));
  } catch (error) {
    if (error instanceof Fault) return refuse("invalid_message", error);
    key?.fill(0);
    throw error;
  }
}
