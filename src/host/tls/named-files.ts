/** Which files of a configuration are certificates and revocation lists: by the tables that name them. Pure. */
import type { CertificateFiles, ListFilesOf } from "./report.ts";

/** What such a table has, beside what is of no matter here. */
interface TlsTable {
  readonly ca?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  readonly crl?: string | undefined;
  readonly crl_fresh?: boolean | undefined;
}

/** A table by its name, such as `km.NAME`; undefined: the configuration has none. */
export type NamedTable = readonly [name: string, table: TlsTable | undefined];

/** The page shows a certificate; there is none that it trusts. */
export function pageTable(
  web:
    | {
        readonly enabled: boolean;
        readonly cert?: string | undefined;
        readonly key?: string | undefined;
      }
    | undefined,
): NamedTable {
  return ["web", web?.enabled ? { cert: web.cert, key: web.key } : undefined];
}

/** Every set of certificate files. */
export function certificateSets(tables: readonly NamedTable[]): CertificateFiles[] {
  return tables.flatMap(([name, { ca, cert, key } = {}]) =>
    ca === undefined && cert === undefined ? [] : [{ for: name, ca, cert, key }],
  );
}

/** Every file of revocation lists, and whose CAs sign them. */
export function listSets(tables: readonly NamedTable[]): ListFilesOf[] {
  return tables.flatMap(([name, { ca, crl, crl_fresh: crlFresh = false } = {}]) =>
    ca === undefined || crl === undefined ? [] : [{ for: name, ca, crl, crlFresh }],
  );
}
