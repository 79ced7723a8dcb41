/** Reads, checks and resolves a key manager's configuration file. All that is wrong with it is said at once. */
import { resolve } from "node:path";
import * as v from "valibot";
import { didYouMean } from "../../base/words.ts";
import { fileProblem, readIfThere, whyNot } from "../../host/config/files.ts";
import { passwordProblem } from "../../host/config/password.ts";
import {
  configError,
  explain,
  keyPath,
  type Problem,
  reservedNames,
} from "../../host/config/problems.ts";
import { parseToml, readConfigText, resolveFiles } from "../../host/config/read.ts";
import { logSchema } from "../../host/config/values.ts";
import { credentialProblems } from "../../host/tls/files.ts";
import { listProblems } from "../../host/tls/list-problems.ts";
import { localSchema } from "../../ops/local/schema.ts";
import { checkWeb, webFiles } from "../../ops/page/config.ts";
import { shortestPassword, shortestToken } from "../../ops/page/login.ts";
import type { Application } from "../applications/table.ts";
import { applicationsOf, checkApplications } from "./applications.ts";
import {
  configSchema,
  etsi014Schema,
  kmSchema,
  kq1Schema,
  kxSchema,
  linkSchema,
  moduleSchema,
  type RawConfig,
  recordsSchema,
  requestSchema,
  saeSchema,
  storeSchema,
  webSchema,
} from "./schema.ts";

export type ModuleConfig = RawConfig["module"][string] & { readonly name: string };
export type LinkConfig = RawConfig["link"][string] & { readonly name: string };

/** A configuration that was checked. Times are in ms. */
export interface KmConfig extends Omit<RawConfig, "module" | "link" | "sae"> {
  readonly file: string;
  readonly applications: readonly Application[];
  readonly modules: readonly ModuleConfig[];
  readonly links: readonly LinkConfig[];
}

const tables: Readonly<Record<string, { readonly entries: object }>> = {
  "": configSchema,
  km: kmSchema,
  store: storeSchema,
  records: recordsSchema,
  kq1: kq1Schema,
  kx: kxSchema,
  module: moduleSchema,
  "module.request": requestSchema,
  link: linkSchema,
  etsi014: etsi014Schema,
  sae: saeSchema,
  web: webSchema,
  log: logSchema,
  local: localSchema,
};

/** Every key that the file may have, wherever. */
export const shownKeys: readonly string[] = Object.values(tables).flatMap(({ entries }) =>
  Object.keys(entries),
);

/** Keys allowed at a place in the file; names of modules and links are the operator's. */
function entriesAt(path: readonly (string | number)[]): readonly string[] {
  const [table = "", , ...more] = path;
  const place = [table, ...more].join(".");
  return Object.keys(tables[place]?.entries ?? {});
}

/** Bytes; the store derives its own keys of them. */
const leastMasterKey = 32;

const files = ["ca", "cert", "key", "crl"] as const;

/** Checks the text of a configuration file; reads no other file. @throws ConfigError */
export function parseKmConfig(text: string, file: string): KmConfig {
  const table = parseToml(text, file) as Record<string, unknown>;
  const problems: Problem[] = [];
  const complain = (key: string, what: string) => problems.push({ key, what });
  for (const kind of ["module", "link", "sae"]) {
    for (const name of reservedNames(table[kind])) {
      complain(`${kind}.${name}`, "expected another name: this one has a meaning in JavaScript");
    }
  }
  const result = v.safeParse(configSchema, table);
  for (const issue of result.issues ?? []) complain(keyPath(issue), explain(issue, entriesAt));
  if (!result.success || problems.length > 0) throw configError(file, text, problems);
  const { module, link, sae, ...raw } = result.output;
  const modules = Object.entries(module).map(([name, one]) => ({ ...one, name }));
  const links = Object.entries(link).map(([name, one]) => ({ ...one, name }));
  checkTogether(raw, modules, links, complain);
  const applications = applicationsOf(sae, raw.km.id);
  checkApplications(raw, applications, links, complain);
  if (raw.web !== undefined) checkWeb(raw.web, complain);
  if (problems.length > 0) throw configError(file, text, problems);
  const { store, kq1, kx, etsi014, web } = raw;
  return {
    ...raw,
    file,
    applications,
    etsi014: etsi014 && resolveFiles(etsi014, files, file),
    store: resolveFiles(store, ["master_key_file"], file),
    kq1: kq1 && resolveFiles(kq1, files, file),
    kx: kx && resolveFiles(kx, files, file),
    web: web && resolveFiles(web, webFiles, file),
    modules,
    links,
  };
}

