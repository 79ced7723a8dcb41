/** Whether a machine takes a site's configuration, and what is recorded of it. Pure. */
import type { KeyObject } from "node:crypto";
import * as v from "valibot";
import {
  keysFile,
  listed,
  manifestFile,
  readKeys,
  type SiteFiles,
  verifySite,
} from "./manifest.ts";

const recordSchema = v.strictObject({
  v: v.literal(1),
  node: v.string(),
  /** 0: it was not signed. */
  serial: v.pipe(v.number(), v.safeInteger(), v.minValue(0)),
  issued: v.optional(v.string()),
  /** The key that it is signed by. */
  signed_by: v.optional(v.string()),
  /** `unsigned`: trust in this and all before it began with an unsigned configuration. */
  provisioned: v.picklist(["signed", "unsigned"]),
  files: v.array(v.strictObject({ name: v.string(), sha256: v.string() })),
});

/** What a machine records of the configuration that it runs with. */
export type SiteRecord = v.InferOutput<typeof recordSchema>;

export const recordFile = "record.json";

/** @returns undefined if it is no record */
export function readRecord(text: string): SiteRecord | undefined {
  try {
    const result = v.safeParse(recordSchema, JSON.parse(text));
    return result.success ? result.output : undefined;
  } catch {
    return undefined;
  }
}

export interface Machine {
  /** The node's ID. */
  readonly node: string;
  /** Keys in the image, which verified boot covers. */
  readonly imageKeys: ReadonlyMap<string, KeyObject>;
  /** No configuration was ever taken. */
  readonly blank: boolean;
  /** Of the configuration that it has. */
  readonly current: { readonly record: SiteRecord; readonly keys: string | undefined } | undefined;
  /** The panel's key switch says maintenance. */
  readonly turned: boolean;
}

/** @returns what is to be recorded, or why the configuration is refused */
export function judgeSite(files: SiteFiles, machine: Machine): SiteRecord | string {
  const { node, imageKeys, blank, current, turned } = machine;
  if (!files.has("node.toml")) return "there is no node.toml";
  if (!blank && !turned) {
    return "the node has a configuration; turn the key switch to maintenance to replace it";
  }
  const own = files.get(keysFile)?.toString("latin1");
  const brought = readKeys(own ?? "");
  if (brought === undefined) return `${keysFile} has a line that is no key`;
  const files_ = listed(files).map(({ name, sha256 }) => ({ name, sha256 }));
  if (blank && imageKeys.size === 0 && !files.has(manifestFile)) {
    return { v: 1, node, serial: 0, provisioned: "unsigned", files: files_ };
  }
  // The first configuration of a blank machine is believed about its own keys, and that is told ever after.
  const pinned = blank && imageKeys.size === 0 ? brought : (readKeys(current?.keys ?? "") ?? []);
  const verified = verifySite(files, new Map([...pinned, ...imageKeys]));
  if (typeof verified === "string") return verified;
  const { manifest, keyId } = verified;
  if (manifest.node !== node) return "it is signed for another node";
  const { serial, issued } = manifest;
  if (serial <= (current?.record.serial ?? 0)) {
    return `its serial ${serial} is not greater than ${current?.record.serial}, which is here`;
  }
  const rooted = imageKeys.has(keyId) || current?.record.provisioned === "signed";
  const provisioned = rooted ? "signed" : "unsigned";
  return { v: 1, node, serial, issued, signed_by: keyId, provisioned, files: files_ };
}
