/**
 * A request for a certificate (PKCS #10, RFC 2986) in the place of one that there is: the same subject, the same
 * names, the same key (RFC 7030 §4.2.2). Pure.
 */
import { createPublicKey, type KeyObject, type X509Certificate } from "node:crypto";
import { Fault } from "../../base/errors.ts";
import { extensionsOf, subjectName } from "../tls/certificate.ts";
import { tag } from "../tls/der.ts";
import { bitString, der, sequence } from "../tls/der-write.ts";
import { signerOf } from "../tls/signature.ts";

/** Subject alternative names; what the key is for. A CA that copies extensions copies these. */
const kept = new Set(["2.5.29.17", "2.5.29.37"]);

const explicit = 0xa0;
const version0 = Buffer.from("020100", "hex");
const extensionRequest = Buffer.from("06092a864886f70d01090e", "hex");

/**
 * @param key the private key of `present`
 * @returns DER
 * @throws Fault `est` if the key is of a kind that no request is made with
 */
export function requestLike(present: X509Certificate, key: KeyObject): Buffer {
  const chosen = extensionsOf(present)
    .filter(({ oid }) => kept.has(oid))
    .map(({ element }) => element.raw);
  const attributes =
    chosen.length === 0
      ? der(explicit)
      : der(explicit, sequence(extensionRequest, der(tag.set, sequence(...chosen))));
  const publicKey = createPublicKey(key).export({ format: "der", type: "spki" });
  const body = sequence(version0, subjectName(present), publicKey, attributes);
  const signer = signerOf(key);
  if (signer === undefined) {
    const { asymmetricKeyType: kind = "", asymmetricKeyDetails } = key;
    const name = kind === "ec" ? `ec ${asymmetricKeyDetails?.namedCurve}` : kind;
    throw new Fault("est", "no request is made with a key of this kind", { kind: name });
  }
  return sequence(body, signer.algorithm, bitString(signer.sign(body)));
}
