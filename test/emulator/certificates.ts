/**
 * A small PKI for tests, the demo, the bench, and a site without one of its own (`scripts/site ca`): ECDSA on P-256.
 * Nothing it makes is ever committed.
 */
import "./reflect.ts";

import { createPublicKey, webcrypto } from "node:crypto";
import { chmod, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  PemConverter,
  Pkcs10CertificateRequestGenerator,
  PublicKey,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509Certificate,
  X509CertificateGenerator,
  X509CrlGenerator,
} from "@peculiar/x509";
import { type Clock, systemClock } from "../../src/base/clock.ts";
import { parseRequest } from "../../src/host/tls/request.ts";

const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
const day = 24 * 3_600_000;

/** A certificate and its private key (PKCS #8), both PEM. */
export interface Identity {
  readonly cert: string;
  readonly key: string;
}

export interface CertificateRequest {
  readonly commonName: string;
  /** Subject alternative names. A client checks a server by these alone, never by the CN. */
  readonly dns?: readonly string[];
  readonly uris?: readonly string[];
  readonly ip?: readonly string[];
  readonly usage: "server" | "client" | "both";
  /** Days until it expires, default 1; negative for a certificate that expired so long ago. */
  readonly days?: number;
}

export interface Authority {
  readonly name: string;
  /** The authority's own certificate, PEM: what the others trust. */
  readonly cert: string;
  /** Its private key (PKCS #8), PEM: for an authority that is needed again. */
  exportKey(): Promise<string>;
  issue(request: CertificateRequest): Promise<Identity>;
  /**
   * A certificate for a key that is elsewhere: of a request only the key is taken, and its common name where none is
   * given. @param pem PKCS #10 @returns PEM @throws RequestError
   */
  certify(
    pem: string,
    request: Omit<CertificateRequest, "commonName"> & { readonly commonName?: string },
  ): Promise<string>;
  /** A list of certificates that are taken back, PEM. @param certificates PEM */
  revoke(certificates: readonly string[], options?: ListOptions): Promise<string>;
  /** An authority below this one, with a certificate by it. */
  subordinate(name: string): Promise<Authority>;
}

export interface ListOptions {
  /** Days until the list runs out, default 30; negative for one that ran out so long ago. */
  readonly days?: number;
  /** Signed by another key than the authority's. */
  readonly forged?: true;
}

const usages = {
  server: [ExtendedKeyUsage.serverAuth],
  client: [ExtendedKeyUsage.clientAuth],
  both: [ExtendedKeyUsage.serverAuth, ExtendedKeyUsage.clientAuth],
};

/** The day before it expires or the day before now, whichever is earlier, until `days` from now. */
function validity(now: number, days: number) {
  const notAfter = now + days * day;
  return { notBefore: new Date(Math.min(now, notAfter) - day), notAfter: new Date(notAfter) };
}

function generateKeys(): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
}

async function issue(
  clock: Clock,
  issuer: X509Certificate,
  issuerKeys: webcrypto.CryptoKeyPair,
  request: CertificateRequest,
): Promise<Identity> {
  const keys = await generateKeys();
  const cert = await makeCertificate(clock, issuer, issuerKeys, request, keys.publicKey);
  return { cert, key: await pemOf(keys.privateKey) };
}

/** A key and a request for its certificate, as whoever wants one makes them; both PEM. */
export async function createRequest(
  commonName: string,
): Promise<{ readonly request: string; readonly key: string }> {
  const keys = await generateKeys();
  const made = await Pkcs10CertificateRequestGenerator.create({
    name: [{ CN: [commonName] }],
    keys,
    signingAlgorithm: algorithm,
  });
  return { request: `${made.toString("pem")}\n`, key: await pemOf(keys.privateKey) };
}