function checkTogether(
  { km, kq1, kx }: Omit<RawConfig, "module" | "link" | "sae">,
  modules: readonly ModuleConfig[],
  links: readonly LinkConfig[],
  complain: (key: string, what: string) => void,
): void {
  const names = links.map(({ name }) => name);
  const ids = new Map<string, string>();
  for (const { name, link, module_id, matching_module_id, nodes, mode, request } of modules) {
    const key = `module.${name}`;
    if (!names.includes(link)) {
      const near = didYouMean(link, names);
      complain(`${key}.link`, `no such link (there are: ${names.join(", ")})${near}`);
    }
    const other = ids.get(module_id);
    if (other !== undefined) complain(`${key}.module_id`, `the module ${other} has it, too`);
    ids.set(module_id, name);
    if (module_id === matching_module_id) {
      complain(`${key}.matching_module_id`, "is module_id: the module at the other end is another");
    }
    const { host, port, low_bits, high_bits } = request;
    if ((host === undefined) !== (port === undefined)) {
      complain(`${key}.request`, "host and port go together: of the node's key server");
    }
    if (high_bits <= low_bits) complain(`${key}.request.high_bits`, "expected more than low_bits");
    if (mode === "on_request" && host !== undefined && kq1?.cert === undefined) {
      complain(`${key}.request.host`, "a node is asked over HTTPS with a certificate: see [kq1]");
    }
    if (nodes.length === 0 && kq1?.plain !== true) {
      complain(`${key}.nodes`, "names in the certificates that may supply its keys are needed");
    }
  }
  if (modules.length > 0 && kq1 === undefined) complain("kq1", "missing: keys come in over it");
  if (kq1 !== undefined) {
    if (kq1.port === undefined && kq1.https_port === undefined) {
      complain("kq1.port", "missing: port, https_port or both");
    }
    const whole = kq1.ca !== undefined && kq1.cert !== undefined && kq1.key !== undefined;
    if (!whole && !kq1.plain) complain("kq1", "ca, cert and key are needed");
    if (kq1.plain && kq1.https_port !== undefined) {
      complain("kq1.plain", "HTTPS is never without certificates");
    }
  }
  if (links.length > 0 && kx === undefined) complain("kx", "missing: links go over it");
  for (const { name, peer, host, port } of links) {
    if (peer === km.id) complain(`link.${name}.peer`, "is this KM");
    if ((host === undefined) !== (port === undefined)) {
      complain(
        `link.${name}`,
        "host and port go together: this KM dials, or neither: it is dialled",
      );
    }
    if (host === undefined && kx?.port === undefined) {
      complain(
        `link.${name}.host`,
        "missing: without it the other KM dials, and kx.port is needed",
      );
    }
  }
}

/** Reads and checks a configuration file, but not the files that it names. @throws ConfigError */
export function readKmConfig(file: string): KmConfig {
  return parseKmConfig(readConfigText(file, whyNot), resolve(file));
}

/** Reads and checks a configuration file, and that the files it names can be read. @throws ConfigError */
export function loadKmConfig(file: string): KmConfig {
  return looked(file, fileProblems);
}

/**
 * The same, and that certificates and keys are what they should be. The key manager starts without that:
 * they may be exchanged while it runs.
 * @param wall ms since 1970 UTC @throws ConfigError
 */
export function checkKmConfig(file: string, wall: number): KmConfig {
  return looked(file, (config) => [...fileProblems(config), ...contentProblems(config, wall)]);
}

function looked(file: string, look: (config: KmConfig) => Problem[]): KmConfig {
  const text = readConfigText(file, whyNot);
  const config = parseKmConfig(text, resolve(file));
  const problems = look(config);
  if (problems.length > 0) throw configError(file, text, problems);
  return config;
}

/** Tables that name files of certificates. */
function tlsTables({ kq1, kx, etsi014 }: KmConfig) {
  const tables = [
    ["kq1", kq1],
    ["kx", kx],
    ["etsi014", etsi014],
  ] as const;
  return tables.flatMap(([name, table]) => (table === undefined ? [] : [{ name, table }]));
}

/** What keeps it from starting: files that can't be read, secrets that others may read, lists of no use. */
function fileProblems(config: KmConfig): Problem[] {
  const problems: Problem[] = [];
  const complain = (key: string, what: string) => problems.push({ key, what });
  const look = (key: string, path: string | undefined, isSecret: boolean) => {
    const what = path && fileProblem(path, isSecret);
    if (what) complain(key, what);
  };
  look("store.master_key_file", config.store.master_key_file, true);
  for (const { name, table } of tlsTables(config)) {
    for (const file of files) look(`${name}.${file}`, table[file], file === "key");
    const { ca, crl } = table;
    if (ca === undefined || crl === undefined) continue;
    for (const what of listProblems(ca, crl)) complain(`${name}.crl`, `${crl} ${what}`);
  }
  const { web } = config;
  if (web?.enabled !== true) return problems;
  for (const file of webFiles) look(`web.${file}`, web[file], file !== "cert");
  const secrets = [
    ["password_file", shortestPassword, "password"],
    ["metrics_token_file", shortestToken, "token"],
  ] as const;
  for (const [file, shortest, what] of secrets) {
    const path = web[file];
    const why = path && readIfThere(path, (bytes) => passwordProblem(bytes, shortest, what));
    if (why) complain(`web.${file}`, why);
  }
  return problems;
}

function contentProblems(config: KmConfig, wall: number): Problem[] {
  const problems: Problem[] = [];
  const { master_key_file: file } = config.store;
  const bytes = readIfThere(file, ({ length }) => length);
  if (bytes !== undefined && bytes < leastMasterKey) {
    const what = `${file} has ${bytes} bytes, and must have ${leastMasterKey} or more`;
    problems.push({ key: "store.master_key_file", what });
  }
  for (const { name, table } of tlsTables(config)) {
    for (const { name: file, what } of credentialProblems(table, wall)) {
      problems.push({ key: `${name}.${file}`, what });
    }
  }
  const { cert, key, enabled = false } = config.web ?? {};
  for (const { name: file, what } of enabled ? credentialProblems({ cert, key }, wall) : []) {
    problems.push({ key: `web.${file}`, what });
  }
  return problems;
}
