/**
 * Every name, code, limit and default of Kq-1 (ITU-T draft Q.QKDN_Kq-1, 05/2023) in one table, so
 * that a later edition of the Recommendation is one edit. Where the draft leaves a thing open, the
 * choice is this project's profile: see README.md beside this file.
 */

/** Annex A: header of 10 bytes, network byte order. */
export const header = {
  version: 1,
  length: 10,
  /** Length is a u16: no payload is longer, in bytes. */
  maxPayload: 65_535,
} as const;

/** Table A.1. */
export const command = {
  keySupply: 0x0001,
  keySupplyResponse: 0x0002,
  keyRequest: 0x0003,
  keyRequestResponse: 0x0004,
} as const;

/** JSON names of the parameters of Tables 1 to 4. */
export const parameter = {
  key: "key",
  keyId: "key_ID",
  moduleId: "qkd_module_ID",
  matchingModuleId: "matching_qkd_module_ID",
  /** bits */
  keyLength: "key_length",
  /** RFC 3339, UTC, milliseconds */
  generatedAt: "generation_timestamp",
  /** `sha-256:` and 64 lower-case hex digits, over the key's bytes */
  hash: "hash_value",
  extension: "extension",
  response: "response",
  number: "number",
  /** bits */
  size: "size",
  keys: "keys",
  /** object, beside each key of `keys` */
  keyExtension: "key_extension",
  /** of ETSI GS QKD 014: an array of objects that must all be understood */
  extensionMandatory: "extension_mandatory",
} as const;

/** Table 3 leaves both open: "a default value is applied if omitted". */
export const requestDefaults = { number: 1, size: 256 } as const;
export const requestLimits = {
  number: 1_000_000,
  /** bits; what a module can't give is another matter */
  size: 0xffff_ffff,
  /** Keys in one response, whatever is asked for. */
  keysInResponse: 1_024,
} as const;

/** Members of `extension`. */
export const extension = {
  /** ratio, measured over the block the key came from */
  qber: "qber",
  /** the block's running number on its link */
  sequence: "sequence",
  /** in a Response to key request: keys that were asked for and did not fit */
  remaining: "remaining",
  /** in a Key request: what the KM calls it, to be able to repeat it; over HTTPS a header says it */
  requestId: "request_ID",
} as const;

/** Where HTTPS has a request's own name (the header of the IETF draft of that name), in lower case. */
export const requestIdHeader = "idempotency-key";
/** Characters of a request's own name: with fewer, two requests would have one too easily. */
export const requestIdLength = { least: 16, most: 128 } as const;

/** Characters of a QKD module ID. */
export const moduleIdLength = { least: 1, most: 128 } as const;

/**
 * What an answer means for the node. `unknown`: the KM has its own word for why it did not take the key;
 * it may as well be a word for "I have it" or "later".
 */
export type Verdict = "delivered" | "later" | "again" | "unknown" | "refused";

/**
 * Values of `response` (Table 2): the draft says "success or failure reason" and lists none. The last two
 * are the node's own names for answers; a KM that sends them sends unknown words.
 */
export const reasons = {
  success: "delivered",
  busy: "later",
  storage_full: "later",
  hash_mismatch: "again",
  duplicate_key_ID: "refused",
  invalid_message: "refused",
  unknown_module: "refused",
  key_length_unsupported: "refused",
  unauthorized: "refused",
  internal_error: "refused",
  /** A word that is not in this table, about this key. It is told nowhere: it could be the key. */
  other: "unknown",
  /** Not the KM's own word about this key. */
  unclear: "later",
} as const satisfies Readonly<Record<string, Verdict>>;

export type Reason = keyof typeof reasons;

/** The reason of this name; `other` if there is none. */
export function reasonOf(name: string): Reason {
  return Object.hasOwn(reasons, name) ? (name as Reason) : "other";
}

/** Where keys are asked for over HTTPS (Annex B.3, B.4; the paths of ETSI GS QKD 014 §5). */
export const requestPath = /^\/api\/v1\/keys\/([^/]{1,512})\/(enc_keys|status)$/;

/** Where keys are supplied over HTTPS unless configured (Annex B.1, B.2). */
export const supplyPathTemplate = "/api/v1/keys/{matching_qkd_module_ID}/store_key";

/** HTTP status for a reason. */
export const httpStatus: Readonly<Record<string, number>> = {
  success: 200,
  duplicate_key_ID: 409,
  busy: 503,
  no_keys_available: 503,
  storage_full: 507,
  invalid_message: 400,
  hash_mismatch: 422,
  key_length_unsupported: 400,
  unknown_module: 404,
  unauthorized: 401,
  internal_error: 500,
};

/**
 * What a KM's HTTP status means where its body names the key and gives no reason.
 * @returns undefined where a status says nothing about a key: 1xx, 3xx, 2xx other than 200 and 201
 */
export function reasonOfStatus(status: number): Reason | undefined {
  if (status === 200 || status === 201) return "success";
  if (status < 400 || status > 599) return undefined;
  if (status === 429 || status === 408 || status === 502 || status === 503 || status === 504) {
    return "busy";
  }
  if (status === 409) return "duplicate_key_ID";
  if (status === 507) return "storage_full";
  if (status === 401 || status === 403) return "unauthorized";
  if (status === 404) return "unknown_module";
  return status < 500 ? "invalid_message" : "internal_error";
}

/** How often a key whose hash did not match is supplied in all, before it counts as refused. */
export const suppliesOnHashMismatch = 3;
/** How often a key is supplied in all, with waits between, to a KM that answers an unknown word. */
export const suppliesOnUnknownReason = 10;
