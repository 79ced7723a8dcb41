/** Reads, checks and resolves a configuration file. All that is wrong with it is said at once. */
import { hash } from "node:crypto";
import { accessSync, constants, readFileSync, statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { parse, TomlError } from "smol-toml";
import * as v from "valibot";
import type { ConfiguredDriver, DriverKind } from "../port/driver-kind.ts";
import { errorCode } from "../port/errors.ts";
import { isLoopback } from "../web/host.ts";
import { shortestPassword, shortestToken } from "../web/login.ts";
import { listProblems } from "./list-problems.ts";
import { firstLine } from "./named-file.ts";
import { ConfigError, explain, keyPath } from "./problems.ts";
import {
  alarmsSchema,
  commandKeySchema,
  configSchema,
  kmSchema,
  ledgerSchema,
  localSchema,
  logSchema,
  managerSchema,
  moduleAlarmsSchema,
  moduleSchema,
  nodeSchema,
  panelSchema,
  type RawConfig,
  serverSchema,
  sparkplugSchema,
  spoolSchema,
  webSchema,
} from "./schema.ts";

type Raw = RawConfig;

/** A KM, with file names resolved. Times in ms. */
export type KmConfig = Raw["km"][string] & { readonly name: string };
export type ManagerConfig = NonNullable<Raw["manager"]>;
export type WebConfig = Raw["web"];
export type ServerConfig = NonNullable<Raw["server"]>;
export type PanelConfig = NonNullable<Raw["panel"]>;
export type ModuleConfig = Omit<Raw["module"][number], "driver" | "km"> & {
  readonly driver: ConfiguredDriver;
  /** In the order in which they are tried. */
  readonly kms: readonly KmConfig[];
};

/** A configuration that was checked. Times are in ms, whatever the unit in the file. */
export interface Config {
  readonly file: string;
  /** SHA-256 of the file's text, 16 hex digits: tells configurations apart. */
  readonly digest: string;
  readonly node: Raw["node"];
  /** The file as it was read, for showing: keys and values as written, without defaults. */
  readonly table: unknown;
  readonly log: Raw["log"];
  readonly local: Raw["local"];
  readonly manager: ManagerConfig | undefined;
  readonly server: ServerConfig | undefined;
  readonly web: WebConfig;
  readonly alarms: Raw["alarms"];
  readonly ledger: Raw["ledger"];
  readonly panel: PanelConfig | undefined;
  readonly modules: readonly ModuleConfig[];
}

// biome-ignore lint/suspicious/noExplicitAny: each kind has options of its own, checked by its schema
type Kinds = readonly DriverKind<any>[];

/** Keys allowed at a place in the file, for the message about one that is not. */
function entriesAt(path: readonly (string | number)[]): readonly string[] {
  const schemas: Readonly<Record<string, { readonly entries: object }>> = {
    "": configSchema,
    node: nodeSchema,
    server: serverSchema,
    web: webSchema,
    log: logSchema,
    ledger: ledgerSchema,
    local: localSchema,
    manager: managerSchema,
    "manager.command_key": commandKeySchema,
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
  return Object.keys(schemas[names.join(".")]?.entries ?? {});
}

/**
 * Checks the text of a configuration file; reads no other file.
 * @param file its name, for messages and for what is relative to it
 * @throws ConfigError
 */
export function parseConfig(text: string, file: string, kinds: Kinds): Config {
  const table = parseToml(text, file);
  const result = v.safeParse(configSchema, table);
  if (!result.success) {
    const problems = result.issues.map(
      (issue) => `${file}: ${keyPath(issue)}: ${explain(issue, entriesAt)}`,
    );
    throw new ConfigError("config.value", problems);
  }
  const raw = result.output;
  const problems: string[] = [];
  const complain = (key: string, what: string) => problems.push(`${file}: ${key}: ${what}`);

  const kms = new Map<string, KmConfig>();
  for (const [name, km] of Object.entries(raw.km)) {
    checkTls(`km.${name}`, km, km.transport, complain);
    kms.set(name, resolveFiles({ ...km, name }, ["ca", "cert", "key", "crl"], file));
  }
  if (raw.manager !== undefined) {
    if ((raw.manager.cert === undefined) !== (raw.manager.key === undefined)) {
      complain("manager", "cert and key go together");
    }
    if (raw.manager.crl !== undefined && raw.manager.ca === undefined) {
      complain("manager.crl", "needs ca: whose lists they are");
    }
    if (raw.manager.password_file !== undefined && raw.manager.username === undefined) {
      complain("manager.password_file", "needs username");
    }
    const ids = raw.manager.command_key.map(({ id }) => id);
    ids.forEach((id, i) => {
      if (ids.indexOf(id) !== i)
        complain(`manager.command_key[${i}].id`, "another key has this id");
    });
  }
  checkWeb(raw.web, complain);
  const names = new Set<string>();
  const modules: ModuleConfig[] = [];
  raw.module.forEach((module, i) => {
    const key = `module[${i}]`;
    if (names.has(module.name)) complain(`${key}.name`, "another module has this name");
    names.add(module.name);
    const chosen = module.km.flatMap((name) => kms.get(name) ?? []);
    if (chosen.length < module.km.length) {
      complain(`${key}.km`, `no such KM (there are: ${[...kms.keys()].join(", ")})`);
    }
    if (new Set(module.km).size < module.km.length) complain(`${key}.km`, "a KM is named twice");
    const https = chosen.some(({ transport }) => transport === "https");
    if (module.mode === "on_request" && https && raw.server === undefined) {
      complain(`${key}.mode`, '"on_request" with a KM over https needs [server]');
    }
    const driver = configureDriver(module.driver, `${key}.driver`, kinds, complain);
    if (driver !== undefined) {
      if (driver.destructive && module.spool === undefined) {
        complain(`${key}.spool`, `a module of kind ${driver.kind} cannot keep its keys: needs one`);
      }
      const { km: _, ...rest } = module;
      const spool = module.spool && resolveFiles(module.spool, ["key"], file);
      modules.push({ ...rest, spool, kms: chosen, driver });
    }
  });
  if (problems.length > 0) throw new ConfigError("config.value", problems);
  const manager =
    raw.manager && resolveFiles(raw.manager, ["ca", "cert", "key", "crl", "password_file"], file);
  const server = raw.server && resolveFiles(raw.server, ["ca", "cert", "key", "crl"], file);
  const web = resolveFiles(raw.web, ["cert", "key", "password_file", "metrics_token_file"], file);
  const digest = hash("sha256", text, "hex").slice(0, 16);
  const { node, log, local, ledger, alarms, panel } = raw;
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
    manager,
    server,
    web,
    modules,
  };
}

/** Reads and checks a configuration file, but not the files that it names. @throws ConfigError */
export function readConfigFile(file: string, kinds: Kinds): Config {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    throw new ConfigError("config.file", [`${file}: cannot be read: ${whyNot(error)}`]);
  }
  return parseConfig(text, resolve(file), kinds);
}

