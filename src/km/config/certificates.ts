/** The certificates and revocation lists that a key manager's configuration names. */
import {
  type CertificateFiles,
  type CertificateReport,
  type ListFilesOf,
  reportCertificates,
} from "../../host/tls/report.ts";
import type { CertificateTables as Tables } from "./tables.ts";

function tables({ kq1, kx, etsi014, manager }: Tables) {
  return Object.entries({ kq1, kx, etsi014, manager });
}

/** Every set of certificate files. */
export function certificateFiles(config: Tables): CertificateFiles[] {
  const own = tables(config).flatMap(([name, { ca, cert, key } = {}]) => {
    return ca === undefined && cert === undefined ? [] : [{ for: name, ca, cert, key }];
  });
  const { web } = config;
  if (web?.enabled !== true || web.cert === undefined) return own;
  return [...own, { for: "web", ca: undefined, cert: web.cert, key: web.key }];
}

/** Every file of revocation lists, and whose CAs sign them. */
export function listFiles(config: Tables): ListFilesOf[] {
  return tables(config).flatMap(([name, { ca, crl } = {}]) =>
    ca === undefined || crl === undefined ? [] : [{ for: name, ca, crl, crlFresh: false }],
  );
}

/** Certificates, then revocation lists. @param wall ms since 1970 UTC */
export function describeCertificates(config: Tables, wall: number): CertificateReport[] {
  return reportCertificates(certificateFiles(config), listFiles(config), wall);
}
