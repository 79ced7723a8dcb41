/** Certificates and keys in files, before a daemon shows them or goes by them: what is wrong with them. */
import { readIfThere as read } from "../config/files.ts";
import { usableCas, validityOf } from "./chain.ts";
import { identityProblem, PemError, readCertificates } from "./pem.ts";

export interface CredentialProblem {
  readonly name: "ca" | "cert" | "key";
  /** Names the file. */
  readonly what: string;
}

/**
 * Certificates and keys that are none, do not belong together, or are out of date. A file that cannot be
 * read is not judged.
 * @param wall ms since 1970 UTC
 */
export function credentialProblems(
  files: {
    readonly ca?: string | undefined;
    readonly cert?: string | undefined;
    readonly key?: string | undefined;
  },
  wall: number,
): CredentialProblem[] {
  const problems: CredentialProblem[] = [];
  const complain = (name: CredentialProblem["name"], path: string, what: string) =>
    problems.push({ name, what: `${path} ${what}` });
  const { ca, cert, key } = files;
  if (ca !== undefined) {
    const why = read(ca, (bytes) => caProblem(bytes, wall));
    if (why !== undefined) complain("ca", ca, why);
  }
  if (cert === undefined || key === undefined) return problems;
  const wrong = read(cert, (certificate) =>
    read(key, (bytes) => identityProblem(certificate, bytes)),
  );
  if (wrong !== undefined) complain(wrong.where, wrong.where === "cert" ? cert : key, wrong.what);
  else {
    const why = read(cert, (bytes) => dateProblem(bytes, wall));
    if (why !== undefined) complain("cert", cert, why);
  }
  return problems;
}

function caProblem(bytes: Buffer, wall: number): string | undefined {
  try {
    const cas = readCertificates(bytes);
    if (usableCas(cas, wall).length > 0) return undefined;
    return cas.length === 1
      ? (dated(cas, wall) ?? notSelf)
      : `holds no CA that is good now: ${notSelf}`;
  } catch (error) {
    if (error instanceof PemError) return error.message;
    throw error;
  }
}

const notSelf = "a self-signed CA that has not run out is needed";

function dateProblem(bytes: Buffer, wall: number): string | undefined {
  return dated(readCertificates(bytes).slice(0, 1), wall);
}

function dated(certificates: Parameters<typeof validityOf>[0], wall: number): string | undefined {
  const { from, to } = validityOf(certificates);
  const day = (time: number) => new Date(time).toISOString().slice(0, 10);
  if (wall > to) return `expired on ${day(to)}`;
  return wall < from
    ? `is not valid before ${day(from)}: see the clock of this machine`
    : undefined;
}
