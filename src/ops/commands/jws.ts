/**
 * Signed commands: JWS in compact serialization (RFC 7515) with Ed25519 (RFC 8037), and nothing else
 * of JOSE. No algorithm is chosen by the message: a key is an Ed25519 key, whatever a header says.
 */
import { createPublicKey, type KeyObject, verify } from "node:crypto";

/** Longest signed command, characters. */
export const longestJws = 8_192;

export type JwsProblem = "unsigned" | "unknown_key" | "bad_signature";

export interface OpenedJws {
  /** Who signed it. */
  readonly keyId: string;
  readonly payload: Buffer;
}

/** `EdDSA` by RFC 8037; `Ed25519` is its newer, fully specified name (RFC 9864). */
const algorithms: readonly unknown[] = ["EdDSA", "Ed25519"];
const members: readonly string[] = ["alg", "kid", "typ"];
const signatureLength = 64;

/** An Ed25519 public key from its 32 bytes in base64url. @throws an error of node:crypto */
export function publicKey(x: string): KeyObject {
  return createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x }, format: "jwk" });
}

/** Whether {@link publicKey} takes it. */
export function isPublicKey(x: string): boolean {
  if (Buffer.from(x, "base64url").toString("base64url") !== x) return false;
  try {
    publicKey(x);
    return true;
  } catch {
    return false;
  }
}

/**
 * Checks a signature.
 * @param find the public key of a key ID
 * @returns what was signed and by whom, or why it is not to be believed
 */
export function openJws(
  message: Buffer,
  find: (keyId: string) => KeyObject | undefined,
): OpenedJws | JwsProblem {
  if (message.length > longestJws) return "unsigned";
  const parts = message.toString("latin1").split(".");
  const [head, body, signature] = parts.map(decode);
  if (parts.length !== 3 || head === undefined || body === undefined || signature === undefined) {
    return "unsigned";
  }
  const keyId = keyOf(head);
  if (keyId === undefined || signature.length !== signatureLength) return "unsigned";
  const key = find(keyId);
  if (key === undefined) return "unknown_key";
  const signed = message.subarray(0, message.lastIndexOf("."));
  return verify(null, signed, key, signature) ? { keyId, payload: body } : "bad_signature";
}

/** Base64url without padding, in its one canonical form. */
function decode(part: string): Buffer | undefined {
  if (!/^[\w-]+$/.test(part)) return undefined;
  const bytes = Buffer.from(part, "base64url");
  return bytes.toString("base64url") === part ? bytes : undefined;
}

/** The key ID of a header that says nothing which is not understood here. */
function keyOf(head: Buffer): string | undefined {
  try {
    const header: unknown = JSON.parse(head.toString("utf8"));
    if (typeof header !== "object" || header === null || Array.isArray(header)) return undefined;
    if (Object.keys(header).some((name) => !members.includes(name))) return undefined;
    const { alg, kid } = header as { alg?: unknown; kid?: unknown };
    return algorithms.includes(alg) && typeof kid === "string" ? kid : undefined;
  } catch {
    return undefined;
  }
}