async function makeCertificate(
  clock: Clock,
  issuer: X509Certificate,
  issuerKeys: webcrypto.CryptoKeyPair,
  { commonName, dns = [], ip = [], uris = [], usage, days = 1 }: CertificateRequest,
  publicKey: webcrypto.CryptoKey | PublicKey,
): Promise<string> {
  const names = [
    ...dns.map((value) => ({ type: "dns" as const, value })),
    ...uris.map((value) => ({ type: "url" as const, value })),
    ...ip.map((value) => ({ type: "ip" as const, value })),
  ];
  const made = await X509CertificateGenerator.create({
    subject: [{ CN: [commonName] }],
    issuer: issuer.subjectName,
    ...validity(clock.wall(), days),
    publicKey,
    signingKey: issuerKeys.privateKey,
    signingAlgorithm: algorithm,
    extensions: [
      new BasicConstraintsExtension(false, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
      new ExtendedKeyUsageExtension(usages[usage]),
      ...(names.length > 0 ? [new SubjectAlternativeNameExtension(names)] : []),
      await AuthorityKeyIdentifierExtension.create(issuerKeys.publicKey),
      await SubjectKeyIdentifierExtension.create(publicKey),
    ],
  });
  return `${made.toString("pem")}\n`;
}

async function pemOf(key: webcrypto.CryptoKey): Promise<string> {
  const pkcs8 = await webcrypto.subtle.exportKey("pkcs8", key);
  return `${PemConverter.encode(pkcs8, "PRIVATE KEY")}\n`;
}

/**
 * A certification authority with a self-signed certificate.
 * @param name its common name
 * @param clock says what "now" is; TLS itself always goes by the machine's clock
 * @param days how long its own certificate is good
 */
export async function createAuthority(
  name: string,
  clock = systemClock,
  days = 400,
): Promise<Authority> {
  const keys = await generateKeys();
  const certificate = await X509CertificateGenerator.createSelfSigned({
    name: [{ CN: [name] }],
    ...validity(clock.wall(), days),
    keys,
    signingAlgorithm: algorithm,
    extensions: await ofAuthority(keys),
  });
  return authority(clock, name, certificate, keys);
}

/**
 * An authority that was made before, of {@link Authority.cert} and {@link Authority.exportKey}.
 * @throws if they are none, or do not belong together
 */
export async function loadAuthority(
  cert: string,
  key: string,
  clock = systemClock,
): Promise<Authority> {
  const certificate = new X509Certificate(cert);
  const [pkcs8] = PemConverter.decode(key);
  if (pkcs8 === undefined || !createPublicKey(key).equals(createPublicKey(cert))) {
    throw new Error("certificate and key do not belong together");
  }
  const keys = {
    privateKey: await webcrypto.subtle.importKey("pkcs8", pkcs8, algorithm, true, ["sign"]),
    publicKey: await certificate.publicKey.export(algorithm, ["verify"], webcrypto as never),
  };
  const name = /CN=([^,]+)/.exec(certificate.subject)?.[1] ?? certificate.subject;
  return authority(clock, name, certificate, keys as webcrypto.CryptoKeyPair);
}

async function ofAuthority(keys: webcrypto.CryptoKeyPair) {
  return [
    new BasicConstraintsExtension(true, undefined, true),
    new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
    await SubjectKeyIdentifierExtension.create(keys.publicKey),
  ];
}

function authority(
  clock: Clock,
  name: string,
  certificate: X509Certificate,
  keys: webcrypto.CryptoKeyPair,
): Authority {
  return {
    name,
    cert: `${certificate.toString("pem")}\n`,
    exportKey: () => pemOf(keys.privateKey),
    issue: (request) => issue(clock, certificate, keys, request),
    async certify(pem, request) {
      const { commonName = "", publicKey } = parseRequest(pem);
      const spki = new PublicKey(Buffer.from(publicKey));
      const whole = { commonName, dns: [commonName], ...request };
      return makeCertificate(clock, certificate, keys, whole, spki);
    },
    async subordinate(below) {
      const own = await generateKeys();
      const issued = await X509CertificateGenerator.create({
        subject: [{ CN: [below] }],
        issuer: certificate.subjectName,
        ...validity(clock.wall(), 300),
        publicKey: own.publicKey,
        signingKey: keys.privateKey,
        signingAlgorithm: algorithm,
        extensions: [
          ...(await ofAuthority(own)),
          await AuthorityKeyIdentifierExtension.create(keys.publicKey),
        ],
      });
      return authority(clock, below, issued, own);
    },
    async revoke(certificates, { days = 30, forged } = {}) {
      const now = clock.wall();
      const signer = forged === undefined ? keys : await generateKeys();
      const nextUpdate = now + days * day;
      const list = await X509CrlGenerator.create({
        issuer: certificate.subject,
        thisUpdate: new Date(Math.min(now, nextUpdate) - day),
        nextUpdate: new Date(nextUpdate),
        entries: certificates.map((pem) => ({
          serialNumber: new X509Certificate(pem).serialNumber,
          revocationDate: new Date(now - day / 2),
        })),
        signingKey: signer.privateKey,
        signingAlgorithm: algorithm,
      });
      return `${PemConverter.encode(list.rawData, "X509 CRL")}\n`;
    },
  };
}

/** Where {@link writeIdentity} put things. */
export interface IdentityFiles {
  readonly cert: string;
  readonly key: string;
}

async function write(path: string, text: string, mode: number): Promise<string> {
  await writeFile(path, text, { mode });
  // The mode above holds only for a file that was not there yet.
  await chmod(path, mode);
  return path;
}

/** Writes `NAME.crt` (0644) and `NAME.key` (0600) into `directory`, which is made if missing. */
export async function writeIdentity(
  directory: string,
  name: string,
  identity: Identity,
): Promise<IdentityFiles> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  return {
    cert: await write(join(directory, `${name}.crt`), identity.cert, 0o644),
    key: await write(join(directory, `${name}.key`), identity.key, 0o600),
  };
}

/** Writes the authority's certificate to `NAME.crt` (0644) and returns its path. */
export async function writeAuthority(
  directory: string,
  name: string,
  authority: Authority,
): Promise<string> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  return write(join(directory, `${name}.crt`), authority.cert, 0o644);
}
