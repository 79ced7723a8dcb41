/**
 * A site's configuration as it is signed: names, sizes and hashes of its files, the node that it is for, and a
 * serial that only rises. Ed25519 over {@link signedBytes}. Pure.
 */
import { createHash, type KeyObject, sign, verify } from "node:crypto";
import * as v from "valibot";
import { isPublicKey, publicKey } from "../commands/jws.ts";

export const manifestFile = "manifest.json";
export const signatureFile = "manifest.sig";
/** Public keys that later configurations may be signed by: a file of the configuration itself. */
export const keysFile = "site-keys";

export const mostFiles = 64;
/** Longest file, bytes. */
export const longestFile = 262_144;
const mostKeys = 16;
const signatureLength = 64;

/** Says what is signed, so that a signature for something else is none for this. */
const purpose = "qkd-node site configuration 1\n";

const part = "[A-Za-z0-9][A-Za-z0-9_-]{0,63}(?:\\.[A-Za-z0-9_-]{1,64}){0,4}";
const allowed = new RegExp(
  `^(?:${keysFile}|${part}\\.(?:toml|crt|pem|crl)|chrony/${part}\\.sources|network/${part}\\.network)$`,
);

/** Whether a configuration may have a file of this name, relative to its folder. */
export function isSiteFile(name: string): boolean {
  return name.length <= 160 && allowed.test(name);
}

const fileSchema = v.strictObject({
  name: v.pipe(v.string(), v.check(isSiteFile)),
  bytes: v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(longestFile)),
  sha256: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/)),
});

const schema = v.strictObject({
  kind: v.literal("qkd-node site configuration"),
  v: v.literal(1),
  /** The node's ID. */
  node: v.pipe(v.string(), v.regex(/^[\w.-]{1,64}$/)),
  /** Greater than that of the configuration before. */
  serial: v.pipe(v.number(), v.safeInteger(), v.minValue(1)),
  issued: v.pipe(v.string(), v.isoTimestamp(), v.maxLength(40)),
  files: v.pipe(v.array(fileSchema), v.minLength(1), v.maxLength(mostFiles)),
});

export type Manifest = v.InferOutput<typeof schema>;
export type SiteFile = Manifest["files"][number];
/** Contents by name, relative to the configuration's folder. */
export type SiteFiles = ReadonlyMap<string, Buffer>;

/** A key that may sign configurations. */
export interface SiteKey {
  readonly id: string;
  readonly key: KeyObject;
}

export function sha256(content: Buffer): string {
  return createHash("sha256").update(content).digest("hex");
}

/** The files of a configuration, in order, without manifest and signature. */
export function listed(files: SiteFiles): SiteFile[] {
  return [...files]
    .filter(([name]) => isSiteFile(name))
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, content]) => ({ name, bytes: content.length, sha256: sha256(content) }));
}

/** @param issued ms since 1970 UTC @throws an error of valibot if it would be none */
export function makeManifest(
  files: SiteFiles,
  {
    node,
    serial,
    issued,
  }: { readonly node: string; readonly serial: number; readonly issued: number },
): Buffer {
  const manifest: Manifest = v.parse(schema, {
    kind: "qkd-node site configuration",
    v: 1,
    node,
    serial,
    issued: new Date(issued).toISOString(),
    files: listed(files),
  });
  return Buffer.from(`${JSON.stringify(manifest, null, 1)}\n`);
}

function signedBytes(manifest: Buffer): Buffer {
  return Buffer.concat([Buffer.from(purpose), manifest]);
}

/** The signature's file: the key's ID, and the signature in base64url. */
export function signManifest(manifest: Buffer, { id, key }: SiteKey): Buffer {
  const signature = sign(null, signedBytes(manifest), key).toString("base64url");
  return Buffer.from(`${id} ${signature}\n`);
}

/**
 * Reads keys, one a line: an ID, a space, 32 bytes in base64url. Lines that begin with `#` are comments.
 * @returns undefined if a line is no key, or there are too many
 */
export function readKeys(text: string): ReadonlyMap<string, KeyObject> | undefined {
  const keys = new Map<string, KeyObject>();
  for (const line of text.split(/\r?\n/)) {
    if (line === "" || line.startsWith("#")) continue;
    const [, id, x] = /^([\w.-]{1,64}) ([\w-]{43})$/.exec(line) ?? [];
    if (id === undefined || x === undefined || !isPublicKey(x) || keys.has(id)) return undefined;
    keys.set(id, publicKey(x));
  }
  return keys.size > mostKeys ? undefined : keys;
}

export interface Verified {
  readonly manifest: Manifest;
  /** Who signed it. */
  readonly keyId: string;
}

/**
 * Whether files are those that a key has signed: each that is named is there, and no other.
 * @param keys who may sign
 * @returns why not, as a text
 */
export function verifySite(
  files: SiteFiles,
  keys: ReadonlyMap<string, KeyObject>,
): Verified | string {
  const bytes = files.get(manifestFile);
  const signature = files.get(signatureFile);
  if (bytes === undefined || signature === undefined) return "it is not signed";
  const [, keyId = "", text = ""] =
    /^([\w.-]{1,64}) ([\w-]+)\r?\n?$/.exec(signature.toString("latin1")) ?? [];
  const signed = Buffer.from(text, "base64url");
  if (signed.length !== signatureLength) return "its signature is none";
  const key = keys.get(keyId);
  if (key === undefined) return "it is signed by a key that is not known here";
  if (!verify(null, signedBytes(bytes), key, signed)) return "its signature does not match";
  const manifest = readManifest(bytes);
  if (manifest === undefined) return "its manifest is none";
  const why = differ(manifest.files, files);
  return why ?? { manifest, keyId };
}

function readManifest(bytes: Buffer): Manifest | undefined {
  try {
    const result = v.safeParse(schema, JSON.parse(bytes.toString("utf8")));
    return result.success ? result.output : undefined;
  } catch {
    return undefined;
  }
}

/** @returns which file is not as it is listed; undefined if all are */
export function differ(
  list: readonly Omit<SiteFile, "bytes">[],
  files: SiteFiles,
): string | undefined {
  const names = new Set(list.map(({ name }) => name));
  if (names.size !== list.length) return "a file is listed twice";
  for (const { name, sha256: hash } of list) {
    const content = files.get(name);
    if (content === undefined) return `${name} is missing`;
    if (sha256(content) !== hash) return `${name} was changed`;
  }
  const extra = [...files.keys()].find((name) => isSiteFile(name) && !names.has(name));
  return extra === undefined ? undefined : `${extra} is not listed`;
}
