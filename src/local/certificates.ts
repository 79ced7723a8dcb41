/**
 * The certificates and revocation lists that a configuration names: whose, from whom, until when. Keys are
 * only compared.
 */
import { createPrivateKey, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import type { Config } from "../config/load.ts";
import { errorCode } from "../port/errors.ts";
import { CrlError } from "../tls/crl.ts";
import { listsFacts } from "../tls/lists.ts";

export interface CertificateFiles {
  /** What it is for: `km.NAME`, `server`, `web`, `manager`. */
  readonly for: string;
  readonly ca: string | undefined;
  readonly cert: string | undefined;
  readonly key: string | undefined;
}

export interface CertificateReport {
  readonly for: string;
  /** `own`: what the node shows; `ca`: whom it trusts; `crl`: what those took back. */
  readonly role: "own" | "ca" | "crl";
  readonly file: string;
  readonly subject?: string;
  readonly issuer?: string;
  /** Subject alternative names. */
  readonly names?: string;
  readonly serial?: string;
  /** SHA-256 of the certificate. */
  readonly fingerprint?: string;
  readonly not_before?: string;
  readonly not_after?: string;
  /** Whole days that are left; negative when it is over. */
  readonly days?: number;
  /** Whether the private key belongs to it; absent if the key could not be read. */
  readonly key_matches?: boolean;
  /** Of a revocation list, with `next_update` and `entries`: certificates that it takes back. */
  readonly this_update?: string;
  readonly next_update?: string;
  readonly entries?: number;
  /** What is wrong with it, in a few words. */
  readonly problem?: string;
}

const day = 86_400_000;

/** Every set of certificate files in a configuration, each once. */
export function certificateFiles({ modules, server, web, manager }: Config): CertificateFiles[] {
  const kms = new Set(modules.flatMap((module) => module.kms));
  const of = (name: string, { ca, cert, key }: Omit<CertificateFiles, "for">) => ({
    for: name,
    ca,
    cert,
    key,
  });
  return [
    ...[...kms].map((km) => of(`km.${km.name}`, km as Omit<CertificateFiles, "for">)),
    ...(server === undefined ? [] : [of("server", server)]),
    ...(web.enabled ? [{ for: "web", ca: undefined, cert: web.cert, key: web.key }] : []),
    ...(manager === undefined ? [] : [of("manager", manager as Omit<CertificateFiles, "for">)]),
  ].filter(({ ca, cert }) => ca !== undefined || cert !== undefined);
}

export interface ListFilesOf {
  /** What it is for: `km.NAME`, `server`, `manager`. */
  readonly for: string;
  readonly ca: string;
  readonly crl: string;
  /** A list that has run out lets nobody in. */
  readonly crlFresh: boolean;
}

/** Every file of revocation lists in a configuration, and whose CAs sign them. */
export function listFiles({ modules, server, manager }: Config): ListFilesOf[] {
  const kms = new Set(modules.flatMap((module) => module.kms));
  const tables = [
    ...[...kms].map((km) => [`km.${km.name}`, km] as const),
    ["server", server] as const,
    ["manager", manager] as const,
  ];
  return tables.flatMap(([name, table]) => {
    const { ca, crl, crl_fresh: crlFresh = false } = table ?? {};
    return ca === undefined || crl === undefined ? [] : [{ for: name, ca, crl, crlFresh }];
  });
}

/** Certificates, then revocation lists. @param wall ms since 1970 UTC */
export function describeCertificates(config: Config, wall: number): CertificateReport[] {
  const lists = listFiles(config).flatMap((files) => describeLists(files, wall));
  return [...describeFiles(certificateFiles(config), wall), ...lists];
}

function describeLists({ for: name, ca, crl }: ListFilesOf, wall: number): CertificateReport[] {
  const head = { for: name, role: "crl", file: crl } as const;
  try {
    const found = listsFacts(readFileSync(ca, "utf8"), readFileSync(crl, "utf8"), wall);
    const lists = found.lists.map(({ issuer, thisUpdate, nextUpdate, entries, problem }) => ({
      ...head,
      issuer,
      this_update: new Date(thisUpdate).toISOString(),
      ...(nextUpdate !== undefined && {
        next_update: new Date(nextUpdate).toISOString(),
        days: Math.floor((nextUpdate - wall) / day),
      }),
      entries,
      ...(problem !== undefined && { problem }),
    }));
    const missing = found.missing.map((issuer) => {
      return { ...head, issuer, problem: "there is no list of this CA" };
    });
    return [...lists, ...missing];
  } catch (error) {
    if (error instanceof CrlError) return [{ ...head, problem: error.message }];
    return [{ ...head, problem: `cannot be read: ${errorCode(error) ?? "unknown"}` }];
  }
}

function describeFiles(sets: readonly CertificateFiles[], wall: number): CertificateReport[] {
  return sets.flatMap(({ for: name, ca, cert, key }) => [
    ...(cert === undefined ? [] : [describeOne({ for: name, role: "own", file: cert }, key, wall)]),
    ...(ca === undefined
      ? []
      : [describeOne({ for: name, role: "ca", file: ca }, undefined, wall)]),
  ]);
}

function describeOne(
  head: Pick<CertificateReport, "for" | "role" | "file">,
  key: string | undefined,
  wall: number,
): CertificateReport {
  let certificate: X509Certificate;
  try {
    certificate = new X509Certificate(readFileSync(head.file));
  } catch (error) {
    const code = errorCode(error) ?? "";
    const problem = /^E[A-Z]+$/.test(code) ? `cannot be read: ${code}` : "holds no certificate";
    return { ...head, problem };
  }
  const { subject, issuer, subjectAltName, serialNumber, fingerprint256 } = certificate;
  const from = certificate.validFromDate.getTime();
  const to = certificate.validToDate.getTime();
  const matches = key === undefined ? undefined : keyMatches(certificate, key);
  const problem =
    wall > to
      ? "expired"
      : wall < from
        ? "not valid yet"
        : matches === false
          ? "the private key belongs to another certificate"
          : undefined;
  return {
    ...head,
    subject: oneLine(subject),
    issuer: oneLine(issuer),
    ...(subjectAltName !== undefined && { names: subjectAltName }),
    serial: serialNumber,
    fingerprint: fingerprint256,
    not_before: new Date(from).toISOString(),
    not_after: new Date(to).toISOString(),
    days: Math.floor((to - wall) / day),
    ...(matches !== undefined && { key_matches: matches }),
    ...(problem !== undefined && { problem }),
  };
}

function oneLine(name: string | undefined): string {
  return (name ?? "").replaceAll("\n", ", ");
}

/** @returns undefined if the key can't be read or used */
function keyMatches(certificate: X509Certificate, file: string): boolean | undefined {
  try {
    return certificate.checkPrivateKey(createPrivateKey(readFileSync(file)));
  } catch {
    return undefined;
  }
}
