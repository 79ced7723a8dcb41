/**
 * Certificates, keys and revocation lists in files that change while a daemon runs: read anew for each
 * connection, so that a renewed certificate needs no restart.
 */
import { hash } from "node:crypto";
import { Fault, type FaultCode } from "../../base/errors.ts";
import { readNamed } from "../config/named-file.ts";
import { chainFrom, validityOf } from "./chain.ts";
import { CrlError } from "./crl.ts";
import { Kept } from "./kept.ts";
import { identityProblem, ofAnother, PemError, readCertificates } from "./pem.ts";
import { connectionReason } from "./reason.ts";
import type { TextFiles } from "./texts.ts";
import { trustOf } from "./trust.ts";

export interface CredentialFiles {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
  readonly crl?: string | undefined;
}

/** Those of a table that may have none. */
export function filesOf({ ca, cert, key, crl }: TextFiles): CredentialFiles | undefined {
  if (ca === undefined || cert === undefined || key === undefined) return undefined;
  return { ca, cert, key, crl };
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

function read(file: string, code: FaultCode): Buffer {
  return readNamed(file, code, "certificate file cannot be read");
}

/**
 * Reads them, and sees that each can be used: a file may be half written.
 * @throws Fault `code` that names the file and says what is wrong with it
 */
export function readCredentials(files: CredentialFiles, code: FaultCode): Credentials {
  return { ...readTrust(files, code), ...readIdentity(files, code) };
}

/** Whom it trusts. @throws Fault `code` */
function readTrust(files: CredentialFiles, code: FaultCode): Pick<Credentials, "ca" | "crl"> {
  const bytes = read(files.ca, code);
  usable(files.ca, "file", code, () => readCertificates(bytes));
  const ca = bytes.toString();
  if (files.crl === undefined) return { ca };
  const crl = read(files.crl, code).toString();
  try {
    trustOf({ ca, crl });
  } catch (error) {
    if (!(error instanceof CrlError)) throw error;
    throw new Fault(code, `revocation list ${error.message}`, { file: files.crl });
  }
  return { ca, crl };
}

/** Who it is. @throws Fault `code` */
function readIdentity(files: CredentialFiles, code: FaultCode): Pick<Credentials, "cert" | "key"> {
  const [cert, key] = [read(files.cert, code), read(files.key, code)];
  checkIdentity(files, { cert, key }, code);
  return { cert: cert.toString(), key: key.toString() };
}

/** One of the two may be renewed, and the other not yet. @throws Fault `code` that names the file, or both */
export function checkIdentity(
  files: Pick<CredentialFiles, "cert" | "key">,
  { cert, key }: { readonly cert: Buffer; readonly key: Buffer },
  code: FaultCode,
): void {
  const wrong = identityProblem(cert, key);
  if (wrong === undefined) return;
  if (wrong.what === ofAnother) {
    const facts = { cert: files.cert, key: files.key };
    throw new Fault(code, "certificate and key do not belong together", facts);
  }
  const what = wrong.where === "cert" ? "certificate file" : "private key";
  throw new Fault(code, `${what} ${wrong.what}`, { file: files[wrong.where] });
}

/** Those of a program that runs. */
export class KeptCredentials extends Kept<
  Pick<Credentials, "ca" | "crl">,
  Pick<Credentials, "cert" | "key">
> {
  /** @param code of faults */
  constructor(files: CredentialFiles, code: FaultCode) {
    super(
      () => readTrust(files, code),
      () => readIdentity(files, code),
    );
  }
}

/** Tells contents apart; never shown. */
export function digestOf({ ca, cert, key, crl = "" }: Credentials): string {
  return hash("sha256", [ca, cert, key, crl].join("\0"), "hex");
}

/**
 * Of the chain in a file: whose certificate ends first, and when.
 * @throws Fault `config.file` if the file holds no certificate
 */
export function describeCertificate(file: string, pem: string): CertificateFacts {
  const [first, ...others] = usable(file, "file", "config.file", () =>
    readCertificates(Buffer.from(pem)),
  );
  const { endsWith, to } = validityOf(first === undefined ? [] : chainFrom(first, others));
  const oneLine = (name = "") => name.replaceAll("\n", ", ");
  return {
    file,
    subject: oneLine(endsWith?.subject),
    issuer: oneLine(endsWith?.issuer),
    notAfter: to,
  };
}

/** @throws Fault `code` */
function usable<T>(file: string, what: string, code: FaultCode, make: () => T): T {
  try {
    return make();
  } catch (error) {
    if (!(error instanceof PemError)) throw error;
    throw new Fault(code, `${what} ${error.message}`, { file });
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

/**
 * A server cannot be made of certificates, or cannot take renewed ones.
 * @param server how the fault names it @param who connects to it
 */
export function unusableFault(
  error: unknown,
  texts: Pick<Credentials, "cert" | "key">,
  server: { readonly code: FaultCode; readonly name: string },
  who: string,
): Fault {
  const why = credentialsReason(error, texts, who);
  return new Fault(server.code, `${server.name}: certificates cannot be used: ${why}`);
}

/** What OpenSSL says of a connection or a server whose certificates cannot be used, said better. @param who the other end */
export function credentialsReason(
  error: unknown,
  texts: Pick<Credentials, "cert" | "key">,
  who: string,
): string {
  if (error instanceof CrlError) return `revocation list ${error.message}`;
  return unusableReason(texts) ?? connectionReason(error, who);
}
