/** Reads, checks and resolves a configuration file. All that is wrong with it is said at once. */

import { hash } from "node:crypto";
import { realpathSync } from "node:fs";
import { resolve } from "node:path";
import * as v from "valibot";
import { didYouMean } from "../../base/words.ts";
import { whyNot } from "../../host/config/files.ts";
import {
  configError,
  explain,
  keyPath,
  type Problem,
  reservedNames,
} from "../../host/config/problems.ts";
import { parseToml, readConfigText, resolveFiles } from "../../host/config/read.ts";
import { type LogConfig, logSchema } from "../../host/config/values.ts";
import { anyCommandKeySchema } from "../../ops/commands/key-schema.ts";
import { localSchema } from "../../ops/local/schema.ts";
import { managerFiles } from "../../ops/manager/config.ts";
import { webFiles } from "../../ops/page/config.ts";
import { checkEst, type EstConfig, estFiles, estSchema } from "../../ops/renewal/config.ts";
import { settleFirst, withoutFirst } from "../../ops/renewal/first.ts";
import { estProblems } from "../../ops/renewal/open.ts";
import type { ConfiguredDriver, DriverKind } from "../../port/driver-kind.ts";
import { besideLedger } from "../ledger/ledger-folder.ts";
import { certificateFiles, renewalTables } from "./certificates.ts";
import { type Complain, checkTogether } from "./checks.ts";
import { contentProblems, fileProblems } from "./files.ts";
import {
  alarmsSchema,
  configSchema,
  kmSchema,
  ledgerSchema,
  managerSchema,
  moduleAlarmsSchema,
  moduleSchema,
  nodeSchema,
  panelSchema,
  serverSchema,
  sparkplugSchema,
  spoolSchema,
  webSchema,
} from "./schema.ts";
import type {
  AlarmsConfig,
  CertificateTables,
  ConfigFile,
  KmConfig,
  LedgerConfig,
  LocalConfig,
  ModuleConfig,
  NodeConfig,
  PanelConfig,
} from "./tables.ts";

/** A configuration that was checked. Rooms of the node see single tables of it (`tables.ts`). */
export interface Config extends ConfigFile, CertificateTables {
  readonly node: NodeConfig;
  readonly log: LogConfig;
  readonly local: LocalConfig;
  readonly alarms: AlarmsConfig;
  readonly ledger: LedgerConfig;
  readonly panel: PanelConfig | undefined;
  readonly est: EstConfig | undefined;
  readonly modules: readonly ModuleConfig[];
}

// biome-ignore lint/suspicious/noExplicitAny: each kind has options of its own, checked by its schema
type Kinds = readonly DriverKind<any>[];

/** Keys allowed at a place in the file, for the message about one that is not. */
function entriesAt(path: readonly (string | number)[]): readonly string[] {
  const schemas: Readonly<Record<string, { readonly entries: object }>> = {
    "": configSchema,
    node: nodeSchema,
    est: estSchema,
    server: serverSchema,
    web: webSchema,
    log: logSchema,
    ledger: ledgerSchema,
    local: localSchema,
    manager: managerSchema,
    "manager.command_key": anyCommandKeySchema,
    "manager.sparkplug": sparkplugSchema,
    alarms: alarmsSchema,
    panel: panelSchema,
    km: kmSchema,
    module: moduleSchema,
    "module.alarms": moduleAlarmsSchema,
    "module.spool": spoolSchema,
  };
  // The name of a KM is the operator's, and an index is none of ours either.
  const names = path.filter((key, i) => typeof key === "string" && !(path[0] === "km" && i === 1));
  const place = names.join(".");
  return Object.hasOwn(schemas, place) ? Object.keys(schemas[place]?.entries ?? {}) : [];
}

/**
 * Checks the text of a configuration file; reads no other file.
 * @param file its name, for messages and for what is relative to it
 * @throws ConfigError
 */
