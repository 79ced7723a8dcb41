/** The files that a configuration names: whether they can be read, and whether they are what they should be. */
import { statSync } from "node:fs";
import { dirname } from "node:path";
import { errorCode } from "../../base/errors.ts";
import { fileProblem, readIfThere as read } from "../../host/config/files.ts";
import { passwordProblem } from "../../host/config/password.ts";
import type { Problem } from "../../host/config/problems.ts";
import { credentialProblems } from "../../host/tls/files.ts";
import { listProblems } from "../../host/tls/list-problems.ts";
import { shortestPassword, shortestToken } from "../../ops/page/login.ts";

/** A table with names of files in it, and what messages call it. */
interface Named {
  readonly key: string;
  readonly table: FileTable;
}

interface FileTable {
  readonly ca?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  readonly crl?: string | undefined;
  readonly password_file?: string | undefined;
  readonly metrics_token_file?: string | undefined;
}

/** The part of a configuration that names files, resolved. */
export interface FileUse {
  readonly node: { readonly state_dir: string };
  readonly local: { readonly socket?: string | undefined };
  readonly modules: readonly {
    readonly name: string;
    readonly kms: readonly (FileTable & { readonly name: string })[];
    readonly spool?: { readonly key: string } | undefined;
  }[];
  readonly manager: FileTable | undefined;
  readonly server: FileTable | undefined;
  readonly web: FileTable & { readonly enabled: boolean };
}

const names = ["ca", "cert", "key", "password_file", "metrics_token_file", "crl"] as const;

function tablesOf({ modules, manager, server, web }: FileUse): Named[] {
  const kms = new Set(modules.flatMap((module) => module.kms));
  return [
    ...[...kms].map((km) => ({ key: `km.${km.name}`, table: km })),
    ...modules.flatMap(({ name, spool }) =>
      spool === undefined ? [] : [{ key: `module ${name}: spool`, table: { key: spool.key } }],
    ),
    ...(manager === undefined ? [] : [{ key: "manager", table: manager }]),
    ...(server === undefined ? [] : [{ key: "server", table: server }]),
    ...(web.enabled ? [{ key: "web", table: web }] : []),
  ];
}

/**
 * What keeps a node from starting: files that cannot be read, secrets that others may read, passwords
 * and revocation lists of no use.
 */
export function fileProblems(config: FileUse): Problem[] {
  const problems: Problem[] = [];
  for (const { key, table } of tablesOf(config)) {
    for (const name of names) {
      const path = table[name];
      if (path === undefined) continue;
      const why = fileProblem(path, name === "key" || name.endsWith("_file"));
      if (why !== undefined) problems.push({ key: `${key}.${name}`, what: why });
    }
    const { ca, crl } = table;
    if (ca !== undefined && crl !== undefined) {
      for (const what of listProblems(ca, crl)) {
        problems.push({ key: `${key}.crl`, what: `${crl} ${what}` });
      }
    }
    const least = key === "web" ? shortestPassword : 1;
    const secrets = [
      ["password_file", least, "password"],
      ["metrics_token_file", shortestToken, "token"],
    ] as const;
    for (const [name, shortest, what] of secrets) {
      const path = table[name];
      if (path === undefined) continue;
      const why = read(path, (bytes) => passwordProblem(bytes, shortest, what));
      if (why !== undefined) problems.push({ key: `${key}.${name}`, what: why });
    }
  }
  return problems;
}

/**
 * What keeps it from working, though it may be mended while it runs: certificates and keys of no use, or
 * out of date. Files that cannot be read are left to {@link fileProblems}.
 * @param wall ms since 1970 UTC
 */
export function contentProblems(config: FileUse, wall: number): Problem[] {
  const problems: Problem[] = [];
  for (const { key, table } of tablesOf(config)) {
    for (const { name, what } of credentialProblems(table, wall)) {
      problems.push({ key: `${key}.${name}`, what });
    }
  }
  for (const { name, spool } of config.modules) {
    const bytes = spool && read(spool.key, ({ length }) => length);
    if (spool === undefined || bytes === undefined || bytes === 32) continue;
    const what = `${spool.key} has ${bytes} bytes, and must have 32`;
    problems.push({ key: `module ${name}: spool.key`, what });
  }
  return [...problems, ...folderProblems(config)];
}

/** Folders that sockets are to be made in; those below /run are made when the service starts. */
function folderProblems({ node, local }: FileUse): Problem[] {
  const problems: Problem[] = [];
  const complain = (key: string, folder: string, why: string | undefined) => {
    if (why !== undefined) problems.push({ key, what: `${folder} ${why}` });
  };
  const { state_dir: state } = node;
  const folder = dirname(local.socket ?? "/run/");
  // Of the state's folder it is the node that makes it.
  if (folder !== state && !`${folder}/`.startsWith("/run/")) {
    complain("local.socket", folder, noFolder(folder));
  }
  const why = noFolder(state);
  complain("node.state_dir", state, why === notThere ? undefined : why);
  return problems;
}

const notThere = "is not there";

function noFolder(path: string): string | undefined {
  try {
    return statSync(path).isDirectory() ? undefined : "is no folder";
  } catch (error) {
    const code = errorCode(error);
    if (code === "EACCES") return undefined;
    return code === "ENOTDIR" ? "is below a file, which is no folder" : notThere;
  }
}
