/**
 * The bill of materials of the programs (CycloneDX 1.6): what is in the production build and nothing else, as
 * esbuild's own account of it has it, with addons and the Node.js that they run on.
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Metafile } from "esbuild";
import { softwareVersion } from "../../src/base/version.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const packageFolder = /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+/;

export interface Component {
  readonly type: string;
  readonly "bom-ref": string;
  readonly name: string;
  readonly version: string;
  readonly purl?: string;
  readonly cpe?: string;
  readonly licenses?: readonly object[];
  readonly hashes?: readonly { readonly alg: string; readonly content: string }[];
  readonly properties?: readonly { readonly name: string; readonly value: string }[];
  readonly components?: readonly Component[];
}

export interface Dependency {
  readonly ref: string;
  readonly dependsOn: readonly string[];
}

export interface Bill {
  readonly component: Component;
  readonly components: readonly Component[];
  readonly dependencies: readonly Dependency[];
}

/**
 * Programs that are part of Node.js' own, by their names in `process.versions`: as scanners know them. What is
 * not here is no software (`modules`, `unicode`), or Node's own (`ncrypto`).
 */
const partsOfNode: Readonly<
  Record<string, { readonly name: string; readonly cpe?: string; readonly npm?: true }>
> = {
  acorn: { name: "acorn", npm: true },
  ada: { name: "ada" },
  amaro: { name: "amaro", npm: true },
  ares: { name: "c-ares", cpe: "c-ares:c-ares" },
  brotli: { name: "brotli", cpe: "google:brotli" },
  icu: { name: "icu", cpe: "unicode:international_components_for_unicode" },
  llhttp: { name: "llhttp", cpe: "llhttp:llhttp" },
  nghttp2: { name: "nghttp2", cpe: "nghttp2:nghttp2" },
  openssl: { name: "openssl", cpe: "openssl:openssl" },
  simdjson: { name: "simdjson" },
  simdutf: { name: "simdutf" },
  sqlite: { name: "sqlite", cpe: "sqlite:sqlite" },
  undici: { name: "undici", npm: true },
  uv: { name: "libuv", cpe: "libuv:libuv" },
  uvwasi: { name: "uvwasi" },
  v8: { name: "v8", cpe: "google:v8" },
  zlib: { name: "zlib", cpe: "zlib:zlib" },
  zstd: { name: "zstd", cpe: "facebook:zstandard" },
};

function purl(type: string, name: string, version: string): string {
  return `pkg:${type}/${name.replace("@", "%40")}@${encodeURIComponent(version)}`;
}

/** A version as upstream has it: without what Node.js or Chromium put behind it. */
function upstream(version: string): string {
  return version.replace(/-(?:node|motley).*$/, "");
}

/** Node.js and its parts. @param versions its `process.versions` @param hashes of its program */
export function nodeComponent(
  versions: Readonly<Record<string, string | undefined>>,
  hashes: Component["hashes"] = [],
): Component {
  const version = versions.node ?? "";
  const components = Object.entries(partsOfNode).flatMap(([key, { name, cpe, npm }]) => {
    const own = versions[key];
    if (own === undefined || own === "") return [];
    const at = upstream(own);
    const ref = purl(npm ? "npm" : "generic", name, at);
    return [
      {
        type: "library",
        "bom-ref": `node/${ref}`,
        name,
        version: at,
        purl: ref,
        ...(cpe !== undefined && { cpe: `cpe:2.3:a:${cpe}:${at}:*:*:*:*:*:*:*` }),
      },
    ];
  });
  const ref = purl("generic", "node", version);
  return {
    type: "platform",
    "bom-ref": ref,
    name: "node",
    version,
    purl: ref,
    cpe: `cpe:2.3:a:nodejs:node.js:${version}:*:*:*:-:*:*:*`,
    licenses: [{ license: { id: "MIT" } }, { license: { name: "see runtime/LICENSE: all parts" } }],
    ...(hashes.length > 0 && { hashes }),
    components,
  };
}

/** Parts of addons that are compiled in: of these no package of npm tells. */
function compiledIn(name: string): Component[] {
  if (name !== "node-hid") return [];
  const version = readFileSync(join(root, "node_modules/node-hid/hidapi/VERSION"), "utf8").trim();
  const ref = purl("generic", "hidapi", version);
  const licenses = [{ license: { id: "BSD-3-Clause" } }];
  return [{ type: "library", "bom-ref": ref, name: "hidapi", version, purl: ref, licenses }];
}

interface Locked {
  readonly version: string;
  readonly integrity?: string;
  readonly license?: string;
}

/**
 * @param metafile esbuild's account of the bundles
 * @param more folders of packages of which something is copied beside the bundles
 * @throws Error where a package is not in the lockfile
 */
