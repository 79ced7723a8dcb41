/**
 * Configurations on a machine: each in a folder of its own in `sites`, the one in force behind the link
 * `site`, which is changed in one step; `before` leads to the one to go back to. What others read, such as
 * `/etc/qkd-node/node.toml`, is a link through `site`. `.untried` leads to the one on trial, until it is kept:
 * {@link revertUntried} goes back from it after a power cut.
 */
import type { Dirent } from "node:fs";
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { errorCode } from "../../base/errors.ts";
import { readRecord, recordFile, type SiteRecord } from "./decide.ts";
import { syncFolder, writeNew } from "./durable.ts";
import { readFolder } from "./folder.ts";
import { isSiteFile, keysFile, listed, type SiteFiles } from "./manifest.ts";
import { forgetNotTaken, noteNotTaken, notTakenFile, readNotTaken } from "./not-taken.ts";
import { openPorts, portsFile } from "./ports.ts";
import { machineNames, makeSeal, type Sealer, sealers } from "./seal.ts";

export interface SiteHome {
  /** `/etc/qkd-node` */
  readonly home: string;
  /** Where networkd looks: `/etc/systemd/network`. */
  readonly network: string;
  /** Group of who may read the configuration; undefined: the process's own. */
  readonly gid: number | undefined;
}

/** Without a key there is no seal, and that program does not run with the configuration. */
export type SealKeys = Readonly<Partial<Record<Sealer, Buffer | undefined>>>;

/** Where `before` leads if there was none. */
const blank = "blank";
/** Hidden: neither {@link isBlank} nor a seal, nor an older image, takes it for a part of a configuration. */
const untriedName = ".untried";
const readable = 0o644;

/** Whether no configuration was ever taken; one that a power cut kept from being counts for nothing. */
export function isBlank({ home }: Pick<SiteHome, "home">): boolean {
  return list(home).every(
    ({ name }) =>
      machineNames.includes(name) ||
      name.startsWith(".") ||
      targetOf(join(home, name)) === `site/${name}`,
  );
}

/** The configuration in force; undefined if there is none, or it has no record. */
export function currentSite({
  home,
}: Pick<SiteHome, "home">):
  | { readonly record: SiteRecord; readonly keys: string | undefined }
  | undefined {
  const site = join(home, "site");
  const record = readRecord(textOf(join(site, recordFile)) ?? "");
  return record && { record, keys: textOf(join(site, keysFile)) };
}

/**
 * Writes a configuration beside the one in force, durably; nothing is changed by that.
 * @param keys the private key of each program that runs with it
 * @returns its folder's name, for {@link switchSite} @throws system errors
 */
export function stageSite(
  where: SiteHome,
  files: SiteFiles,
  record: SiteRecord,
  keys: SealKeys,
): string {
  const { home, gid } = where;
  const sites = join(home, "sites");
  mkdirSync(sites, { recursive: true, mode: 0o755 });
  const inForce = targetOf(join(home, "site"));
  const name = [record.serial, `${record.serial}-again`].find((one) => `sites/${one}` !== inForce);
  const folder = join(sites, "new");
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { mode: 0o755 });
  const content = Buffer.from(`${JSON.stringify(record)}\n`);
  for (const { name } of listed(files)) {
    const path = join(folder, name);
    mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
    // Other services read these, as users of their own.
    const mode = name.includes("/") ? readable : 0o640;
    writeNew(path, files.get(name) as Buffer, { mode, gid });
    syncFolder(dirname(path));
  }
  writeNew(join(folder, recordFile), content, { mode: readable, gid });
  for (const [who, key] of Object.entries(keys) as [Sealer, Buffer | undefined][]) {
    if (key === undefined) continue;
    const seal = `${makeSeal(content, key, who).toString("hex")}\n`;
    writeNew(join(folder, sealers[who].file), seal, { mode: readable, gid });
  }
  writeNew(join(folder, portsFile), `${openPorts(files).join(", ")}\n`, { mode: readable, gid });
  syncFolder(folder);
  const final = join(sites, String(name));
  rmSync(final, { recursive: true, force: true });
  renameSync(folder, final);
  syncFolder(sites);
  return String(name);
}

/**
 * Puts a staged configuration in force, on trial: until {@link keepSite}, {@link revertUntried} goes back to the one
 * before. @throws system errors: it may be in force all the same, on trial
 */
export function switchSite(where: SiteHome, name: string): void {
  const { home } = where;
  const fresh = `sites/${name}`;
  // One that was never kept is nothing to go back to: what was before it stays that.
  if (!isOnTrial(home)) {
    const before = isBlank(where) ? blank : targetOf(join(home, "site"));
    if (before === undefined) remove(home, "before");
    else link(home, "before", before);
  }
  if (targetOf(join(home, "before")) !== undefined) link(home, untriedName, fresh);
  // What came of an earlier one is told no more.
  forgetNotTaken(home);
  // Names of the new one lead nowhere until the switch, and those of the old one after it.
  linkFiles(where, fresh);
  link(home, "site", fresh);
  tidy(where);
}

