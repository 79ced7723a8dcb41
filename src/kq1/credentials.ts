/**
 * Certificates, keys and revocation lists in files that change while the node runs: read anew for each
 * connection, so that a renewed certificate needs no restart.
 */
import { hash, X509Certificate } from "node:crypto";
import { readNamed } from "../config/named-file.ts";
import { Fault } from "../port/errors.ts";
import { CrlError } from "../tls/crl.ts";
import { certificatesOf, trustOf } from "../tls/trust.ts";

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

function read(file: string): string {
  return readNamed(file, "kq1.connect", "certificate file cannot be read").toString();
}

/** @throws Fault `kq1.connect` that names the file, also for revocation lists that are of no use */
export function readCredentials(files: CredentialFiles): Credentials {
  const own = { ca: read(files.ca), cert: read(files.cert), key: read(files.key) };
  // A file that is being written: by it, every peer would be a stranger.
  if (certificatesOf(own.ca).length === 0) {
    throw new Fault("kq1.connect", "file holds no certificate", { file: files.ca });
  }
  if (files.crl === undefined) return own;
  const crl = read(files.crl);
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

/** @throws Fault `kq1.connect` if the file holds no certificate */
export function describeCertificate(file: string, pem: string): CertificateFacts {
  try {
    const { subject, issuer, validTo } = new X509Certificate(pem);
    const oneLine = (name: string) => name.replaceAll("\n", ", ");
    return {
      file,
      subject: oneLine(subject),
      issuer: oneLine(issuer),
      notAfter: Date.parse(validTo),
    };
  } catch {
    throw new Fault("kq1.connect", "file holds no certificate", { file });
  }
}
