/** What the node shows to its broker: read anew for each connection, so that it may be renewed. */
import { createPrivateKey, hash, X509Certificate } from "node:crypto";
import { firstLine, readNamed } from "../config/named-file.ts";
import { Fault } from "../port/errors.ts";
import { CrlError } from "../tls/crl.ts";
import type { TlsTexts } from "../tls/options.ts";
import { trustOf } from "../tls/trust.ts";

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

function read(file: string | undefined): string | undefined {
  if (file === undefined) return undefined;
  return readNamed(file, "mqtt.connect", "file for the broker cannot be read").toString();
}

/**
 * Reads them.
 * @throws Fault `mqtt.connect` that names the file, also for revocation lists that are of no use, and for
 *   a certificate and a key that do not belong together: one of them is being renewed
 */
export function readBrokerCredentials(files: BrokerFiles): BrokerCredentials {
  const [ca, cert, key] = [read(files.ca), read(files.cert), read(files.key)];
  if (cert !== undefined && key !== undefined && !belong(cert, key)) {
    const facts = { cert: files.cert ?? "", key: files.key ?? "" };
    throw new Fault("mqtt.connect", "certificate and key do not belong together", facts);
  }
  const crl = read(files.crl);
  try {
    if (crl !== undefined) trustOf({ ca, crl });
  } catch (error) {
    if (!(error instanceof CrlError)) throw error;
    throw new Fault("mqtt.connect", `revocation list ${error.message}`, { file: files.crl ?? "" });
  }
  const password = read(files.password_file);
  const asked = { crlFresh: files.crl_fresh, requirePq: files.require_pq };
  return { ca, cert, key, crl, ...asked, password: password && firstLine(password) };
}

/** Tells contents apart; never shown. */
export function digestOf({ ca, cert, key, crl, password }: BrokerCredentials): string {
  return hash("sha256", JSON.stringify([ca, cert, key, crl, password]), "hex");
}

function belong(cert: string, key: string): boolean {
  try {
    return new X509Certificate(cert).checkPrivateKey(createPrivateKey(key));
  } catch {
    return false;
  }
}