export function parseConfig(text: string, file: string, kinds: Kinds): Config {
  const table = parseToml(text, file);
  const problems: Problem[] = [];
  const complain = (key: string, what: string) => problems.push({ key, what });
  // The schema's library leaves these out without a word.
  const reserved = reservedNames((table as { km?: unknown }).km);
  for (const name of reserved) {
    complain(`km.${name}`, "expected another name: this one has a meaning in JavaScript");
  }
  const result = v.safeParse(configSchema, table);
  for (const issue of result.issues ?? []) {
    const [key, what] = [keyPath(issue), explain(issue, entriesAt)];
    // 0.5 is neither whole nor in the range: once is enough.
    const said = problems.some((one) => one.key === key && one.what === what);
    if (!said && !(key === "km" && reserved.length > 0)) complain(key, what);
  }
  if (!result.success || reserved.length > 0) throw configError(file, text, problems);
  const raw = result.output;
  checkTogether(raw, complain);
  const kms = new Map<string, KmConfig>();
  for (const [name, km] of Object.entries(raw.km)) {
    kms.set(name, resolveFiles({ ...km, name }, ["ca", "cert", "key", "crl"], file));
  }
  const names = new Set<string>();
  const devices = new Map<string, string>();
  const modules: ModuleConfig[] = [];
  raw.module.forEach((module, i) => {
    const key = `module[${i}]`;
    const again = names.has(module.name);
    if (again) complain(`${key}.name`, "another module has this name");
    if (besideLedger.test(module.name)) {
      const what = "expected a name with another end: files beside a module's ledger end so";
      complain(`${key}.name`, what);
    }
    names.add(module.name);
    const chosen = module.km.flatMap((name) => kms.get(name) ?? []);
    if (chosen.length < module.km.length) {
      const known = [...kms.keys()];
      const wrong = module.km.find((name) => !kms.has(name)) ?? "";
      complain(
        `${key}.km`,
        `no such KM (there are: ${known.join(", ")})${didYouMean(wrong, known)}`,
      );
    }
    if (new Set(module.km).size < module.km.length) complain(`${key}.km`, "a KM is named twice");
    const https = chosen.some(({ transport }) => transport === "https");
    if (module.mode === "on_request" && https && raw.server === undefined) {
      complain(`${key}.mode`, '"on_request" with a KM over https needs [server]');
    }
    if (module.module_id !== undefined && module.module_id === module.matching_module_id) {
      complain(`${key}.matching_module_id`, "is module_id: the module at the other end is another");
    }
    const driver = configureDriver(module.driver, `${key}.driver`, kinds, complain);
    if (driver !== undefined) {
      for (const path of again ? [] : ownDevices(driver).map(asFound)) {
        const other = devices.get(path);
        if (other !== undefined) {
          complain(`${key}.driver`, `${path} is the device of the module ${other}, too`);
        }
        devices.set(path, module.name);
      }
      if (driver.destructive && module.spool === undefined) {
        complain(`${key}.spool`, `a module of kind ${driver.kind} cannot keep its keys: needs one`);
      }
      if (driver.saysQberRequired && !driver.measuresQber && module.qber_required === undefined) {
        const why = `blocks of kind ${driver.kind} have no QBER here: false lets them pass without one`;
        complain(`${key}.qber_required`, why);
      }
      const { km: _, ...rest } = module;
      const spool = module.spool && resolveFiles(module.spool, ["key"], file);
      modules.push({ ...rest, spool, kms: chosen, driver });
    }
  });
  if (problems.length > 0) throw configError(file, text, problems);
  const manager = raw.manager && resolveFiles(raw.manager, managerFiles, file);
  const server = raw.server && resolveFiles(raw.server, ["ca", "cert", "key", "crl"], file);
  const web = resolveFiles(raw.web, webFiles, file);
  const digest = hash("sha256", text, "hex").slice(0, 16);
  const { node, log, local, ledger, alarms, panel } = raw;
  const est = raw.est && resolveFiles(raw.est, estFiles, file);
  if (est !== undefined) {
    checkEst(est, node.state_dir, certificateFiles({ modules, server, web, manager }), complain);
  }
  if (problems.length > 0) throw configError(file, text, problems);
  return {
    file,
    digest,
    table,
    node,
    log,
    local,
    ledger,
    alarms,
    panel,
    est,
    manager,
    server,
    web,
    modules,
  };
}

