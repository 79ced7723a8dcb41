/**
 * The seal of a configuration: an HMAC over its record by a key derived from the node's private key, which is
 * sealed to the TPM where there is one. Who changes the disk elsewhere cannot make it.
 */
import { createHmac, hkdfSync, timingSafeEqual } from "node:crypto";
import { lstatSync, readdirSync, readFileSync, readlinkSync, realpathSync } from "node:fs";
import { join } from "node:path";
import { errorCode } from "../../base/errors.ts";
import { readRecord, recordFile } from "./decide.ts";
import { readFolder, SiteError } from "./folder.ts";
import { differ } from "./manifest.ts";

export const sealFile = "seal";
/** Beside links into the configuration, what its home may have. */
const others = ["id", "node.csr", "node.csr.new", "site", "sites", "before"];

/** @param key the node's private key, as its file has it; it is not changed */
export function makeSeal(record: Buffer, key: Buffer): Buffer {
  const derived = Buffer.from(hkdfSync("sha256", key, "", "qkd-node site seal 1", 32));
  try {
    return createHmac("sha256", derived).update(record).digest();
  } finally {
    derived.fill(0);
  }
}

/**
 * Checks the configuration in `home` (`/etc/qkd-node`) against its seal.
 * @param key the node's private key
 * @returns what is wrong, as a text without content of files; undefined if nothing is
 */
export function checkSeal(home: string, key: Buffer): string | undefined {
  try {
    const site = join(home, "site");
    const record = readFileSync(join(site, recordFile));
    const seal = Buffer.from(readFileSync(join(site, sealFile), "latin1").trim(), "hex");
    const right = makeSeal(record, key);
    if (seal.length !== right.length || !timingSafeEqual(seal, right)) {
      return "its seal is not this machine's";
    }
    const files = readRecord(record.toString("utf8"))?.files;
    if (files === undefined) return "its record cannot be read";
    return differ(files, readFolder(realpathSync(site))) ?? stranger(home);
  } catch (error) {
    if (error instanceof SiteError) return error.message;
    return errorCode(error) === "ENOENT" ? "it has no seal" : `${errorCode(error) ?? "unreadable"}`;
  }
}

/** A name in `home` that leads to something that the seal does not cover. */
function stranger(home: string): string | undefined {
  const found = readdirSync(home).find((name) => {
    // What begins with a dot a power cut left, and no configuration names it.
    if (others.includes(name) || name.startsWith(".")) return false;
    const path = join(home, name);
    return !lstatSync(path).isSymbolicLink() || readlinkSync(path) !== `site/${name}`;
  });
  return found === undefined ? undefined : `a file beside it does not belong to it: ${found}`;
}
