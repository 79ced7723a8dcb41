/** The files that a daemon's configuration names: what keeps it from starting, and what is wrong inside of them. */
import { fileProblem, readIfThere } from "../../host/config/files.ts";
import { passwordProblem } from "../../host/config/password.ts";
import type { Problem } from "../../host/config/problems.ts";
import { credentialProblems } from "../../host/tls/files.ts";
import { listProblems } from "../../host/tls/list-problems.ts";
import { webFiles } from "../page/config.ts";
import { shortestPassword, shortestToken } from "../page/login.ts";

interface TlsTable {
  readonly ca?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  readonly crl?: string | undefined;
}

/** The tables of a configuration that name such files. */
export interface FileTables {
  /** By the name of the table. */
  readonly tls: readonly { readonly name: string; readonly table: TlsTable }[];
  readonly manager?: { readonly password_file?: string | undefined } | undefined;
  readonly web?:
    | ({ readonly enabled: boolean } & {
        readonly [file in (typeof webFiles)[number]]?: string | undefined;
      })
    | undefined;
}

/** Names of files in a table of certificates. */
export const tlsFiles = ["ca", "cert", "key", "crl"] as const;

/** Files that can't be read, secrets that others may read, lists of no use. */
export function namedFileProblems({ tls, manager, web }: FileTables): Problem[] {
  const problems: Problem[] = [];
  const look = (key: string, path: string | undefined, isSecret: boolean) => {
    const what = path && fileProblem(path, isSecret);
    if (what) problems.push({ key, what });
  };
  for (const { name, table } of tls) {
    for (const file of tlsFiles) look(`${name}.${file}`, table[file], file === "key");
    const { ca, crl } = table;
    if (ca === undefined || crl === undefined) continue;
    for (const what of listProblems(ca, crl)) {
      problems.push({ key: `${name}.crl`, what: `${crl} ${what}` });
    }
  }
  const password = manager?.password_file;
  look("manager.password_file", password, true);
  const what = password && readIfThere(password, (bytes) => passwordProblem(bytes, 1, "password"));
  if (what) problems.push({ key: "manager.password_file", what });
  return [...problems, ...pageProblems(web)];
}

/** Of the page's certificate, password and token. */
function pageProblems(web: FileTables["web"]): Problem[] {
  const problems: Problem[] = [];
  const complain = (file: string, what: string) => problems.push({ key: `web.${file}`, what });
  if (web?.enabled !== true) return problems;
  for (const file of webFiles) {
    const path = web[file];
    const what = path && fileProblem(path, file !== "cert");
    if (what) complain(file, what);
  }
  const secrets = [
    ["password_file", shortestPassword, "password"],
    ["metrics_token_file", shortestToken, "token"],
  ] as const;
  for (const [file, shortest, what] of secrets) {
    const path = web[file];
    const why = path && readIfThere(path, (bytes) => passwordProblem(bytes, shortest, what));
    if (why) complain(file, why);
  }
  return problems;
}

/** Certificates that have run out, or do not belong to their keys. @param wall ms since 1970 UTC */
export function certificateProblems({ tls, web }: FileTables, wall: number): Problem[] {
  const { cert, key, enabled = false } = web ?? {};
  const tables = [...tls, ...(enabled ? [{ name: "web", table: { cert, key } }] : [])];
  return tables.flatMap(({ name, table }) =>
    credentialProblems(table, wall).map(({ name: file, what }) => {
      return { key: `${name}.${file}`, what };
    }),
  );
}
