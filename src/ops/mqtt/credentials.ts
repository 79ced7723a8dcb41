/** What the node shows to its broker: read anew for each connection, so that it may be renewed. */
import { hash } from "node:crypto";
import { Fault } from "../../base/errors.ts";
import { readNamed } from "../../host/config/named-file.ts";
import { firstLine } from "../../host/config/password.ts";
import { CrlError } from "../../host/tls/crl.ts";
import type { TlsTexts } from "../../host/tls/options.ts";
import { identityProblem, PemError, readCertificates } from "../../host/tls/pem.ts";
import { trustOf } from "../../host/tls/trust.ts";

/** Names of files. */
export interface BrokerFiles {
  readonly ca?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  readonly crl?: string | undefined;
  readonly crl_fresh?: boolean | undefined;
  readonly require_pq?: boolean | undefined;
  readonly password_file?: string | undefined;
}

/** PEM texts, what is asked of the broker, and a password. */
export interface BrokerCredentials extends TlsTexts {
  readonly password: string | undefined;
}

function read(file: string | undefined): Buffer | undefined {
  if (file === undefined) return undefined;
  return readNamed(file, "mqtt.connect", "file for the broker cannot be read");
}

/**
 * Reads them, and sees that they can be used: a file may be half written, or one of two renewed.
 * @throws Fault `mqtt.connect` that names the file and says what is wrong with it
 */
export function readBrokerCredentials(files: BrokerFiles): BrokerCredentials {
  const [ca, cert, key] = [read(files.ca), read(files.cert), read(files.key)];
  if (ca !== undefined) checkCas(files.ca as string, ca);
  if (cert !== undefined && key !== undefined) checkIdentity(files, cert, key);
  const crl = read(files.crl)?.toString();
  try {
    if (crl !== undefined) trustOf({ ca: ca?.toString(), crl });
  } catch (error) {
    if (!(error instanceof CrlError)) throw error;
    throw new Fault("mqtt.connect", `revocation list ${error.message}`, { file: files.crl ?? "" });
  }
  const password = read(files.password_file)?.toString();
  const asked = { crlFresh: files.crl_fresh, requirePq: files.require_pq };
  return {
    ca: ca?.toString(),
    cert: cert?.toString(),
    key: key?.toString(),
    crl,
    ...asked,
    password: password && firstLine(password),
  };
}

/** Tells contents apart; never shown. */
export function digestOf({ ca, cert, key, crl, password }: BrokerCredentials): string {
  return hash("sha256", JSON.stringify([ca, cert, key, crl, password]), "hex");
}

/** @throws Fault `mqtt.connect` */
function checkIdentity(files: BrokerFiles, cert: Buffer, key: Buffer): void {
  const wrong = identityProblem(cert, key);
  if (wrong === undefined) return;
  const facts = { cert: files.cert ?? "", key: files.key ?? "" };
  if (wrong.what === "belongs to another certificate") {
    throw new Fault("mqtt.connect", "certificate and key do not belong together", facts);
  }
  const what = wrong.where === "cert" ? "certificate file" : "private key";
  throw new Fault("mqtt.connect", `${what} ${wrong.what}`, { file: facts[wrong.where] });
}

/** @throws Fault `mqtt.connect` */
function checkCas(file: string, ca: Buffer): void {
  try {
    readCertificates(ca);
  } catch (error) {
    if (!(error instanceof PemError)) throw error;
    throw new Fault("mqtt.connect", `file ${error.message}`, { file });
  }
}
