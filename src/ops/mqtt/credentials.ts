/** What the node shows to its broker: read anew for each connection, so that it may be renewed. */
import { hash } from "node:crypto";
import { Fault } from "../../base/errors.ts";
import { readNamed } from "../../host/config/named-file.ts";
import { firstLine } from "../../host/config/password.ts";
import { checkIdentity } from "../../host/tls/credentials.ts";
import { CrlError } from "../../host/tls/crl.ts";
import { Kept } from "../../host/tls/kept.ts";
import type { TlsTexts } from "../../host/tls/options.ts";
import { PemError, readCertificates } from "../../host/tls/pem.ts";
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
  return { ...readTrust(files), ...readIdentity(files) };
}

/** Those of a program that runs: of whom it trusts and of who it is, what could be used last. */
export class KeptBrokerCredentials extends Kept<
  ReturnType<typeof readTrust>,
  ReturnType<typeof readIdentity>
> {
  constructor(files: BrokerFiles) {
    super(
      () => readTrust(files),
      () => readIdentity(files),
    );
  }
}

/** Whom it trusts, and what is asked of those. @throws Fault `mqtt.connect` */
function readTrust(
  files: BrokerFiles,
): Pick<BrokerCredentials, "ca" | "crl" | "crlFresh" | "requirePq"> {
  const ca = read(files.ca);
  if (ca !== undefined) checkCas(files.ca as string, ca);
  const texts = { ca: ca?.toString(), crl: read(files.crl)?.toString() };
  try {
    if (texts.crl !== undefined) trustOf(texts);
  } catch (error) {
    if (!(error instanceof CrlError)) throw error;
    throw new Fault("mqtt.connect", `revocation list ${error.message}`, { file: files.crl ?? "" });
  }
  return { ...texts, crlFresh: files.crl_fresh, requirePq: files.require_pq };
}

/** Who it is. @throws Fault `mqtt.connect` */
function readIdentity(files: BrokerFiles): Pick<BrokerCredentials, "cert" | "key" | "password"> {
  const [cert, key] = [read(files.cert), read(files.key)];
  if (cert !== undefined && key !== undefined) {
    const names = { cert: files.cert ?? "", key: files.key ?? "" };
    checkIdentity(names, { cert, key }, "mqtt.connect");
  }
  const password = read(files.password_file)?.toString();
  return {
    cert: cert?.toString(),
    key: key?.toString(),
    password: password && firstLine(password),
  };
}

/** Tells contents apart; never shown. */
export function digestOf({ ca, cert, key, crl, password }: BrokerCredentials): string {
  return hash("sha256", JSON.stringify([ca, cert, key, crl, password]), "hex");
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
