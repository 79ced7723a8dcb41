/** Certificates and revocation lists of files: whose, from whom, until when. Keys are only compared. */
import type { X509Certificate } from "node:crypto";
import { errorCode } from "../../base/errors.ts";
import { readRegular, readRegularText } from "../disk/regular-file.ts";
import { chainFrom, ending, usableCas } from "./chain.ts";
import { CrlError } from "./crl.ts";
import { listsFacts } from "./lists.ts";
import { identityProblem, PemError, readCertificates } from "./pem.ts";

export interface CertificateFiles {
  /** What it is for: `km.NAME`, `server`, `web`, `manager`. */
  readonly for: string;
  readonly ca: string | undefined;
  readonly cert: string | undefined;
  readonly key: string | undefined;
}

export interface CertificateReport {
  readonly for: string;
  /** `own`: what is shown of oneself; `ca`: whom it trusts; `crl`: what those took back. */
  readonly role: "own" | "ca" | "crl";
  readonly file: string;
  /** Which certificate of a file that has several, from 1. */
  readonly place?: number;
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
  /**
   * Of a CA: whether its end matters. Those that one's own certificate is from, if the file has
   * them; else those that last longest.
   */
  readonly in_use?: boolean;
  /** Of a revocation list, with `next_update` and `entries`: certificates that it takes back. */
  readonly this_update?: string;
  readonly next_update?: string;
  readonly entries?: number;
  /** What is wrong with it, in a few words. */
  readonly problem?: string;
  /** What is remarkable, though nothing is wrong. */
  readonly note?: string;
}

const day = 86_400_000;

export interface ListFilesOf {
  /** What it is for: `km.NAME`, `server`, `manager`. */
  readonly for: string;
  readonly ca: string;
  readonly crl: string;
  /** A list that has run out refuses every peer. */
  readonly crlFresh: boolean;
}

/** Certificates, then revocation lists. @param wall ms since 1970 UTC */
export function reportCertificates(
  sets: readonly CertificateFiles[],
  lists: readonly ListFilesOf[],
  wall: number,
): CertificateReport[] {
  return [...describeFiles(sets, wall), ...lists.flatMap((files) => describeLists(files, wall))];
}

function describeLists({ for: name, ca, crl }: ListFilesOf, wall: number): CertificateReport[] {
  const head = { for: name, role: "crl", file: crl } as const;
  try {
    const found = listsFacts(readRegularText(ca), readRegularText(crl), wall);
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

type Head = Pick<CertificateReport, "for" | "role" | "file">;

function describeFiles(sets: readonly CertificateFiles[], wall: number): CertificateReport[] {
  return sets.flatMap(({ for: name, ca, cert, key }) => {
    const own = cert === undefined ? undefined : look({ for: name, role: "own", file: cert });
    const cas = ca === undefined ? undefined : look({ for: name, role: "ca", file: ca });
    return [
      ...(own === undefined ? [] : describeOwn(own, key, wall)),
      ...(cas === undefined ? [] : describeCas(cas, own?.certificates ?? [], wall)),
    ];
  });
}

interface Looked {
  readonly head: Head;
  readonly certificates: readonly X509Certificate[];
  /** Why there are none. */
  readonly problem?: string;
}

function look(head: Head): Looked {
  try {
    return { head, certificates: readCertificates(readRegular(head.file)) };
  } catch (error) {
    const problem =
      error instanceof PemError
        ? error.message
        : `cannot be read: ${errorCode(error) ?? "unknown"}`;
    return { head, certificates: [], problem };
  }
}

/** One's own certificate, and those that are shown with it. */
function describeOwn(
  { head, certificates, problem }: Looked,
  key: string | undefined,
  wall: number,
): CertificateReport[] {
  const [first, ...others] = certificates;
  if (first === undefined) return [{ ...head, problem: problem ?? "holds no certificate" }];
  const chain = chainFrom(first, others);
  const { matches, wrong } = checkKey(head.file, key);
  return certificates.map((one, i) => {
    const strange = !chain.includes(one);
    const dated = strange ? undefined : outOfDate(one, wall);
    const why = i === 0 ? (dated ?? wrong) : dated;
    return {
      ...describeOne(head, one, certificates.length > 1 ? i + 1 : undefined, wall),
      ...(i === 0 && matches !== undefined && { key_matches: matches }),
      ...(why !== undefined && { problem: why }),
      ...(strange && { note: "has no part in the chain of the first" }),
    };
  });
}

function describeCas(
  { head, certificates, problem }: Looked,
  own: readonly X509Certificate[],
  wall: number,
): CertificateReport[] {
  if (problem !== undefined) return [{ ...head, problem }];
  const usable = usableCas(certificates, wall);
  const [first, ...others] = own;
  const path = first === undefined ? [] : chainFrom(first, [...others, ...usable]);
  const onPath = usable.filter((ca) =>
    path.some((one) => one.fingerprint256 === ca.fingerprint256),
  );
  const inUse = onPath.length > 0 ? onPath : lastingCas(usable);
  return certificates.map((one, i) => {
    const why = outOfDate(one, wall) ?? "the CA above it is not there, or has run out";
    const useless = !usable.includes(one);
    return {
      ...describeOne(head, one, certificates.length > 1 ? i + 1 : undefined, wall),
      in_use: inUse.includes(one),
      // Others are good: what has run out beside them harms nothing.
      ...(useless && (usable.length === 0 ? { problem: why } : { note: why })),
    };
  });
}

/** Those under the self-signed CA that ends last: which of them the peer is under is not known. */
function lastingCas(usable: readonly X509Certificate[]): X509Certificate[] {
  const top = (one: X509Certificate) => chainFrom(one, usable).at(-1) ?? one;
  const last = usable.map(top).toSorted((a, b) => ending(b) - ending(a))[0];
  return usable.filter((one) => top(one) === last);
}

function describeOne(
  head: Head,
  certificate: X509Certificate,
  place: number | undefined,
  wall: number,
): CertificateReport {
  const { subject, issuer, subjectAltName, serialNumber, fingerprint256 } = certificate;
  const from = certificate.validFromDate.getTime();
  const to = certificate.validToDate.getTime();
  return {
    ...head,
    ...(place !== undefined && { place }),
    subject: oneLine(subject),
    issuer: oneLine(issuer),
    ...(subjectAltName !== undefined && { names: subjectAltName }),
    serial: serialNumber,
    fingerprint: fingerprint256,
    not_before: new Date(from).toISOString(),
    not_after: new Date(to).toISOString(),
    days: Math.floor((to - wall) / day),
  };
}

function outOfDate(one: X509Certificate, wall: number): string | undefined {
  if (wall > one.validToDate.getTime()) return "expired";
  return wall < one.validFromDate.getTime() ? "not valid yet" : undefined;
}

function oneLine(name: string | undefined): string {
  return (name ?? "").replaceAll("\n", ", ");
}

/** Whether the private key belongs to the first certificate; `wrong` says why it is of no use. */
function checkKey(
  cert: string,
  key: string | undefined,
): { readonly matches?: boolean; readonly wrong?: string } {
  if (key === undefined) return {};
  let files: readonly [Buffer, Buffer];
  try {
    files = [readRegular(cert), readRegular(key)];
  } catch {
    // Only the service may read the key: that is no fault of the key.
    return {};
  }
  const found = identityProblem(...files);
  if (found === undefined) return { matches: true };
  const { where, what } = found;
  const other = /^belongs to /.test(what);
  const wrong = where === "cert" ? what : `the private key ${what}`;
  return { ...(other && { matches: false }), wrong };
}