/** Reads and checks a configuration file, but not the files that it names. @throws ConfigError */
export function readConfigFile(file: string, kinds: Kinds): Config {
  const text = readConfigText(file, whyNot);
  return parseConfig(text, resolve(file), kinds);
}

/**
 * Reads and checks a configuration file, and that the files it names can be read.
 * @throws ConfigError
 */
export function loadConfig(file: string, kinds: Kinds): Config {
  return load(file, kinds, () => {});
}

/** @param first called before it is looked at files */
function load(file: string, kinds: Kinds, first: (config: Config) => void): Config {
  const config = readConfigFile(file, kinds);
  first(config);
  const problems = problemsOfFiles(config);
  if (problems.length > 0) throw configError(file, readConfigText(file, whyNot), problems);
  return config;
}

/** The same at the start of a node: certificates that were brought are put where it renews them. @throws Fault */
export function startConfig(file: string, kinds: Kinds): Config {
  return load(file, kinds, (config) => settleFirst(renewalTables(config), Date.now()));
}

function problemsOfFiles(config: Config): Problem[] {
  const problems = [...fileProblems(config), ...estProblems(config.est)];
  return withoutFirst(problems, renewalTables(config));
}

/**
 * The same, and that certificates and keys are what they should be. A node starts without that: they may
 * be exchanged while it runs.
 * @param wall ms since 1970 UTC @throws ConfigError
 */
export function checkConfig(file: string, kinds: Kinds, wall: number): Config {
  const config = readConfigFile(file, kinds);
  const problems = [...problemsOfFiles(config), ...contentProblems(config, wall)];
  if (problems.length > 0) throw configError(file, readConfigText(file, whyNot), problems);
  return config;
}

/**
 * What only one module can have open. The channels of a PCIe card share its registers, `…_user`, and
 * behind a socket may be a server for several.
 */
function ownDevices({ devices, kind }: ConfiguredDriver): readonly string[] {
  return kind === "qmlp-socket" ? [] : devices.filter((path) => !path.endsWith("_user"));
}

function configureDriver(
  options: { readonly kind: string; readonly [key: string]: unknown },
  key: string,
  kinds: Kinds,
  complain: Complain,
): ConfiguredDriver | undefined {
  const kind = kinds.find((known) => known.kind === options.kind);
  if (kind === undefined) {
    const known = kinds.map((k) => k.kind);
    const near = didYouMean(options.kind, known);
    complain(`${key}.kind`, `no such driver (there are: ${known.join(", ")})${near}`);
    return undefined;
  }
  const { kind: _, ...rest } = options;
  const result = v.safeParse(kind.options, rest);
  if (!result.success) {
    const entries = (kind.options as unknown as { entries?: object }).entries ?? {};
    const allowed = ["kind", ...Object.keys(entries)];
    for (const issue of result.issues) {
      complain(
        keyPath(issue, key),
        explain(issue, () => allowed),
      );
    }
    return undefined;
  }
  const chosen = result.output;
  return {
    kind: kind.kind,
    destructive: kind.destructive === true,
    spools: kind.spools === true,
    saysQberRequired: kind.saysQberRequired === true,
    measuresQber: kind.measuresQber?.(chosen) === true,
    certificates: kind.certificates?.(chosen) ?? [],
    devices: kind.devices?.(chosen) ?? [],
    probed: kind.recognise !== undefined,
    create: (context) => kind.create(chosen, context),
  };
}

/** One device, or folder, has many spellings: links, `..`. */
function asFound(device: string): string {
  if (!device.startsWith("/")) return device;
  try {
    return realpathSync(device);
  } catch {
    return resolve(device);
  }
}