/**
 * Reads and checks a configuration file, and that the files it names can be read.
 * @throws ConfigError
 */
export function loadConfig(file: string, kinds: Kinds): Config {
  const config = readConfigFile(file, kinds);
  const problems: string[] = [];
  const kms = new Set(config.modules.flatMap((module) => module.kms));
  for (const km of kms) checkFiles(`km.${km.name}`, km, file, problems);
  for (const { name, spool } of config.modules) {
    if (spool !== undefined) checkFiles(`module ${name}: spool`, spool, file, problems);
  }
  if (config.manager !== undefined) checkFiles("manager", config.manager, file, problems);
  if (config.server !== undefined) checkFiles("server", config.server, file, problems);
  if (config.web.enabled) {
    checkFiles("web", config.web, file, problems);
    const { password_file: password, metrics_token_file: token } = config.web;
    checkLength(password, `${file}: web.password_file: the password`, shortestPassword, problems);
    checkLength(token, `${file}: web.metrics_token_file: the token`, shortestToken, problems);
  }
  if (problems.length > 0) throw new ConfigError("config.value", problems);
  return config;
}

function parseToml(text: string, file: string): unknown {
  try {
    return parse(text);
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    // Only the first line: the others show the file's text, which may hold a secret.
    const what = error.message.split("\n")[0]?.replace(/^Invalid TOML document: /, "") ?? "";
    throw new ConfigError("config.file", [
      `${file}:${error.line}:${error.column}: not TOML: ${what}`,
    ]);
  }
}

