/** The certificates and revocation lists that a key manager's configuration names. */
import {
  certificateSets,
  listSets,
  type NamedTable,
  pageTable,
} from "../../host/tls/named-files.ts";
import {
  type CertificateFiles,
  type CertificateReport,
  type ListFilesOf,
  reportCertificates,
} from "../../host/tls/report.ts";
import type { EstConfig } from "../../ops/renewal/config.ts";
import type { RenewalTables } from "../../ops/renewal/open.ts";
import type { CertificateTables as Tables } from "./tables.ts";

/** Tables with files for TLS, but the page's. */
export function tlsTables({ kq1, kx, ck, etsi014, manager, controllers = [] }: Tables) {
  // Those of a controller without files of its own are [kx]'s.
  const own = controllers.filter(({ isOwn }) => isOwn);
  const named = own.map((one) => [`controller.${one.name}`, one] as const);
  return [...Object.entries({ kq1, kx, ck, etsi014, manager }), ...named] satisfies NamedTable[];
}

/** Every set of certificate files. */
export function certificateFiles(config: Tables): CertificateFiles[] {
  return certificateSets([...tlsTables(config), pageTable(config.web)]);
}

/** What is renewed, and where. */
export function renewalTables(
  config: Tables & {
    readonly est?: EstConfig | undefined;
    readonly km: { readonly state_dir: string };
  },
): RenewalTables {
  return { est: config.est, stateDir: config.km.state_dir, sets: certificateFiles(config) };
}

/** Every file of revocation lists, and whose CAs sign them. */
export function listFiles(config: Tables): ListFilesOf[] {
  return listSets(tlsTables(config));
}

/** Certificates, then revocation lists. @param wall ms since 1970 UTC */
export function describeCertificates(config: Tables, wall: number): CertificateReport[] {
  return reportCertificates(certificateFiles(config), listFiles(config), wall);
}
