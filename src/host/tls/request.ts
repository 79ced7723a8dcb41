/** Requests for certificates (PKCS #10, RFC 2986): whose key it is, and that who asks has it. */
import { createPublicKey, type KeyObject } from "node:crypto";
import { DerError, DerReader, integerText, oidText, tag } from "./der.ts";
import { algorithmOf, hasSigned, isStrong } from "./signature.ts";

/** A request of no use; the message is for a person and quotes nothing of it. */
export class RequestError extends Error {
  override readonly name = "RequestError";
}

export interface CertificateAsked {
  /** DER of the public key (RFC 5280 §4.1.2.7). */
  readonly publicKey: Uint8Array;
  /** Common name of the subject; a request needs none. Whatever else it asks for is not looked at. */
  readonly commonName: string | undefined;
}

/** Longest request, characters of PEM: the largest ML-DSA has some 10,000. */
export const longestRequest = 16_384;

const block =
  /-----BEGIN (NEW )?CERTIFICATE REQUEST-----([^-]*)-----END \1?CERTIFICATE REQUEST-----/g;
const commonName = "2.5.4.3";

/** One request in PEM, signed by the key that it is for. @throws RequestError */
export function parseRequest(text: string): CertificateAsked {
  if (text.length > longestRequest) throw new RequestError("is longer than a request can be");
  const [found, ...more] = [...text.matchAll(block)];
  if (found === undefined) throw new RequestError("holds no certificate request in PEM");
  if (more.length > 0) throw new RequestError("holds more than one request");
  try {
    return parse(Buffer.from(found[2] ?? "", "base64"));
  } catch (error) {
    if (error instanceof DerError) {
      throw new RequestError(`is damaged, or no certificate request (${error.message})`);
    }
    throw error;
  }
}

function parse(bytes: Uint8Array): CertificateAsked {
  const file = new DerReader(bytes);
  const request = file.into(tag.sequence);
  file.end();
  const signed = request.next(tag.sequence);
  const algorithm = algorithmOf(request.next(tag.sequence));
  const { value: bits } = request.next(tag.bitString);
  request.end();
  const body = new DerReader(signed.value);
  if (integerText(body.next(tag.integer).value) !== "0") throw new DerError("another version");
  const name = commonNameOf(body.into(tag.sequence));
  const { raw: publicKey } = body.next(tag.sequence);
  if (typeof algorithm === "string") throw new RequestError(algorithm);
  const key = keyOf(publicKey);
  if (!isStrong(key)) {
    throw new RequestError(
      "has a key that is not accepted: P-256, P-384, P-521, Ed25519, Ed448, ML-DSA, or RSA of 2,048 bits and more",
    );
  }
  if (bits[0] !== 0 || !hasSigned(algorithm, signed.raw, key, bits.subarray(1))) {
    throw new RequestError("is not signed by the key that it is for");
  }
  return { publicKey, commonName: name };
}

function keyOf(der: Uint8Array): KeyObject {
  try {
    return createPublicKey({ key: Buffer.from(der), format: "der", type: "spki" });
  } catch {
    throw new DerError("a key of no use");
  }
}

/** The first one; names of others are passed over. */
function commonNameOf(name: DerReader): string | undefined {
  while (!name.ended) {
    const set = name.into(tag.set);
    while (!set.ended) {
      const pair = set.into(tag.sequence);
      const kind = oidText(pair.next(tag.oid).value);
      if (kind === commonName) return Buffer.from(pair.next().value).toString("utf8");
      pair.next();
    }
  }
  return undefined;
}
