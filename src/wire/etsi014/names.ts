/** Names and texts of ETSI GS QKD 014 V1.1.1, as it spells them. */

/** Where its methods are (§5.1, Table 1). */
export const base = "/api/v1/keys/";

/** Where what is the project's own is: proactive supply. */
export const ownBase = { sessions: "/api/v1/sessions", notices: "/api/v1/notices" } as const;

/** Members of a Key request (§6.2, Table 9). */
export const member = {
  number: "number",
  size: "size",
  additional: "additional_slave_SAE_IDs",
  mandatory: "extension_mandatory",
  optional: "extension_optional",
  keyIds: "key_IDs",
  keyId: "key_ID",
  keys: "keys",
  key: "key",
  containerExtension: "key_container_extension",
  message: "message",
  details: "details",
} as const;

/** Texts that the standard fixes (§6.2, §6.5). */
export const text = {
  size: "size shall be a multiple of 8",
  mandatoryUnknown: "not all extension_mandatory parameters are supported",
  mandatoryUnmet: "not all extension_mandatory request options could be met",
  optionalUnhandled: "not all extension_optional request options handled",
  notFound: "one or more keys specified are not found on KME",
} as const;

/**
 * How a key may have come here, in an extension `{"security_level": …}` of this project's: `"any"`; or `"otp"`:
 * distilled on one link, or relayed by one-time pad alone.
 */
export const securityLevel = { name: "security_level", levels: ["any", "otp"] } as const;

/** The extension of a Key request that names a session for proactive supply, and its longest value, characters. */
export const sessionOption = { name: "session_ID", longest: 128 } as const;

/** Longest SAE ID, characters. */
export const longestSaeId = 128;
/** Longest body of any request, bytes. */
export const longestRequest = 262_144;
/** Longest Key request, bytes: it has names and extensions, and to read what is long holds up all others. */
const longestKeyRequest = 16_384;
/** Of key IDs, bytes for each: with an extension. */
const bytesOfId = 512;

/**
 * @param number of keys of one request at most
 * @returns bytes
 */
export function longestBodyOf(method: "enc_keys" | "dec_keys", number: number): number {
  if (method === "enc_keys") return longestKeyRequest;
  return Math.min(longestRequest, 4_096 + number * bytesOfId);
}
