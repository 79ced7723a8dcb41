/**
 * The bill of materials of an image, CycloneDX 1.6: Debian's packages with what they depend on, and what the
 * programs' own bill has. `sources` says where the source of each is to be had, as its licence asks for.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type Bill, type Component, type Dependency, writeBill } from "../build/bill.ts";
import type { Board } from "./board.ts";
import { debFile, type Lock, type Package } from "./packages.ts";
import { run } from "./run.ts";

/** Of Debian's releases, as scanners name them. */
const numbers: Readonly<Record<string, string>> = { bookworm: "12", trixie: "13" };

/** What a Debian package says of itself. */
export interface DebianFacts {
  readonly name: string;
  readonly version: string;
  /** Its source package, and that one's version. */
  readonly source: string;
  readonly sourceVersion: string;
  /** Names of which one is enough each. */
  readonly needs: readonly (readonly string[])[];
  readonly provides: readonly string[];
}

/** @param text the control file's fields */
export function readControl(text: string): DebianFacts {
  const field = (name: string) => new RegExp(`^${name}: (.*)$`, "mi").exec(text)?.[1] ?? "";
  const [name, version] = [field("Package"), field("Version")];
  const bare = (one: string) => one.trim().replace(/[\s:(].*$/, "");
  const list = (of: string) => of.split(",").filter((one) => one.trim() !== "");
  const [, source = name, sourceVersion = version] =
    /^(\S+)(?: \((.*)\))?$/.exec(field("Source")) ?? [];
  return {
    name,
    version,
    source,
    sourceVersion,
    needs: [...list(field("Pre-Depends")), ...list(field("Depends"))].map((one) =>
      one.split("|").map(bare),
    ),
    provides: list(field("Provides")).map(bare),
  };
}

/** Short names of the licences in a copyright file of Debian's format; none where it is free text. */
export function licencesIn(copyright: string): string[] {
  if (!/^Format:.*copyright-format/m.test(copyright)) return [];
  const names = [...copyright.matchAll(/^License: *(\S[^\n]*)$/gm)].map(([, name = ""]) =>
    name.trim(),
  );
  return [...new Set(names)].sort();
}

export interface ImageBill {
  readonly version: string;
  readonly board: Board;
  /** The unpacked root file system: copyright files are in it. */
  readonly tree: string;
  /** Of the programs. */
  readonly programs: Bill;
}

/** @returns the bill, and the list of sources; the same for the same image */
export async function bill(
  lock: Lock,
  parts: ImageBill,
): Promise<{ bill: string; sources: string }> {
  const facts = await Promise.all(lock.packages.map(factsOf));
  return assemble(lock, facts, parts);
}

async function factsOf(one: Package): Promise<DebianFacts> {
  return readControl(await run("dpkg-deb", ["-f", debFile(one)]));
}

/** {@link bill}, of facts that are known. */
export function assemble(
  lock: Pick<Lock, "release" | "date" | "packages">,
  facts: readonly DebianFacts[],
  { version, board, tree, programs }: ImageBill,
) {
  const refs = new Map(facts.map((one) => [one.name, purlOf(one, lock.release)]));
  const providers = new Map<string, string>();
  for (const { name, provides } of facts) for (const one of provides) providers.set(one, name);
  const debian = facts.map((one, i): Component => {
    const names = licencesOf(tree, one.name);
    const ref = refs.get(one.name) as string;
    return {
      type: "library",
      "bom-ref": ref,
      name: one.name,
      version: one.version,
      purl: ref,
      licenses: names.map((name) => ({ license: { name } })),
      hashes: [{ alg: "SHA-256", content: lock.packages[i]?.sha256 ?? "" }],
      properties: [{ name: "debian:source", value: `${one.source} ${one.sourceVersion}` }],
    };
  });
  const edges = facts.map((one): Dependency => {
    const needed = one.needs.flatMap((any) => {
      const there = any.find((name) => refs.has(name) || providers.has(name));
      const ref =
        there === undefined
          ? undefined
          : refs.get(refs.has(there) ? there : (providers.get(there) as string));
      // What the image leaves out is not in it.
      return ref === undefined || ref === refs.get(one.name) ? [] : [ref];
    });
    return { ref: refs.get(one.name) as string, dependsOn: [...new Set(needed)].sort() };
  });
  const own = `pkg:generic/${board.compatible}@${version}`;
  const image: Bill = {
    component: {
      type: "firmware",
      "bom-ref": own,
      name: board.compatible,
      version,
      purl: own,
      licenses: [{ expression: "Apache-2.0" }],
    },
    components: [programs.component, ...programs.components, ...debian],
    dependencies: [
      { ref: own, dependsOn: [programs.component["bom-ref"], ...refs.values()].sort() },
      ...programs.dependencies,
      ...edges,
    ],
  };
  return {
    bill: writeBill(image, `${lock.date}T00:00:00Z`),
    sources: sourcesText(facts, programs),
  };
}

function purlOf({ name, version, source }: DebianFacts, release: string): string {
  const distro = `debian-${numbers[release] ?? release}`;
  const upstream = source === name ? "" : `&upstream=${encodeURIComponent(source)}`;
  return `pkg:deb/debian/${encodeURIComponent(name)}@${encodeURIComponent(version)}?arch=arm64&distro=${distro}${upstream}`;
}

function licencesOf(tree: string, name: string): string[] {
  const path = join("usr/share/doc", name, "copyright");
  const file = join(tree, path);
  const names = existsSync(file) ? licencesIn(readFileSync(file, "utf8")) : [];
  return names.length > 0 ? names : [`see /${path}`];
}

function sourcesText(facts: readonly DebianFacts[], { components }: Bill): string {
  const debian = new Set(facts.map((one) => `${one.source}=${one.sourceVersion}`));
  const npm = components.filter(({ purl }) => purl?.startsWith("pkg:npm/"));
  return `Sources of what is in this image
================================

For three years from when you received it, whoever made this image for you gives you, upon request and for no more
than the cost of sending it, the complete corresponding source of all of its parts. You need not ask: it is public.

The programs of qkd-node: with their sources comes scripts/image, which builds this image.
Node.js ${components.find(({ name }) => name === "node")?.version}: https://nodejs.org/dist/; its licence is /usr/lib/qkd-node/runtime/LICENSE.
Packages of npm, whose licences are in /usr/lib/qkd-node/licences.txt (npm pack NAME@VERSION):

${npm.map(({ name, version }) => `  ${name}@${version}\n`).join("")}
Debian, unchanged; licences are in /usr/share/doc/*/copyright (apt-get source NAME=VERSION, with deb-src lines of
the release, or of https://snapshot.debian.org at the date of the bill of materials; the kernel is among them):

${[...debian]
  .sort()
  .map((one) => `  ${one}\n`)
  .join("")}`;
}
