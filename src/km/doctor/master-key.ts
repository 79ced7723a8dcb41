/** Is the master key there, and is it the one of this store? */
import { existsSync, readdirSync } from "node:fs";
import { describe, Fault } from "../../base/errors.ts";
import { diskFiles } from "../../host/disk/files.ts";
import { isCredential } from "../../ops/doctor/configuration.ts";
import { type Finding, fail, ok, skip } from "../../ops/doctor/finding.ts";
import type { KmConfig } from "../config/load.ts";
import { Keyring } from "../io/engine/keyring.ts";
import { readMasterKey } from "../io/master-key.ts";

const name = ["master_key", "master key"] as const;

/** A store is never begun here. */
function noChance(): never {
  throw new Fault("km_store.corrupt", "a doctor makes no keys");
}

/** @param runs the key manager runs: it has the store open */
export async function checkMasterKey({ km, store }: KmConfig, runs: boolean): Promise<Finding> {
  const file = store.master_key_file;
  if (isCredential(file) && !existsSync(file)) {
    return skip(name, `${file} is a credential that only the service sees`);
  }
  let masterKey: Buffer;
  try {
    masterKey = readMasterKey(file);
  } catch (error) {
    const denied = /EACCES|EPERM/.test(describe(error));
    if (denied) return skip(name, `${file} is the service's; ask as root to look at it`);
    const advice =
      "put the key of this store back, from where it is kept safe; without it the stock is lost";
    return fail(name, describe(error), advice);
  }
  const folder = `${km.state_dir}/store`;
  const keyring = new Keyring(diskFiles, folder, noChance);
  try {
    if (runs) return ok(name, `${file}; the store is open`);
    if (!isThere(folder)) return ok(name, `${file}; there is no store yet`);
    await keyring.open(masterKey, false);
    return ok(name, `${file}; it opens the store`);
  } catch (error) {
    const { code } = error as { code?: string };
    if (code === "km_store.io") return skip(name, `${folder} is the service's; ask as root`);
    const advice =
      code === "km_store.key"
        ? "put back the master key with which the store was made; nothing else opens it"
        : "qkd-km store check says what is damaged; see A damaged store in docs/operations.md";
    return fail(name, describe(error), advice);
  } finally {
    masterKey.fill(0);
    keyring.wipe();
  }
}

function isThere(folder: string): boolean {
  try {
    return readdirSync(folder).length > 0;
  } catch {
    return false;
  }
}
