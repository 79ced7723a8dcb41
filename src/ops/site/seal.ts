/**
 * The seals of a configuration, one for each program that runs with it: an HMAC over its record by a key derived
 * from that program's private key, which is sealed to the TPM where there is one. Who changes the disk elsewhere
 * cannot make one, nor can a program that was taken over make another's.
 */
import { createHmac, hkdfSync, timingSafeEqual } from "node:crypto";
import { lstatSync, readdirSync, readFileSync, readlinkSync, realpathSync } from "node:fs";
import { join } from "node:path";
import { errorCode } from "../../base/errors.ts";
import { readRecord, recordFile } from "./decide.ts";
import { readFolder, SiteError } from "./folder.ts";
import { differ } from "./manifest.ts";

/** Who runs with a configuration, and by what its seal is made. */
export const sealers = {
  node: { file: "seal", credential: "node.key", purpose: "qkd-node site seal 1" },
  km: { file: "seal-km", credential: "km.key", purpose: "qkd-km site seal 1" },
  controller: {
    file: "seal-controller",
    credential: "controller.key",
    purpose: "qkd-controller site seal 1",
  },
} as const;
export type Sealer = keyof typeof sealers;

/** What a machine that was never configured has in its home: its identity, and room for configurations. */
export const machineNames: readonly string[] = [
  "id",
  "node.csr",
  "node.csr.new",
  "sites",
  "before",
];

/** @param key the program's private key, as its file has it; it is not changed */
export function makeSeal(record: Buffer, key: Buffer, who: Sealer): Buffer {
  const derived = Buffer.from(hkdfSync("sha256", key, "", sealers[who].purpose, 32));
  try {
    return createHmac("sha256", derived).update(record).digest();
  } finally {
    derived.fill(0);
  }
}

/**
 * Checks the configuration in `home` (`/etc/qkd-node`) against its seal.
 * @param key the private key of the program that is to run with it
 * @returns what is wrong, as a text without content of files; undefined if nothing is
 */
export function checkSeal(home: string, key: Buffer, who: Sealer): string | undefined {
  try {
    const site = join(home, "site");
    const record = readFileSync(join(site, recordFile));
    const seal = Buffer.from(readFileSync(join(site, sealers[who].file), "latin1").trim(), "hex");
    const right = makeSeal(record, key, who);
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
    if (name === "site" || machineNames.includes(name) || name.startsWith(".")) return false;
    const path = join(home, name);
    return !lstatSync(path).isSymbolicLink() || readlinkSync(path) !== `site/${name}`;
  });
  return found === undefined ? undefined : `a file beside it does not belong to it: ${found}`;
}
