/** Certificates and private keys as people have them in files; what is wrong with one, in words. */
import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { createSecureContext } from "node:tls";
import { errorCode } from "../../base/errors.ts";

/** A file that cannot be used; the message goes behind its name, and quotes nothing of it. */
export class PemError extends Error {
  override readonly name = "PemError";
}

const certificateBlock = /-----BEGIN ((?:X509 |TRUSTED )?CERTIFICATE)-----[^-]*-----END \1-----/g;
const keyBlock = /-----BEGIN ((?:[A-Z0-9]+ )*)PRIVATE KEY-----/;

/** What a file that is no PEM may be. @throws PemError */
function checkText(bytes: Uint8Array, convert: string): string {
  if (bytes.length === 0) throw new PemError("is empty");
  const [first, second] = bytes;
  if ((first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff)) {
    throw new PemError("is UTF-16: save it as plain text");
  }
  const text = Buffer.from(bytes).toString("utf8");
  // What is written before a certificate may begin with a 0, as DER does.
  if (first === 0x30 && !text.includes("-----BEGIN ")) {
    throw new PemError(`is DER, not PEM: convert it (${convert})`);
  }
  return text;
}

/**
 * Certificates of a file, in its order.
 * @throws PemError if there is none, or one of them cannot be read: OpenSSL leaves out what follows it
 */
export function readCertificates(bytes: Uint8Array): X509Certificate[] {
  const text = checkText(bytes, "openssl x509 -inform DER, or openssl pkcs12 for a .p12 file");
  const blocks = [...text.matchAll(certificateBlock)];
  const begun = text.match(/-----BEGIN (?:X509 |TRUSTED )?CERTIFICATE-----/g)?.length ?? 0;
  if (begun === 0) throw new PemError(insteadOfCertificate(text));
  const which = (i: number) => (begun === 1 ? "the certificate" : `certificate ${i + 1}`);
  const found = blocks.map(([block], i) => {
    try {
      return new X509Certificate(block);
    } catch {
      throw new PemError(`${which(i)} in it is damaged`);
    }
  });
  if (blocks.length < begun) throw new PemError(`${which(blocks.length)} in it is cut off`);
  return found;
}

function insteadOfCertificate(text: string): string {
  if (text.trim() === "") return "is empty";
  if (text.includes("-----BEGIN PKCS7-----")) {
    return "is PKCS #7: convert it (openssl pkcs7 -print_certs)";
  }
  if (text.includes("CERTIFICATE REQUEST-----")) {
    return "holds no certificate, but a request for one: the CA makes the certificate from it";
  }
  if (keyBlock.test(text)) return "holds no certificate, but a private key";
  if (text.includes("-----BEGIN X509 CRL-----"))
    return "holds no certificate, but a revocation list";
  return "holds no certificate in PEM";
}

const passphrase =
  "is encrypted, and a passphrase cannot be given: openssl pkey -in FILE -out NEW takes it off";
const signing = /^(rsa|rsa-pss|ec|ed25519|ed448|ml-dsa-\d+)$/;

/** The private key of a file. @throws PemError */
export function readPrivateKey(bytes: Uint8Array): KeyObject {
  const text = checkText(bytes, "openssl pkey -inform DER, or openssl pkcs12 for a .p12 file");
  const [, kind = ""] = keyBlock.exec(text) ?? [];
  if (!keyBlock.test(text)) throw new PemError(insteadOfKey(text));
  // PKCS #8, or the older way of OpenSSL.
  if (kind === "ENCRYPTED " || /^Proc-Type: *4, *ENCRYPTED/m.test(text)) {
    throw new PemError(passphrase);
  }
  let key: KeyObject;
  try {
    key = createPrivateKey(text);
  } catch {
    throw new PemError("holds a private key that is damaged");
  }
  if (!signing.test(key.asymmetricKeyType ?? "")) {
    throw new PemError(`holds a key that TLS cannot sign with (${key.asymmetricKeyType})`);
  }
  return key;
}

function insteadOfKey(text: string): string {
  if (text.trim() === "") return "is empty";
  if (text.includes("PUBLIC KEY-----")) return "holds no private key, but a public one";
  if (text.includes("CERTIFICATE-----")) return "holds no private key, but a certificate";
  return "holds no private key in PEM";
}

/** What is wrong with a certificate and its key; `where` says with which file. */
export interface IdentityProblem {
  readonly where: "cert" | "key";
  readonly what: string;
}

/** What is wrong with a key where each file for itself is as it should be. */
export const ofAnother = "belongs to another certificate";

/** Why certificate and key cannot be used together. Their dates are not looked at. */
export function identityProblem(cert: Uint8Array, key: Uint8Array): IdentityProblem | undefined {
  let where: IdentityProblem["where"] = "cert";
  try {
    const [own, ...others] = readCertificates(cert);
    where = "key";
    const secret = readPrivateKey(key);
    if (own?.checkPrivateKey(secret) === false) {
      const at = others.findIndex((one) => one.checkPrivateKey(secret));
      if (at < 0) throw new PemError(ofAnother);
      throw new PemError(`belongs to certificate ${at + 2} of the file, which must be the first`);
    }
    where = "cert";
    try {
      createSecureContext({ cert: Buffer.from(cert), key: Buffer.from(key) });
    } catch (error) {
      throw new PemError(`cannot be used for TLS (${errorCode(error) ?? "unknown"})`);
    }
    return undefined;
  } catch (error) {
    if (!(error instanceof PemError)) throw error;
    return { where, what: error.message };
  }
}
