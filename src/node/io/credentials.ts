/**
 * Certificates, keys and revocation lists in files that change while the node runs: read anew for each
 * connection, so that a renewed certificate needs no restart.
 */
import { hash } from "node:crypto";
import { Fault } from "../../base/errors.ts";
import { readNamed } from "../../host/config/named-file.ts";
import { chainFrom, validityOf } from "../../host/tls/chain.ts";
import { CrlError } from "../../host/tls/crl.ts";
import { identityProblem, PemError, readCertificates, readPrivateKey } from "../../host/tls/pem.ts";
import { trustOf } from "../../host/tls/trust.ts";

export interface CredentialFiles {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
  readonly crl?: string | undefined;
}

/** PEM texts. */
export interface Credentials {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
  readonly crl?: string;
}

/** What is worth knowing of a certificate of our own, without a connection. */
export interface CertificateFacts {
  readonly file: string;
  readonly subject: string;
  readonly issuer: string;
  /** ms since 1970 UTC */
  readonly notAfter: number;
}

function read(file: string): Buffer {
  return readNamed(file, "kq1.connect", "certificate file cannot be read");
}

/**
 * Reads them, and sees that each can be used: a file may be half written.
 * @throws Fault `kq1.connect` that names the file and says what is wrong with it
 */
export function readCredentials(files: CredentialFiles): Credentials {
  const [ca, cert, key] = [read(files.ca), read(files.cert), read(files.key)];
  good(files.ca, "file", () => readCertificates(ca));
  good(files.cert, "certificate file", () => readCertificates(cert));
  good(files.key, "private key", () => readPrivateKey(key));
  const own = { ca: ca.toString(), cert: cert.toString(), key: key.toString() };
  if (files.crl === undefined) return own;
  const crl = read(files.crl).toString();
  try {
    trustOf({ ca: own.ca, crl });
  } catch (error) {
    if (!(error instanceof CrlError)) throw error;
    throw new Fault("kq1.connect", `revocation list ${error.message}`, { file: files.crl });
  }
  return { ...own, crl };
}

/** Tells contents apart; never shown. */
export function digestOf({ ca, cert, key, crl = "" }: Credentials): string {
  return hash("sha256", [ca, cert, key, crl].join("\0"), "hex");
}

/**
 * Of the chain in a file: whose certificate ends first, and when.
 * @throws Fault `kq1.connect` if the file holds no certificate
 */
export function describeCertificate(file: string, pem: string): CertificateFacts {
  const [first, ...others] = good(file, "file", () => readCertificates(Buffer.from(pem)));
  const { endsWith, to } = validityOf(first === undefined ? [] : chainFrom(first, others));
  const oneLine = (name = "") => name.replaceAll("\n", ", ");
  return {
    file,
    subject: oneLine(endsWith?.subject),
    issuer: oneLine(endsWith?.issuer),
    notAfter: to,
  };
}

/** @throws Fault `kq1.connect` */
function good<T>(file: string, what: string, make: () => T): T {
  try {
    return make();
  } catch (error) {
    if (!(error instanceof PemError)) throw error;
    throw new Fault("kq1.connect", `${what} ${error.message}`, { file });
  }
}

/** Why certificates cannot be used for a connection, from what OpenSSL says. */
export function unusableReason({
  cert,
  key,
}: Pick<Credentials, "cert" | "key">): string | undefined {
  const wrong = identityProblem(Buffer.from(cert), Buffer.from(key));
  return wrong && `the ${wrong.where === "cert" ? "certificate" : "private key"} ${wrong.what}`;
}
