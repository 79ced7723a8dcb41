/** Reads, checks and resolves a rotation's configuration file. All that is wrong with it is said at once. */
import { resolve } from "node:path";
import * as v from "valibot";
import { fileProblem, whyNot } from "../../host/config/files.ts";
import { configError, explain, keyPath, type Problem } from "../../host/config/problems.ts";
import { parseToml, readConfigText, resolveFiles } from "../../host/config/read.ts";
import { logSchema } from "../../host/config/values.ts";
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
  const text = readConfigText(file, whyNot);
  const config = parsePskConfig(text, resolve(file));
  const problems: Problem[] = [];
  for (const [name, table] of [
    ["km", config.km],
    ["peer", config.peer],
  ] as const) {
    for (const one of files) {
      const path = (table as Partial<Record<typeof one, string>>)[one];
      const what = path && fileProblem(path, one === "key");
      if (what) problems.push({ key: `${name}.${one}`, what });
    }
  }
  if (problems.length > 0) throw configError(file, text, problems);
  return config;
}