function checkTls(
  key: string,
  km: Raw["km"][string],
  transport: string,
  complain: (key: string, what: string) => void,
): void {
  if (transport === "plain" && (km.crl !== undefined || km.require_pq)) {
    complain(`${key}`, 'crl and require_pq have no use with transport "plain"');
  }
  for (const file of ["ca", "cert", "key"] as const) {
    if (transport !== "plain" && km[file] === undefined) {
      complain(`${key}.${file}`, `missing; transport "${transport}" needs ca, cert and key`);
    } else if (transport === "plain" && km[file] !== undefined) {
      complain(`${key}.${file}`, 'has no use with transport "plain"');
    }
  }
}

/** The page shows a node to whoever can reach it: beyond this machine only with TLS and a login. */
function checkWeb(web: WebConfig, complain: (key: string, what: string) => void): void {
  const files = [web.cert, web.key, web.password_file];
  const given = files.filter((name) => name !== undefined).length;
  if (given > 0 && given < files.length) {
    complain("web", "cert, key and password_file go together");
  } else if (web.enabled && given === 0 && !isLoopback(web.host)) {
    complain("web.host", "beyond loopback the page needs cert, key and password_file");
  }
  if (given === 0 && web.metrics_token_file !== undefined) {
    complain("web.metrics_token_file", "has no use without cert, key and password_file");
  }
}

function checkLength(
  path: string | undefined,
  what: string,
  least: number,
  problems: string[],
): void {
  if (path === undefined) return;
  try {
    if (firstLine(readFileSync(path, "utf8")).length >= least) return;
    problems.push(`${what} must have ${least} characters or more`);
  } catch {
    // That it cannot be read was said already.
  }
}

function configureDriver(
  options: { readonly kind: string; readonly [key: string]: unknown },
  key: string,
  kinds: Kinds,
  complain: (key: string, what: string) => void,
): ConfiguredDriver | undefined {
  const kind = kinds.find((known) => known.kind === options.kind);
  if (kind === undefined) {
    complain(`${key}.kind`, `no such driver (there are: ${kinds.map((k) => k.kind).join(", ")})`);
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
    measuresQber: kind.measuresQber?.(chosen) === true,
    devices: kind.devices?.(chosen) ?? [],
    probed: kind.recognise !== undefined,
    create: (context) => kind.create(chosen, context),
  };
}

function resolveFiles<T extends object>(table: T, keys: readonly string[], file: string): T {
  const resolved = { ...table } as Record<string, unknown>;
  for (const key of keys) {
    const value = resolved[key];
    if (typeof value === "string") resolved[key] = resolve(dirname(file), value);
  }
  return resolved as T;
}

function checkFiles(key: string, table: object, file: string, problems: string[]): void {
  for (const name of ["ca", "cert", "key", "password_file", "metrics_token_file", "crl"]) {
    const path = (table as Record<string, unknown>)[name];
    if (typeof path !== "string") continue;
    const where = `${file}: ${key}.${name}`;
    try {
      accessSync(path, constants.R_OK);
      const secret = name === "key" || name.endsWith("_file");
      if (secret && (statSync(path).mode & 0o037) !== 0) {
        problems.push(`${where}: others may use ${path}; make it mode 0600`);
      }
    } catch (error) {
      problems.push(`${where}: ${path} cannot be read: ${whyNot(error)}`);
    }
  }
  const { ca, crl } = table as { readonly ca?: string; readonly crl?: string };
  if (ca !== undefined && crl !== undefined) {
    for (const what of listProblems(ca, crl)) problems.push(`${file}: ${key}.crl: ${crl} ${what}`);
  }
}

function whyNot(error: unknown): string {
  const code = errorCode(error) ?? "unknown";
  const known: Readonly<Record<string, string>> = {
    ENOENT: "no such file",
    EACCES: "permission denied",
    EISDIR: "it is a folder",
  };
  return known[code] ?? code;
}
