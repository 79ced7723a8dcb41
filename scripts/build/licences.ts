/** The licences of what is in the bundle, as their authors ask for: one text file. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Metafile } from "esbuild";

const root = fileURLToPath(new URL("../..", import.meta.url));
const packageFolder = /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+/;

/** Folders of the packages of which something is in the bundle, in order of their names. */
export function bundledPackages(metafile: Metafile): string[] {
  const folders = Object.keys(metafile.inputs).flatMap((file) => packageFolder.exec(file) ?? []);
  return [...new Set(folders)].sort();
}

/**
 * @param folders of the packages, relative to the current folder
 * @throws Error where a package does not say under what licence it is, or its text is not known
 */
export function collectLicences(folders: readonly string[]): string {
  return folders.map(describePackage).join("\n");
}

function describePackage(folder: string): string {
  const { name, version, license } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  if (typeof license !== "string") throw new Error(`${name}: no licence in its package.json`);
  const text = textIn(folder) ?? textElsewhere(name, folder);
  if (text === undefined) throw new Error(`${name}: ${license}, and its text is not in ${folder}`);
  return [describe(`${name} ${version}: ${license}`, text), ...compiledIn(name, folder)].join("\n");
}

function describe(title: string, text: string): string {
  return `${"=".repeat(78)}\n${title}\n\n${text.trim()}\n`;
}

/** A file of its own, or a part of its README. */
function textIn(folder: string): string | undefined {
  const names = readdirSync(folder);
  const file = names.find((entry) => /^licen[cs]e/i.test(entry));
  if (file !== undefined) return readFileSync(join(folder, file), "utf8");
  const readme = names.find((entry) => /^readme(\.|$)/i.test(entry));
  const text = readme === undefined ? "" : readFileSync(join(folder, readme), "utf8");
  const part = /^#+ *licen[cs]e *\n([\s\S]*?)(?=^#|(?![\s\S]))/im.exec(text)?.[1];
  // A name alone is no text.
  return part !== undefined && /copyright/i.test(part) ? part : undefined;
}

/** Of packages that come without one. */
function textElsewhere(name: string, folder: string): string | undefined {
  if (name.startsWith("@koromix/koffi-")) return textIn(join(root, "node_modules/koffi"));
  if (name !== "@bufbuild/protobuf") return undefined;
  // At the head of its files, which the bundle has without comments.
  const heads = ["index.js", "wire/varint.js"].map((file) => {
    const lines = readFileSync(join(folder, "dist/cjs", file), "utf8")
      .split("\n")
      .slice(1);
    const end = lines.findIndex((line) => !line.startsWith("//"));
    return lines.slice(0, end).map((line) => line.replace(/^\/\/ ?/, ""));
  });
  const apache = "The text of the Apache License 2.0 is that of these programs: LICENSE.";
  return heads.every(([first]) => first?.startsWith("Copyright"))
    ? [...heads.map((lines) => lines.join("\n")), apache].join("\n\n")
    : undefined;
}

/** Of parts of an addon of which npm does not tell. */
function compiledIn(name: string, folder: string): string[] {
  if (name !== "node-hid") return [];
  const read = (file: string) => readFileSync(join(folder, "hidapi", file), "utf8").trim();
  return [describe(`hidapi ${read("VERSION")}: BSD-3-Clause`, read("LICENSE-bsd.txt"))];
}
