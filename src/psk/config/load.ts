/** Reads, checks and resolves a rotation's configuration file. All that is wrong with it is said at once. */
import { resolve } from "node:path";
import * as v from "valibot";
import { fileProblem, whyNot } from "../../host/config/files.ts";
import { configError, explain, keyPath, type Problem } from "../../host/config/problems.ts";
import { parseToml, readConfigText, resolveFiles } from "../../host/config/read.ts";
import { logSchema } from "../../host/config/values.ts";
import { credentialProblems } from "../../host/tls/files.ts";
import { listProblems } from "../../host/tls/list-problems.ts";
import {
  commandSchema,
  configSchema,
  kmSchema,
  listenSchema,
  peerSchema,
  type RawConfig,
  strongswanSchema,
  wireguardSchema,
} from "./schema.ts";

/** A configuration that was checked. Times are in ms. */
export interface PskConfig extends RawConfig {
  readonly file: string;
}

const tables: Readonly<Record<string, { readonly entries: object }>> = {
  "": configSchema,
  km: kmSchema,
  peer: peerSchema,
  listen: listenSchema,
  wireguard: wireguardSchema,
  strongswan: strongswanSchema,
  command: commandSchema,
  log: logSchema,
};

const files = ["ca", "cert", "key", "crl"] as const;

/** Checks the text of a configuration file; reads no other file. @throws ConfigError */
export function parsePskConfig(text: string, file: string): PskConfig {
  const problems: Problem[] = [];
  const complain = (key: string, what: string) => problems.push({ key, what });
  const entriesAt = (path: readonly (string | number)[]) =>
    Object.keys(tables[path.join(".")]?.entries ?? {});
  const result = v.safeParse(configSchema, parseToml(text, file));
  for (const issue of result.issues ?? []) complain(keyPath(issue), explain(issue, entriesAt));
  if (!result.success) throw configError(file, text, problems);
  const raw = result.output;
  checkTogether(raw, complain);
  if (problems.length > 0) throw configError(file, text, problems);
  const { km, peer } = raw;
  return {
    ...raw,
    file,
    km: resolveFiles(km, files, file),
    peer: resolveFiles(peer, files, file),
  };
}

function checkTogether(raw: RawConfig, complain: (key: string, what: string) => void): void {
  const { role, peer, listen, wireguard, strongswan, command, key_bits } = raw;
  const kinds = [wireguard, strongswan, command].filter((one) => one !== undefined);
  if (kinds.length !== 1) {
    complain("wireguard", "expected one of [wireguard], [strongswan] and [command]");
  }
  if (wireguard !== undefined && key_bits !== 256) {
    complain("key_bits", "WireGuard's pre-shared keys have 256 bits");
  }
  if (role === "master") {
    if (peer.host === undefined || peer.port === undefined) {
      complain("peer.host", "host and port are needed: the master dials");
    }
    if (listen !== undefined) complain("listen", "is the slave's: the master dials");
    return;
  }
  if (listen === undefined) complain("listen", "missing: the slave is dialled");
  if (peer.host !== undefined || peer.port !== undefined) {
    complain("peer.host", "is the master's: the slave is dialled");
  }
}

/** Reads and checks a configuration file, and that the files it names can be read. @throws ConfigError */
export function loadPskConfig(file: string): PskConfig {
  return load(file, () => []);
}

/**
 * The same, and looks into the files: certificates and keys that are none, do not belong together, or are out of date;
 * lists of no use. A start does not mind those: they may be replaced while it runs.
 * @param wall ms since 1970 UTC
 * @throws ConfigError
 */
export function checkPskConfig(file: string, wall: number): PskConfig {
  return load(file, (config) => contentProblems(config, wall));
}

function load(file: string, look: (config: PskConfig) => Problem[]): PskConfig {
  const text = readConfigText(file, whyNot);
  const config = parsePskConfig(text, resolve(file));
  const problems: Problem[] = [];
  for (const [name, table] of tlsTables(config)) {
    for (const one of files) {
      const path = table[one];
      const what = path && fileProblem(path, one === "key");
      if (what) problems.push({ key: `${name}.${one}`, what });
    }
  }
  problems.push(...look(config));
  if (problems.length > 0) throw configError(file, text, problems);
  return config;
}

type TlsTable = { readonly [file in (typeof files)[number]]?: string | undefined };

function tlsTables({ km, peer }: PskConfig): readonly (readonly [name: string, TlsTable])[] {
  return [
    ["km", km],
    ["peer", peer],
  ];
}

function contentProblems(config: PskConfig, wall: number): Problem[] {
  return tlsTables(config).flatMap(([name, table]) => {
    // Who signs the lists of the other end's CAs may stand with the KM's.
    const { ca = config.km.ca, crl } = table;
    const lists = crl === undefined ? [] : listProblems(ca, crl);
    return [
      ...credentialProblems(table, wall).map((one) => ({ ...one, key: `${name}.${one.name}` })),
      ...lists.map((what) => ({ key: `${name}.crl`, what: `${crl} ${what}` })),
    ];
  });
}
