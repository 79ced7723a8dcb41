/** The certificates and revocation lists that a configuration names. */
import {
  type CertificateFiles,
  type CertificateReport,
  type ListFilesOf,
  reportCertificates,
} from "../../host/tls/report.ts";
import type { CertificateTables } from "./tables.ts";

/** Every set of certificate files in a configuration, each once. */
export function certificateFiles({
  modules,
  server,
  web,
  manager,
}: CertificateTables): CertificateFiles[] {
  const kms = new Set(modules.flatMap((module) => module.kms));
  const of = (name: string, { ca, cert, key }: Omit<CertificateFiles, "for">) => ({
    for: name,
    ca,
    cert,
    key,
  });
  return [
    ...[...kms].map((km) => of(`km.${km.name}`, km as Omit<CertificateFiles, "for">)),
    ...driverTables(modules).map(([name, files]) => of(name, files)),
    ...(server === undefined ? [] : [of("server", server)]),
    ...(web.enabled ? [{ for: "web", ca: undefined, cert: web.cert, key: web.key }] : []),
    ...(manager === undefined ? [] : [of("manager", manager as Omit<CertificateFiles, "for">)]),
  ].filter(({ ca, cert }) => ca !== undefined || cert !== undefined);
}

/** Every file of revocation lists in a configuration, and whose CAs sign them. */
export function listFiles({
  modules,
  server,
  manager,
}: Omit<CertificateTables, "web">): ListFilesOf[] {
  const kms = new Set(modules.flatMap((module) => module.kms));
  const tables = [
    ...[...kms].map((km) => [`km.${km.name}`, km] as const),
    ...driverTables(modules),
    ["server", server] as const,
    ["manager", manager] as const,
  ];
  return tables.flatMap(([name, table]) => {
    const { ca, crl, crl_fresh: crlFresh = false } = table ?? {};
    return ca === undefined || crl === undefined ? [] : [{ for: name, ca, crl, crlFresh }];
  });
}

/** What drivers show, by names such as `module.NAME.kme`. */
function driverTables(modules: CertificateTables["modules"]) {
  return modules.flatMap(({ name, driver }) =>
    driver.certificates.map((files) => {
      return [`module.${name}.${files.for}`, { ...files, crl_fresh: false }] as const;
    }),
  );
}

/** Certificates, then revocation lists. @param wall ms since 1970 UTC */
export function describeCertificates(tables: CertificateTables, wall: number): CertificateReport[] {
  return reportCertificates(certificateFiles(tables), listFiles(tables), wall);
}
