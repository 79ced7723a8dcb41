/** Reads, checks and resolves a controller's configuration file. All that is wrong with it is said at once. */
import { hash } from "node:crypto";
import { resolve } from "node:path";
import * as v from "valibot";
import { fileProblem, whyNot } from "../../host/config/files.ts";
import {
  configError,
  explain,
  keyPath,
  type Problem,
  reservedNames,
} from "../../host/config/problems.ts";
import { parseToml, readConfigText, resolveFiles } from "../../host/config/read.ts";
import { logSchema } from "../../host/config/values.ts";
import { anyCommandKeySchema } from "../../ops/commands/key-schema.ts";
import {
  certificateProblems,
  type FileTables,
  namedFileProblems,
  tlsFiles,
} from "../../ops/daemon/config-files.ts";
import { localSchema } from "../../ops/local/schema.ts";
import { checkManager, managerFiles } from "../../ops/manager/config.ts";
import { checkWeb, webFiles } from "../../ops/page/config.ts";
import { isLoopback } from "../../ops/page/host.ts";
import { checkEst, estFiles, estSchema } from "../../ops/renewal/config.ts";
import { settleFirst, withoutFirst } from "../../ops/renewal/first.ts";
import { estProblems } from "../../ops/renewal/open.ts";
import type { ControllerPolicy } from "../policy/network.ts";
import { certificateFiles, renewalTables } from "./certificates.ts";
import {
  applicationSchema,
  classSchema,
  hoursSchema,
  linkSchema,
  nodeSchema,
  pairSchema,
  ratedHoursSchema,
  rationSchema,
} from "./network.ts";
import { checkNetwork, policyOf } from "./policy.ts";
import {
  accessSchema,
  accountingSchema,
  alarmsSchema,
  authoritySchema,
  ckSchema,
  configSchema,
  controllerSchema,
  databaseSchema,
  managerSchema,
  type RawConfig,
  routingSchema,
  sessionsSchema,
  webSchema,
} from "./schema.ts";
import type { ConfigFile, KnownKm } from "./tables.ts";

/** A configuration that was checked. Times are in ms. */
export interface ControllerConfig extends RawConfig, ConfigFile {
  /** What the core goes by. */
  readonly policy: ControllerPolicy;
  /** By which names in certificates key managers are known. */
  readonly kms: readonly KnownKm[];
}

/** Every table of the file, by its place; a part in capitals is the operator's name. */
export const schemas: Readonly<Record<string, { readonly entries: object }>> = {
  "": configSchema,
  controller: controllerSchema,
  ck: ckSchema,
  est: estSchema,
  database: databaseSchema,
  manager: managerSchema,
  "manager.command_key": anyCommandKeySchema,
  alarms: alarmsSchema,
  routing: routingSchema,
  sessions: sessionsSchema,
  accounting: accountingSchema,
  access: accessSchema,
  "access.ca": authoritySchema,
  "node.NAME": nodeSchema,
  "link.NAME": linkSchema,
  "link.NAME.ration": rationSchema,
  "pair.NAME": pairSchema,
  "pair.NAME.hours": ratedHoursSchema,
  "class.NAME": classSchema,
  "class.NAME.hours": hoursSchema,
  "application.NAME": applicationSchema,
  web: webSchema,
  log: logSchema,
  local: localSchema,
};

const named = ["node", "link", "pair", "class", "application"] as const;

/** Every key that the file may have, wherever. */
export const shownKeys: readonly string[] = Object.values(schemas).flatMap(({ entries }) =>
  Object.keys(entries),
);

/** Keys allowed at a place in the file. */
function entriesAt(path: readonly (string | number)[]): readonly string[] {
  const [table = "", , ...more] = path.filter((part) => typeof part === "string");
  const isNamed = (named as readonly string[]).includes(table);
  const rest = isNamed
    ? ["NAME", ...more]
    : path.slice(1).filter((part) => typeof part === "string");
  return Object.keys(schemas[[table, ...rest].join(".")]?.entries ?? {});
}

