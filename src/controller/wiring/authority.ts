/** The authority that certifies who is registered: its certificate and key, from the files of the configuration. */
import { Fault } from "../../base/errors.ts";
import { readNamed } from "../../host/config/named-file.ts";
import {
  type Issuer,
  isCertifiable,
  issueCertificate,
  issueList,
  issuerProblem,
} from "../../host/tls/issue.ts";
import { PemError, readCertificates, readPrivateKey } from "../../host/tls/pem.ts";
import { parseRequest, RequestError } from "../../host/tls/request.ts";
import type { Authority } from "../access/issuing.ts";
import type { AuthorityTable } from "../config/tables.ts";

/** The names that it signs with do not change while the controller runs. @throws Fault `config.file` */
export function openAuthority(table: AuthorityTable | undefined): Authority | undefined {
  if (table === undefined) return undefined;
  const { cert, key } = table;
  const issuer = { certificate: certificateOf(cert), key: keyOf(key) };
  const why = issuerProblem(issuer);
  if (why !== undefined) throw unusable(cert, why);
  return authorityOf(issuer, table);
}

/** @param times how long what it signs is good, ms */
export function authorityOf(
  issuer: Issuer,
  { life, list_life }: Pick<AuthorityTable, "life" | "list_life">,
): Authority {
  const { subject, validToDate } = issuer.certificate;
  return {
    name: subject.replaceAll("\n", ", "),
    until: validToDate.getTime(),
    lifeMs: life,
    listMs: list_life,
    request: (pem) => {
      try {
        return parseRequest(pem).publicKey;
      } catch (error) {
        if (!(error instanceof RequestError)) throw error;
        throw new Fault("config.value", `the request ${error.message}`);
      }
    },
    isName: isCertifiable,
    certificate: (issue) => issueCertificate(issuer, issue),
    list: (list) => issueList(issuer, list),
  };
}

function certificateOf(file: string) {
  return usable(file, () => {
    const [first] = readCertificates(
      readNamed(file, "config.file", "certificate file cannot be read"),
    );
    if (first === undefined) throw new PemError("holds no certificate");
    return first;
  });
}

function keyOf(file: string) {
  return usable(file, () => {
    const bytes = readNamed(file, "config.file", "the authority's key cannot be read");
    try {
      return readPrivateKey(bytes);
    } finally {
      bytes.fill(0);
    }
  });
}

function usable<T>(file: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof PemError) throw unusable(file, error.message);
    throw error;
  }
}

function unusable(file: string, why: string): Fault {
  return new Fault("config.file", `the authority cannot be used: its file ${why}`, { file });
}
