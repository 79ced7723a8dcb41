/** The licences of what is in the bundle, as their authors ask for: one text file. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Metafile } from "esbuild";

const packageFolder = /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+/;

/** Folders of the packages of which something is in the bundle, in order of their names. */
export function bundledPackages(metafile: Metafile): string[] {
  const folders = Object.keys(metafile.inputs).flatMap((file) => packageFolder.exec(file) ?? []);
  return [...new Set(folders)].sort();
}

/**
 * @param folders of the packages, relative to the current folder
 * @throws Error where a package does not say under what licence it is
 */
export function collectLicences(folders: readonly string[]): string {
  return folders.map(describePackage).join("\n");
}

function describePackage(folder: string): string {
  const { name, version, license } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  if (typeof license !== "string") throw new Error(`${name}: no licence in its package.json`);
  const file = readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry));
  const text = file === undefined ? "" : `\n${readFileSync(join(folder, file), "utf8").trim()}\n`;
  return `${"=".repeat(78)}\n${name} ${version}: ${license}\n${text}`;
}
