/** Reads, checks and resolves a key manager's configuration file. All that is wrong with it is said at once. */
import { hash } from "node:crypto";
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import * as v from "valibot";
import { didYouMean } from "../../base/words.ts";
import { fileProblem, readIfThere, whyNot } from "../../host/config/files.ts";
import { name } from "../../host/config/name.ts";
import {
  configError,
  explain,
  keyPath,
  type Problem,
  reservedNames,
} from "../../host/config/problems.ts";
import { parseToml, readConfigText, resolveFiles } from "../../host/config/read.ts";
import { logSchema } from "../../host/config/values.ts";
import { keyOfHex } from "../../host/disk/secret-file.ts";
import { anyCommandKeySchema } from "../../ops/commands/key-schema.ts";
import {
  certificateProblems,
  type FileTables,
  tlsFiles as files,
  namedFileProblems,
} from "../../ops/daemon/config-files.ts";
import { localSchema } from "../../ops/local/schema.ts";
import { checkManager, managerFiles } from "../../ops/manager/config.ts";
import { checkWeb, webFiles } from "../../ops/page/config.ts";
import { checkEst, estFiles, estSchema } from "../../ops/renewal/config.ts";
import { settleFirst, withoutFirst } from "../../ops/renewal/first.ts";
import { estProblems } from "../../ops/renewal/open.ts";
import type { Application } from "../applications/table.ts";
import { applicationsOf, checkApplications } from "./applications.ts";
import { certificateFiles, renewalTables, tlsTables } from "./certificates.ts";
import {
  type ControllerConfig,
  checkControllers,
  ckSchema,
  controllerSchema,
  controllersOf,
} from "./controllers.ts";
import { checkRelays, checkRouting, pairSchema, relayHoursSchema, relaySchema } from "./relay.ts";
import {
  alarmsSchema,
  configSchema,
  etsi014Schema,
  hsmSchema,
  kmSchema,
  kq1Schema,
  kxSchema,
  linkSchema,
  managerSchema,
  moduleSchema,
  type RawConfig,
  recordsSchema,
  requestSchema,
  saeSchema,
  skipSchema,
  storeSchema,
  webSchema,
} from "./schema.ts";
import type { ConfigFile, LinkConfig, ModuleConfig, StoreTable } from "./tables.ts";

/** A configuration that was checked. Times are in ms. */
export interface KmConfig
  extends Omit<RawConfig, "module" | "link" | "sae" | "store" | "controller">,
    ConfigFile {
  readonly store: StoreTable;
  readonly applications: readonly Application[];
  readonly modules: readonly ModuleConfig[];
  readonly links: readonly LinkConfig[];
  readonly controllers: readonly ControllerConfig[];
}

