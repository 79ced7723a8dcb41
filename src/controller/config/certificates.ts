/** The certificates and revocation lists that a controller's configuration names. */
import { certificateSets, listSets, pageTable } from "../../host/tls/named-files.ts";
import {
  type CertificateFiles,
  type CertificateReport,
  type ListFilesOf,
  reportCertificates,
} from "../../host/tls/report.ts";
import type { EstConfig } from "../../ops/renewal/config.ts";
import type { RenewalTables } from "../../ops/renewal/open.ts";
import type { CertificateTables } from "./tables.ts";

/** Every set of certificate files. */
export function certificateFiles({
  ck,
  manager,
  web,
  access,
}: CertificateTables): CertificateFiles[] {
  const own = access.ca && { cert: access.ca.cert, key: access.ca.key };
  return certificateSets([["ck", ck], ["manager", manager], ["access.ca", own], pageTable(web)]);
}

/** What is renewed, and where. */
export function renewalTables(
  config: CertificateTables & {
    readonly est?: EstConfig | undefined;
    readonly controller: { readonly state_dir: string };
  },
): RenewalTables {
  return { est: config.est, stateDir: config.controller.state_dir, sets: certificateFiles(config) };
}

/** Every file of revocation lists, and whose CAs sign them. */
export function listFiles({ ck, manager }: CertificateTables): ListFilesOf[] {
  return listSets(Object.entries({ ck, manager }));
}

/** Certificates, then revocation lists. @param wall ms since 1970 UTC */
export function describeCertificates(config: CertificateTables, wall: number): CertificateReport[] {
  return reportCertificates(certificateFiles(config), listFiles(config), wall);
}
