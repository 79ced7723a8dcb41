/** Are the certificates and revocation lists good, and for how long? */

import { counted } from "../../base/words.ts";
import {
  type CertificateFiles,
  type CertificateReport,
  type ListFilesOf,
  reportCertificates,
} from "../../host/tls/report.ts";
import { isCredential } from "./configuration.ts";
import { type Finding, fail, ok, skip, warn } from "./finding.ts";

/** What a daemon's configuration says of certificates. */
export interface CertificateSubject {
  readonly sets: readonly CertificateFiles[];
  readonly lists: readonly ListFilesOf[];
  /** Days that are to be left of a certificate. */
  readonly days: number;
  /** The part of its life that is to be left of a revocation list. */
  readonly crlLeft: number;
}

/** @param wall ms since 1970 UTC */
export function checkCertificates(
  { sets, lists: files, days, crlLeft }: CertificateSubject,
  wall: number,
): Finding[] {
  const reports = reportCertificates(sets, files, wall);
  const lists = reports.filter(({ role }) => role === "crl");
  // Certificates of one file are one thing to a person.
  const groups = Map.groupBy(
    reports.filter(({ role }) => role !== "crl"),
    ({ for: object, role }) => `${object} ${role}`,
  );
  return [
    ...[...groups.values()].map((group) => checkFile(group, days)),
    ...lists.map((one) => checkList(one, files, crlLeft)),
  ];
}

const advices: readonly (readonly [RegExp, string])[] = [
  [/^expired/, "install a renewed one in its place; it is taken within a minute"],
  [/^not valid yet/, "check the clock of this machine first, then who issued it"],
  [/belongs to another/, "install certificate and key that were made together"],
  [/must be the first/, "put the own certificate first, then its CA's, and so on"],
  [/passphrase/, "take it off; the file is for the daemon alone, and systemd-creds seals it"],
];

function checkFile(group: readonly CertificateReport[], certificateDays: number): Finding {
  const [head] = group as [CertificateReport];
  const kind = head.role === "own" ? "certificate" : "CA";
  const name = [`cert.${head.for}.${head.role}`, `${kind} of ${head.for}`] as const;
  const wrong = group.find(({ problem }) => problem !== undefined);
  if (wrong?.problem !== undefined) {
    const { problem } = wrong;
    if (isCredential(head.file) && problem.startsWith("cannot be read")) {
      return skip(name, `${head.file} is a credential that only the service sees`);
    }
    const advice = advices.find(([pattern]) => pattern.test(problem))?.[1];
    const detail = `${which(wrong, group)}: ${problem}${when(wrong)}`;
    return fail(name, detail, advice ?? "install it again, as PEM, readable for the daemon");
  }
  const one = endsFirst(group);
  const { days = 0, not_after = "" } = one;
  const over = group.filter(({ note = "" }) => /^expired/.test(note)).length;
  const beside =
    over === 0 ? "" : `; ${over} of ${group.length} CAs in the file ${has(over)} expired`;
  if (days <= certificateDays) {
    const advice = "have it renewed; put the new one in its place, and it is taken";
    const detail = `${which(one, group)}: ${counted(days, "day")} left, until ${not_after.slice(0, 10)}`;
    return warn(name, detail + beside, advice);
  }
  return ok(name, `${one.subject ?? ""}, until ${not_after.slice(0, 10)}${beside}`);
}

const has = (n: number) => (n === 1 ? "has" : "have");

/** The certificate whose end matters: of a chain the first to end, of CAs the first of those in use. */
function endsFirst(group: readonly CertificateReport[]): CertificateReport {
  const counting = group.filter(({ note, in_use }) => note === undefined && in_use !== false);
  const byDays = counting.toSorted((a, b) => (a.days ?? 0) - (b.days ?? 0));
  return byDays[0] ?? (group[0] as CertificateReport);
}

/** The file, and which certificate of it if it has several. */
function which({ file, subject, place }: CertificateReport, group: readonly unknown[]): string {
  return place === undefined || group.length === 1 ? file : `${file}: ${subject}`;
}

function when({ problem, not_after = "", not_before = "" }: CertificateReport): string {
  if (problem === "expired") return ` on ${not_after.slice(0, 10)}`;
  return problem === "not valid yet" ? `, only from ${not_before.slice(0, 10)}` : "";
}

const copy = "copy the CA's newest list into its place; it is taken within a minute";

function checkList(
  one: CertificateReport,
  files: readonly ListFilesOf[],
  crlLeft: number,
): Finding {
  const name = [`cert.${one.for}.crl`, `revocation list of ${one.for}`] as const;
  const { file, problem, issuer = "", this_update = "", next_update, entries = 0 } = one;
  if (isCredential(file) && problem?.startsWith("cannot be read") === true) {
    return skip(name, `${file} is a credential that only the service sees`);
  }
  const whose = issuer === "" ? file : `${file}: ${issuer}`;
  if (problem === "has run out" && next_update !== undefined) {
    const fresh = files.find(({ for: object }) => object === one.for)?.crlFresh === true;
    const detail = `${whose}: ${problem} on ${next_update.slice(0, 10)}`;
    return fresh
      ? fail(name, `${detail}, and crl_fresh asks for one that has not`, copy)
      : warn(name, `${detail}; who is on it stays out`, copy);
  }
  if (problem !== undefined) {
    const stranger = problem.includes("not signed") || problem.includes("no list");
    const advice = stranger ? "the lists must be those of the CAs in ca, one of each" : copy;
    return fail(name, `${whose}: ${problem}`, advice);
  }
  const until = next_update === undefined ? "" : `, until ${next_update.slice(0, 10)}`;
  const { days = Number.POSITIVE_INFINITY } = one;
  const life = (Date.parse(next_update ?? "") - Date.parse(this_update)) / 86_400_000;
  if (days < life * crlLeft) {
    return warn(name, `${whose}: ${counted(days, "day")} left${until}`, copy);
  }
  return ok(name, `${issuer}, ${entries} taken back${until}`);
}