const tables: Readonly<Record<string, { readonly entries: object }>> = {
  "": configSchema,
  km: kmSchema,
  store: storeSchema,
  "store.hsm": hsmSchema,
  records: recordsSchema,
  manager: managerSchema,
  "manager.command_key": anyCommandKeySchema,
  alarms: alarmsSchema,
  est: estSchema,
  kq1: kq1Schema,
  kx: kxSchema,
  module: moduleSchema,
  "module.request": requestSchema,
  link: linkSchema,
  "link.relay": pairSchema,
  "link.relay.hours": relayHoursSchema,
  relay: relaySchema,
  controller: controllerSchema,
  ck: ckSchema,
  etsi014: etsi014Schema,
  skip: skipSchema,
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
const masterKeyBytes = 32;

/** Checks the text of a configuration file; reads no other file. @throws ConfigError */
export function parseKmConfig(text: string, file: string): KmConfig {
  const table = parseToml(text, file) as Record<string, unknown>;
  const problems: Problem[] = [];
  const complain = (key: string, what: string) => problems.push({ key, what });
  for (const kind of ["module", "link", "sae", "controller"]) {
    for (const name of reservedNames(table[kind])) {
      complain(`${kind}.${name}`, "expected another name: this one has a meaning in JavaScript");
    }
  }
  const result = v.safeParse(configSchema, table);
  for (const issue of result.issues ?? []) complain(keyPath(issue), explain(issue, entriesAt));
  if (!result.success || problems.length > 0) throw configError(file, text, problems);
  const { module, link, sae, controller, ...raw } = result.output;
  const modules = Object.entries(module).map(([name, one]) => ({ ...one, name }));
  const links = Object.entries(link).map(([name, one]) => ({ ...one, name }));
  checkTogether(raw, modules, links, complain);
  checkRelays(raw.km.id, links, modules, complain);
  checkControllers({ controller, kx: raw.kx }, complain);
  const controllers = Object.keys(controller).length + (raw.ck === undefined ? 0 : 1);
  checkRouting(links, raw.relay, controllers, complain);
  checkMasterKey(raw.store, complain);
  checkTelling(raw, complain);
  const applications = applicationsOf(sae, raw.km.id, file);
  checkApplications({ ...raw, sae }, applications, links, complain);
  if (raw.web !== undefined) checkWeb(raw.web, complain);
  if (problems.length > 0) throw configError(file, text, problems);
  const { est, kq1, ck, etsi014, manager, web } = raw;
  const kx = raw.kx && resolveFiles(raw.kx, files, file);
  const config = {
    ...raw,
    file,
    digest: hash("sha256", text, "hex").slice(0, 16),
    manager: manager && resolveFiles(manager, managerFiles, file),
    est: est && resolveFiles(est, estFiles, file),
    applications,
    etsi014: etsi014 && resolveFiles(etsi014, files, file),
    store: storeOf(raw, file),
    ck: ck && resolveFiles(ck, files, file),
    kq1: kq1 && resolveFiles(kq1, files, file),
    kx,
    web: web && resolveFiles(web, webFiles, file),
    modules,
    links,
    controllers: controllersOf(controller, kx, file),
  };
  if (config.est !== undefined) {
    checkEst(config.est, config.km.state_dir, certificateFiles(config), complain);
  }
  if (problems.length > 0) throw configError(file, text, problems);
  return config;
}

function storeOf(
  { km, store: { hsm, ...rest } }: Pick<RawConfig, "km" | "store">,
  file: string,
): KmConfig["store"] {
  const store = resolveFiles(rest, ["master_key_file", "master_key_next_file"], file);
  if (hsm === undefined) return store;
  return { ...store, hsm: { ...resolveFiles(hsm, ["pin_file"], file), key: hsm.key ?? km.id } };
}

function checkMasterKey(
  { master_key_file, master_key_next_file, hsm }: RawConfig["store"],
  complain: (key: string, what: string) => void,
): void {
  if (master_key_file === undefined && hsm === undefined) {
    complain("store.master_key_file", "missing: the master key is in a file, or see [store.hsm]");
  }
  if (master_key_file !== undefined && hsm !== undefined) {
    complain("store.master_key_file", "the master key is in a file or in [store.hsm], not in both");
  }
  if (master_key_next_file !== undefined && master_key_next_file === master_key_file) {
    complain("store.master_key_next_file", "is master_key_file: the next one is another file");
  }
  if (hsm !== undefined && hsm.token === undefined && hsm.serial === undefined) {
    complain("store.hsm.token", "missing: the label of the token, its serial number, or both");
  }
}

function checkTogether(
  { km, kq1, kx }: Pick<RawConfig, "km" | "kq1" | "kx">,
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
  const peers = new Map<string, string>();
  for (const { name, peer, host, port } of links) {
    const other = peers.get(peer);
    // Sessions and applications know a link by the KM at its other end.
    if (other !== undefined) {
      complain(
        `link.${name}.peer`,
        `the link ${other} has it, too: modules share one link to a KM`,
      );
    }
    peers.set(peer, name);
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

/** What the manager is told, and as whom. */
function checkTelling(
  { km, manager, records }: Pick<RawConfig, "km" | "manager" | "records">,
  complain: (key: string, what: string) => void,
): void {
  if (manager === undefined) {
    if (records.export) complain("records.export", "needs [manager]: whom they are told");
    return;
  }
  checkManager(manager, complain);
  const { success, issues } = v.safeParse(name, km.id);
  if (!success) complain("km.id", `${issues[0].message}: it is a level of the manager's topics`);
}

/** Reads and checks a configuration file, but not the files that it names. @throws ConfigError */
export function readKmConfig(file: string): KmConfig {
  return parseKmConfig(readConfigText(file, whyNot), resolve(file));
}

/** Reads and checks a configuration file, and that the files it names can be read. @throws ConfigError */
export function loadKmConfig(file: string): KmConfig {
  return load(file, () => {});
}

/** @param first called before it is looked at files */
function load(file: string, first: (config: KmConfig) => void): KmConfig {
  const text = readConfigText(file, whyNot);
  const config = parseKmConfig(text, resolve(file));
  first(config);
  const problems = fileProblems(config);
  if (problems.length > 0) throw configError(file, text, problems);
  return config;
}

/** The same at the start of a KM: certificates that were brought are put where it renews them. @throws Fault */
export function startKmConfig(file: string): KmConfig {
  return load(file, (config) => settleFirst(renewalTables(config), Date.now()));
}

/**
 * The same, and that certificates and keys are what they should be. The key manager starts without that:
 * they may be exchanged while it runs.
 * @param wall ms since 1970 UTC
 * @param token what is wrong with the token of `[store.hsm]`: asked if all files are there
 * @throws ConfigError
 */
export async function checkKmConfig(
  file: string,
  wall: number,
  token: (config: KmConfig) => Promise<Problem[]>,
): Promise<KmConfig> {
  const text = readConfigText(file, whyNot);
  const config = parseKmConfig(text, resolve(file));
  const problems = [...fileProblems(config), ...contentProblems(config, wall)];
  if (problems.length === 0 && config.store.hsm) problems.push(...(await token(config)));
  if (problems.length > 0) throw configError(file, text, problems);
  return config;
}

/** Tables that name files which every program has. */
function fileTables(config: KmConfig): FileTables {
  const { manager, web } = config;
  const tls = tlsTables(config).flatMap(([name, table]) => (table ? [{ name, table }] : []));
  return { tls, manager, web };
}

/** What keeps it from starting: files that can't be read, secrets that others may read, lists of no use. */
function fileProblems(config: KmConfig): Problem[] {
  const problems: Problem[] = [];
  const look = (key: string, path: string | undefined, isSecret: boolean) => {
    const what = path && fileProblem(path, isSecret);
    if (what) problems.push({ key, what });
  };
  const { master_key_file, master_key_next_file: next, hsm } = config.store;
  look("store.master_key_file", master_key_file, true);
  // It is there only when it is time for it.
  if (next !== undefined && existsSync(next)) look("store.master_key_next_file", next, true);
  look("store.hsm.module", hsm?.module, false);
  look("store.hsm.pin_file", hsm?.pin_file, true);
  for (const { id, km, skip } of config.applications) {
    if (km === config.km.id) look(`sae.${id}.skip_psk_file`, skip?.pskFile, true);
  }
  problems.push(...estProblems(config.est), ...namedFileProblems(fileTables(config)));
  return withoutFirst(problems, renewalTables(config));
}

/** Length of a key in hexadecimal digits, bytes; undefined if it is something else. */
function hexLength(text: Buffer): number | undefined {
  const key = keyOfHex(text);
  key?.fill(0);
  return key?.length;
}

/** As the store takes it: 32 bytes, or their hexadecimal digits. */
function isMasterKey(bytes: Buffer): boolean {
  return bytes.length === masterKeyBytes || hexLength(bytes) === masterKeyBytes;
}

/** Of 16 to 64 bytes. */
function isPreSharedKey(bytes: Buffer): boolean {
  const length = hexLength(bytes) ?? 0;
  return length >= 16 && length <= 64;
}

function contentProblems(config: KmConfig, wall: number): Problem[] {
  const problems: Problem[] = [];
  for (const key of ["master_key_file", "master_key_next_file"] as const) {
    const file = config.store[key];
    const bytes = file && readIfThere(file, (all) => (isMasterKey(all) ? undefined : all.length));
    if (typeof bytes !== "number") continue;
    const what = `${file} has ${bytes} bytes, and must have ${masterKeyBytes}, or ${2 * masterKeyBytes} hexadecimal digits`;
    problems.push({ key: `store.${key}`, what });
  }
  for (const { id, km, skip } of config.applications) {
    if (km !== config.km.id || skip === undefined) continue;
    const good = readIfThere(skip.pskFile, isPreSharedKey) ?? true;
    const what = `${skip.pskFile} is not of 32 to 128 hexadecimal digits, an even number`;
    if (!good) problems.push({ key: `sae.${id}.skip_psk_file`, what });
  }
  return [...problems, ...certificateProblems(fileTables(config), wall)];
}