/**
 * Goes back to the configuration before; a machine that was blank is blank again. Cut in its midst, it can be done again.
 * @param why told of the one that is gone back from
 * @returns whether there was anything to go back to @throws system errors
 */
export function revertSite(where: SiteHome, why: string): boolean {
  const { home } = where;
  const before = targetOf(join(home, "before"));
  if (before === undefined) return false;
  note(where, before, why);
  if (before === blank) remove(home, "site");
  else {
    linkFiles(where, before);
    link(home, "site", before);
  }
  tidy(where);
  // All is done by then, and as long as a trial is on record `before` says where to go back to.
  remove(home, untriedName);
  remove(home, "before");
  return true;
}

/**
 * Goes back from a configuration that is on trial, such as after a power cut; does nothing if none is.
 * @param why as for {@link revertSite} @returns whether it went back @throws system errors
 */
export function revertUntried(where: SiteHome, why: string): boolean {
  return isOnTrial(where.home) && revertSite(where, why);
}

/**
 * Ends the trial: the configuration in force stays. Once the node runs with its first one there is no way back
 * to none. @throws system errors
 */
export function keepSite({ home }: Pick<SiteHome, "home">): void {
  // This decides, in one step.
  remove(home, untriedName);
  if (targetOf(join(home, "before")) === blank) remove(home, "before");
}

/** Notes which one is gone back from, and why: before its folder is removed. */
function note({ home, gid }: SiteHome, before: string, why: string): void {
  const folder = targetOf(join(home, untriedName)) ?? targetOf(join(home, "site"));
  // Gone back from already, but for the last step; or that is noted, and was cut in its midst.
  if (folder === undefined || folder === before) return;
  if (readNotTaken(home)?.folder === folder) return;
  try {
    const serial = readRecord(textOf(join(home, folder, recordFile)) ?? "")?.serial;
    noteNotTaken(home, { folder, ...(serial !== undefined && { serial }), why }, gid);
  } catch {
    // A full disk must not keep the machine from going back.
  }
}

/** Whether a configuration is on trial; the power may have gone before it was in force. */
function isOnTrial(home: string): boolean {
  return targetOf(join(home, untriedName)) !== undefined;
}

/** Links to each file, from where it is looked for. */
function linkFiles({ home, network }: SiteHome, site: string): void {
  const names = [...readFolder(join(home, site)).keys()].filter(isSiteFile);
  const tops = names.map((name) => name.split("/")[0] as string);
  for (const top of new Set(tops)) if (top !== "network") link(home, top, `site/${top}`);
  for (const name of names.filter((name) => name.startsWith("network/"))) {
    link(network, name.slice("network/".length), join(home, "site", name));
  }
}

/** Removes links that lead nowhere any more, and configurations that are neither in force nor the one before. */
function tidy({ home, network }: SiteHome): void {
  const site = join(home, "site");
  const inForce = targetOf(site);
  const names =
    inForce === undefined ? [] : [...readFolder(join(home, inForce)).keys()].filter(isSiteFile);
  const tops = new Set(names.map((name) => name.split("/")[0]));
  for (const { name } of list(home)) {
    const own = [untriedName, notTakenFile, "site"];
    const kept = own.includes(name) || machineNames.includes(name);
    if (!kept && !tops.has(name)) removeAll(join(home, name));
  }
  for (const { name } of list(network)) {
    if (!names.includes(`network/${name}`)) removeAll(join(network, name));
  }
  const used = [inForce, targetOf(join(home, "before"))];
  for (const { name } of list(join(home, "sites"))) {
    if (!used.includes(`sites/${name}`)) removeAll(join(home, "sites", name));
  }
  for (const folder of [home, network, join(home, "sites")]) syncFolder(folder);
}

/** Makes a link, or replaces what has its name, in one step where that is no folder. */
function link(folder: string, name: string, target: string): void {
  const path = join(folder, name);
  if (targetOf(path) === target) return;
  const fresh = join(folder, `.${name}.new`);
  rmSync(fresh, { recursive: true, force: true });
  symlinkSync(target, fresh);
  if (list(folder).some((one) => one.name === name && one.isDirectory())) removeAll(path);
  renameSync(fresh, path);
  syncFolder(folder);
}

/** Removes a link, durably, if it is there. */
function remove(folder: string, name: string): void {
  rmSync(join(folder, name), { force: true });
  syncFolder(folder);
}

function removeAll(path: string): void {
  rmSync(path, { recursive: true, force: true });
}

/** Where a link leads; undefined if it is none. */
function targetOf(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}

function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (errorCode(error) === "ENOENT" || errorCode(error) === "ENOTDIR") return undefined;
    throw error;
  }
}

function list(path: string): Dirent[] {
  try {
    return readdirSync(path, { withFileTypes: true });
  } catch (error) {
    if (errorCode(error) === "ENOENT") return [];
    throw error;
  }
}