export function billOf(
  { inputs, outputs }: Pick<Metafile, "inputs" | "outputs">,
  more: readonly string[],
  node: Component,
): Bill {
  const lock = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")).packages as Record<
    string,
    Locked
  >;
  const folders = new Set<string>(more);
  const edges = new Map<string, Set<string>>();
  const own = purl("generic", "qkd-node", softwareVersion);
  const refOf = (folder: string) => {
    const { version } = lockedOf(lock, folder);
    return purl("npm", nameOf(folder), version);
  };
  // What was looked at and left out is not in it.
  const written = Object.values(outputs).flatMap((one) => Object.entries(one.inputs));
  const used = new Set(written.flatMap(([file, { bytesInOutput: n }]) => (n > 0 ? [file] : [])));
  for (const file of used) {
    const folder = packageFolder.exec(file)?.[0];
    if (folder !== undefined) folders.add(folder);
  }
  for (const [file, { imports }] of Object.entries(inputs)) {
    const from = packageFolder.exec(file)?.[0];
    if (from !== undefined && !folders.has(from)) continue;
    const of = from === undefined ? own : refOf(from);
    const known = edges.get(of) ?? new Set<string>();
    edges.set(of, known);
    for (const { path } of imports) {
      const to = packageFolder.exec(path)?.[0];
      if (to !== undefined && folders.has(to) && refOf(to) !== of) known.add(refOf(to));
    }
  }
  const components = new Map<string, Component>();
  for (const folder of [...folders].sort()) {
    const name = nameOf(folder);
    const { version, integrity, license } = lockedOf(lock, folder);
    const ref = refOf(folder);
    const parts = compiledIn(name);
    components.set(ref, {
      type: "library",
      "bom-ref": ref,
      name,
      version,
      purl: ref,
      ...(license !== undefined && { licenses: [{ expression: license }] }),
      ...(integrity !== undefined && { hashes: [sha512(integrity)] }),
      ...(parts.length > 0 && { components: parts }),
    });
  }
  const asked = edges.get(own) ?? new Set<string>();
  edges.set(own, asked);
  // What is copied, or loaded by its file's name, nothing imports: the programs need it all the same.
  const loaded = Object.values(outputs).flatMap(
    (one) => packageFolder.exec(one.entryPoint ?? "") ?? [],
  );
  for (const folder of [...more, ...loaded]) asked.add(refOf(folder));
  asked.add(node["bom-ref"]);
  const dependencies = [...edges].map(([ref, to]) => ({ ref, dependsOn: [...to].sort() }));
  return {
    component: {
      type: "application",
      "bom-ref": own,
      name: "qkd-node",
      version: softwareVersion,
      purl: own,
      licenses: [{ expression: "Apache-2.0" }],
    },
    components: [...components.values(), node],
    dependencies: dependencies.sort(({ ref: a }, { ref: b }) => (a < b ? -1 : 1)),
  };
}

/** The same without what a particular build lacks. */
export function withoutComponents(bill: Bill, lacks: (one: Component) => boolean): Bill {
  const gone = new Set(bill.components.filter(lacks).map((one) => one["bom-ref"]));
  return {
    ...bill,
    components: bill.components.filter((one) => !gone.has(one["bom-ref"])),
    dependencies: bill.dependencies
      .filter(({ ref }) => !gone.has(ref))
      .map(({ ref, dependsOn }) => ({ ref, dependsOn: dependsOn.filter((one) => !gone.has(one)) })),
  };
}

function nameOf(folder: string): string {
  return folder.replace(/^.*node_modules\//, "");
}

/** What the lockfile says of a package. @throws Error if it says nothing */
function lockedOf(lock: Readonly<Record<string, Locked>>, folder: string): Locked {
  const known = lock[folder.replace(/^.*?(?=node_modules\/)/, "")];
  if (known === undefined) throw new Error(`${folder} is not in package-lock.json`);
  return known;
}

export function sha512(integrity: string) {
  const content = Buffer.from(integrity.replace("sha512-", ""), "base64").toString("hex");
  return { alg: "SHA-512", content };
}

/** @param timestamp RFC 3339 @returns JSON, the same for the same content; its serial number is of the content */
export function writeBill(
  { component, components, dependencies }: Bill,
  timestamp?: string,
): string {
  const content = {
    metadata: { ...(timestamp !== undefined && { timestamp }), component },
    components,
    dependencies,
  };
  const hash = createHash("sha256").update(JSON.stringify(content)).digest("hex");
  const head = {
    bomFormat: "CycloneDX",
    specVersion: "1.6",
    serialNumber: uuidOf(hash),
    version: 1,
  };
  return `${JSON.stringify({ ...head, ...content }, null, 1)}\n`;
}

/** RFC 9562 version 8: bits of our own. */
function uuidOf(hash: string): string {
  const variant = "89ab"[Number.parseInt(hash[16] ?? "0", 16) & 3];
  const parts = [hash.slice(0, 8), hash.slice(8, 12), `8${hash.slice(13, 16)}`];
  return `urn:uuid:${parts.join("-")}-${variant}${hash.slice(17, 20)}-${hash.slice(20, 32)}`;
}
