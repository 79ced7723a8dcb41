/** The certificates and revocation lists that a configuration names. */
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
import type { CertificateTables } from "./tables.ts";

/** Every set of certificate files in a configuration, each once. */
export function certificateFiles({
  modules,
  server,
  web,
  manager,
}: CertificateTables): CertificateFiles[] {
  const servers = serverTables(modules);
  return certificateSets([...servers, ["server", server], pageTable(web), ["manager", manager]]);
}

/** What is renewed, and where. */
export function renewalTables(
  config: CertificateTables & {
    readonly est: EstConfig | undefined;
    readonly node: { readonly state_dir: string };
  },
): RenewalTables {
  return { est: config.est, stateDir: config.node.state_dir, sets: certificateFiles(config) };
}

/** Every file of revocation lists in a configuration, and whose CAs sign them. */
export function listFiles({
  modules,
  server,
  manager,
}: Omit<CertificateTables, "web">): ListFilesOf[] {
  return listSets([...serverTables(modules), ["server", server], ["manager", manager]]);
}

/** Key managers, each once, and what drivers show, by names such as `module.NAME.kme`. */
function serverTables(modules: CertificateTables["modules"]): NamedTable[] {
  const kms = new Set(modules.flatMap((module) => module.kms));
  const drivers = modules.flatMap(({ name, driver }) =>
    driver.certificates.map((files) => [`module.${name}.${files.for}`, files] as const),
  );
  return [...[...kms].map((km) => [`km.${km.name}`, km] as const), ...drivers];
}

/** Certificates, then revocation lists. @param wall ms since 1970 UTC */
export function describeCertificates(tables: CertificateTables, wall: number): CertificateReport[] {
  return reportCertificates(certificateFiles(tables), listFiles(tables), wall);
}