/** Checks the text of a configuration file; reads no other file. @throws ConfigError */
export function parseControllerConfig(text: string, file: string): ControllerConfig {
  const table = parseToml(text, file) as Record<string, unknown>;
  const problems: Problem[] = [];
  const complain = (key: string, what: string) => problems.push({ key, what });
  for (const kind of named) {
    for (const name of reservedNames(table[kind])) {
      complain(`${kind}.${name}`, "expected another name: this one has a meaning in JavaScript");
    }
  }
  const result = v.safeParse(configSchema, table);
  for (const issue of result.issues ?? []) complain(keyPath(issue), explain(issue, entriesAt));
  if (!result.success || problems.length > 0) throw configError(file, text, problems);
  const raw = result.output;
  checkNetwork(raw, complain);
  if (raw.manager !== undefined) checkManager(raw.manager, complain);
  const { host = "/", ca: given } = raw.database ?? {};
  if (!host.startsWith("/") && !isLoopback(host) && given === undefined) {
    complain("database.ca", "missing: beyond this machine the database is asked over TLS");
  }
  if (raw.web !== undefined) checkWeb(raw.web, complain);
  if (raw.access.ca !== undefined && raw.access.open_to_kms) {
    complain("access.open_to_kms", "not with [access.ca]: an application's certificate would do");
  }
  if (problems.length > 0) throw configError(file, text, problems);
  const { ck, est, database, manager, web, access } = raw;
  const config = {
    ...raw,
    file,
    digest: hash("sha256", text, "hex").slice(0, 16),
    ck: resolveFiles(ck, tlsFiles, file),
    est: est && resolveFiles(est, estFiles, file),
    database: database && resolveFiles(database, ["password_file", "ca"], file),
    manager: manager && resolveFiles(manager, managerFiles, file),
    web: web && resolveFiles(web, webFiles, file),
    access: { ...access, ca: access.ca && resolveFiles(access.ca, ["cert", "key"], file) },
    policy: policyOf(raw),
    kms: Object.entries(raw.node).map(([name, { km = name, names = [km] }]) => ({ km, names })),
  };
  if (config.est !== undefined) {
    checkEst(config.est, raw.controller.state_dir, certificateFiles(config), complain);
  }
  if (problems.length > 0) throw configError(file, text, problems);
  return config;
}

/** Reads and checks a configuration file, but not the files that it names. @throws ConfigError */
export function readControllerConfig(file: string): ControllerConfig {
  return parseControllerConfig(readConfigText(file, whyNot), resolve(file));
}

/** Reads and checks a configuration file, and that the files it names can be read. @throws ConfigError */
export function loadControllerConfig(file: string): ControllerConfig {
  return checked(file, fileProblems);
}

/** The same at the start of a controller: certificates that were brought are put where it renews them. @throws Fault */
export function startControllerConfig(file: string): ControllerConfig {
  return checked(file, (config) => {
    settleFirst(renewalTables(config), Date.now());
    return fileProblems(config);
  });
}

/** The same, and what is in the files that it names. @param wall ms since 1970 UTC @throws ConfigError */
export function checkControllerConfig(file: string, wall: number): ControllerConfig {
  return checked(file, (config) => [
    ...fileProblems(config),
    ...certificateProblems(fileTables(config), wall),
  ]);
}

function checked(file: string, look: (config: ControllerConfig) => Problem[]): ControllerConfig {
  const text = readConfigText(file, whyNot);
  const config = parseControllerConfig(text, resolve(file));
  const problems = look(config);
  if (problems.length > 0) throw configError(file, text, problems);
  return config;
}

function fileTables({ ck, manager, web, access }: ControllerConfig): FileTables {
  const tls = [
    { name: "ck", table: ck },
    ...(manager === undefined ? [] : [{ name: "manager", table: manager }]),
    ...(access.ca === undefined ? [] : [{ name: "access.ca", table: access.ca }]),
  ];
  return { tls, manager, web };
}

/** What keeps it from starting: files that can't be read, secrets that others may read, lists of no use. */
function fileProblems(config: ControllerConfig): Problem[] {
  const { database } = config;
  const look = (key: string, path: string | undefined, isSecret: boolean): Problem[] => {
    const what = path && fileProblem(path, isSecret);
    return what ? [{ key, what }] : [];
  };
  const problems = [
    ...look("database.password_file", database?.password_file, true),
    ...look("database.ca", database?.ca, false),
    ...estProblems(config.est),
    ...namedFileProblems(fileTables(config)),
  ];
  return withoutFirst(problems, renewalTables(config));
}
