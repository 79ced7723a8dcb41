/** Signatures of certificates, requests and revocation lists (RFC 5280 §4.1.1.2): who may sign how. */
import { constants, type KeyObject, sign as signBytes, verify } from "node:crypto";
import { DerReader, type Element, oidText, tag } from "./der.ts";
import { der, oid, sequence } from "./der-write.ts";

export interface SignatureAlgorithm {
  readonly oid: string;
  /** undefined where the algorithm has one of its own */
  readonly hash: string | undefined;
}

const pss = "1.2.840.113549.1.1.10";
const algorithms: Readonly<Record<string, string | undefined>> = {
  "1.2.840.113549.1.1.11": "sha256",
  "1.2.840.113549.1.1.12": "sha384",
  "1.2.840.113549.1.1.13": "sha512",
  "1.2.840.10045.4.3.2": "sha256",
  "1.2.840.10045.4.3.3": "sha384",
  "1.2.840.10045.4.3.4": "sha512",
  // Ed25519, Ed448, ML-DSA-44, -65, -87
  "1.3.101.112": undefined,
  "1.3.101.113": undefined,
  "2.16.840.1.101.3.4.3.17": undefined,
  "2.16.840.1.101.3.4.3.18": undefined,
  "2.16.840.1.101.3.4.3.19": undefined,
};
const hashes: Readonly<Record<string, string>> = {
  "2.16.840.1.101.3.4.2.1": "sha256",
  "2.16.840.1.101.3.4.2.2": "sha384",
  "2.16.840.1.101.3.4.2.3": "sha512",
};
/** How a key signs, by its kind, and its curve where it has one. */
const own: Readonly<Record<string, string>> = {
  rsa: "1.2.840.113549.1.1.11",
  "ec prime256v1": "1.2.840.10045.4.3.2",
  "ec secp384r1": "1.2.840.10045.4.3.3",
  "ec secp521r1": "1.2.840.10045.4.3.4",
  ed25519: "1.3.101.112",
  ed448: "1.3.101.113",
  "ml-dsa-44": "2.16.840.1.101.3.4.3.17",
  "ml-dsa-65": "2.16.840.1.101.3.4.3.18",
  "ml-dsa-87": "2.16.840.1.101.3.4.3.19",
};
/** Bits that an RSA key has at least. */
const leastRsa = 2_048;

/** @returns what is wrong with it, one of {@link WrongAlgorithm} @throws DerError */
export function algorithmOf({ value }: Element): SignatureAlgorithm | WrongAlgorithm {
  const reader = new DerReader(value);
  const name = oidText(reader.next(tag.oid).value);
  if (Object.hasOwn(algorithms, name)) return { oid: name, hash: algorithms[name] };
  if (name !== pss) return `is signed in a way that is not accepted (${name})`;
  // RFC 4055 §3.1: [0] is the hash; without it, it is SHA-1.
  const parameters = reader.into(tag.sequence);
  const named = parameters.nextIs(0xa0)
    ? oidText(parameters.into(0xa0).into(tag.sequence).next(tag.oid).value)
    : "";
  const hash = hashes[named];
  return hash === undefined ? "is signed with a hash that is not accepted" : { oid: name, hash };
}

export type WrongAlgorithm = `is signed ${string}`;

/** Whether the key has signed this. */
export function hasSigned(
  { oid: name, hash }: SignatureAlgorithm,
  signed: Uint8Array,
  key: KeyObject,
  signature: Uint8Array,
): boolean {
  const { RSA_PKCS1_PSS_PADDING: padding, RSA_PSS_SALTLEN_AUTO: saltLength } = constants;
  const how = name === pss ? { key, padding, saltLength } : key;
  try {
    return verify(hash, signed, how, signature);
  } catch {
    // A key of another kind than the algorithm's.
    return false;
  }
}

/** The algorithm with which a key signs; undefined: it is of a kind or size that is not accepted. */
function algorithmFor({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject): string | undefined {
  const { namedCurve, modulusLength = 0 } = asymmetricKeyDetails ?? {};
  if (asymmetricKeyType === "rsa" && modulusLength < leastRsa) return undefined;
  const kind = asymmetricKeyType === "ec" ? `ec ${namedCurve}` : (asymmetricKeyType ?? "");
  return Object.hasOwn(own, kind) ? own[kind] : undefined;
}

/** A public or private key is of a kind and size that certificates may have. */
export function isStrong(key: KeyObject): boolean {
  return algorithmFor(key) !== undefined;
}

/** @returns the algorithm's name in DER, and how the key signs; undefined: it is not {@link isStrong} */
export function signerOf(
  key: KeyObject,
): { readonly algorithm: Buffer; readonly sign: (bytes: Uint8Array) => Buffer } | undefined {
  const name = algorithmFor(key);
  if (name === undefined) return undefined;
  // RFC 4055 §5: RSA alone has a NULL there.
  const parameters = key.asymmetricKeyType === "rsa" ? [der(0x05)] : [];
  return {
    algorithm: sequence(oid(name), ...parameters),
    sign: (bytes) => signBytes(algorithms[name], bytes, key),
  };
}
