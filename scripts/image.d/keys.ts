/**
 * Keys that sign: kernels for the firmware, bundles for RAUC. A vendor brings its own (`--keys`), best
 * from a token; without them development keys are made on this machine, and the image says so.
 */
import { existsSync } from "node:fs";
import { mkdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { cache } from "./packages.ts";
import { ImageError, run } from "./run.ts";
import { opensslKey } from "./token.ts";

export interface Keys {
  readonly folder: string;
  /** Made here, for development. */
  readonly development: boolean;
  readonly bootKey: string;
  readonly bootCertificate: string;
  /** For boards whose firmware takes RSA with 2048 bits and nothing else. */
  readonly piKey: string;
  readonly updateKey: string;
  readonly updateCertificate: string;
  /** Who may sign updates: goes into the image. */
  readonly updateAuthority: string;
  /** Who may sign configurations of sites: goes into the image; undefined: the first one is believed. */
  readonly siteKeys: string | undefined;
}

const files = ["boot.key", "boot.crt", "update.key", "update.crt", "update-ca.crt"];
const piKey = "pi-boot.key";

/** @throws ImageError if the vendor's folder lacks one */
export async function signingKeys(folder: string | undefined): Promise<Keys> {
  const where = folder ?? join(cache, "development-keys");
  const missing = files.filter((file) => !existsSync(join(where, file)));
  if (folder === undefined) {
    if (missing.length > 0) await makeKeys(where);
    else if (!existsSync(join(where, piKey))) await makePiKey(where);
  } else if (missing.length > 0) {
    throw new ImageError(`${folder}: missing ${missing.join(", ")}`);
  }
  const path = (name: string) => join(where, name);
  return {
    folder: where,
    development: folder === undefined,
    bootKey: path("boot.key"),
    bootCertificate: path("boot.crt"),
    piKey: path(piKey),
    updateKey: path("update.key"),
    updateCertificate: path("update.crt"),
    updateAuthority: path("update-ca.crt"),
    siteKeys: existsSync(path("site-keys")) ? path("site-keys") : undefined,
  };
}

async function makePiKey(folder: string): Promise<void> {
  const how = ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"];
  await run("openssl", ["genpkey", ...how, "-out", piKey], { cwd: folder });
  await run("chmod", ["0600", piKey], { cwd: folder });
}

/**
 * @returns a signature over a file by the key for the Raspberry Pi: RSA, PKCS#1 v1.5, SHA-256
 * @throws ImageError if the key is no RSA key with 2048 bits
 */
export async function signBytes({ piKey: key }: Keys, file: string): Promise<Buffer> {
  if (!existsSync(key)) throw new ImageError(`missing ${key}: RSA, 2048 bits`);
  const to = `${file}.signature`;
  await run("openssl", ["dgst", "-sha256", ...(await opensslKey(key)), "-out", to, file]);
  const signature = await readFile(to);
  await rm(to);
  if (signature.length !== 256) throw new ImageError(`${key} is no RSA key with 2048 bits`);
  return signature;
}

/** Makes all of them anew. */
export async function makeKeys(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const openssl = (...args: string[]) => run("openssl", args, { cwd: folder });
  await makePiKey(folder);
  const key = ["-newkey", "rsa:3072", "-noenc", "-days", "3650"];
  await openssl(
    "req",
    "-x509",
    ...key,
    "-subj",
    "/CN=qkd-node development boot",
    "-keyout",
    "boot.key",
    "-out",
    "boot.crt",
  );
  await openssl(
    "req",
    "-x509",
    ...key,
    "-subj",
    "/CN=qkd-node development updates",
    "-keyout",
    "update-ca.key",
    "-out",
    "update-ca.crt",
  );
  await openssl(
    "req",
    ...key.slice(0, 3),
    "-subj",
    "/CN=qkd-node development release",
    "-keyout",
    "update.key",
    "-out",
    "update.csr",
  );
  await openssl(
    "x509",
    "-req",
    "-in",
    "update.csr",
    "-CA",
    "update-ca.crt",
    "-CAkey",
    "update-ca.key",
    "-days",
    "3650",
    "-out",
    "update.crt",
  );
}
