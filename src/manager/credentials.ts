/** What the node shows to its broker: read anew for each connection, so that it may be renewed. */
import { createPrivateKey, hash, X509Certificate } from "node:crypto";
import { firstLine, readNamed } from "../config/named-file.ts";
import { Fault } from "../port/errors.ts";

/** Names of files. */
export interface BrokerFiles {
  readonly ca?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  readonly password_file?: string | undefined;
}

/** PEM texts, and a password. */
export interface BrokerCredentials {
  readonly ca: string | undefined;
  readonly cert: string | undefined;
  readonly key: string | undefined;
  readonly password: string | undefined;
}

function read(file: string | undefined): string | undefined {
  if (file === undefined) return undefined;
  return readNamed(file, "mqtt.connect", "file for the broker cannot be read").toString();
}

/**
 * Reads them.
 * @throws Fault `mqtt.connect` that names the file, also for a certificate and a key that do not
 *   belong together: somebody is in the middle of renewing them
 */
export function readBrokerCredentials(files: BrokerFiles): BrokerCredentials {
  const [ca, cert, key] = [read(files.ca), read(files.cert), read(files.key)];
  if (cert !== undefined && key !== undefined && !belong(cert, key)) {
    const facts = { cert: files.cert ?? "", key: files.key ?? "" };
    throw new Fault("mqtt.connect", "certificate and key do not belong together", facts);
  }
  const password = read(files.password_file);
  return { ca, cert, key, password: password && firstLine(password) };
}

/** Tells contents apart; never shown. */
export function digestOf({ ca, cert, key, password }: BrokerCredentials): string {
  return hash("sha256", JSON.stringify([ca, cert, key, password]), "hex");
}

function belong(cert: string, key: string): boolean {
  try {
    return new X509Certificate(cert).checkPrivateKey(createPrivateKey(key));
  } catch {
    return false;
  }
}
