/** Is the master key there, and is it the one of this store? A token is not asked: it counts wrong PINs. */
import { existsSync } from "node:fs";
import { describe, errorCode, Fault } from "../../base/errors.ts";
import { diskFiles } from "../../host/disk/files.ts";
import { isCredential } from "../../ops/doctor/configuration.ts";
import { type Finding, fail, ok, skip } from "../../ops/doctor/finding.ts";
import type { KmConfig } from "../config/load.ts";
import { opensStore } from "../io/engine/keyring.ts";
import { readMasterKey } from "../io/master-key.ts";
import { notOurs } from "./not-ours.ts";

const name = ["master_key", "master key"] as const;

/** @param runs the key manager runs: it has the store open */
export async function checkMasterKey({ km, store }: KmConfig, runs: boolean): Promise<Finding> {
  const { master_key_file: file, master_key_next_file: next } = store;
  if (store.hsm !== undefined && runs) return ok(name, "in a token; the store is open");
  if (store.hsm !== undefined) return skip(name, "in a token, which qkd-km hsm check asks");
  if (file === undefined) return skip(name, "none is configured");
  if (isCredential(file) && !existsSync(file)) {
    return skip(name, `${file} is a credential that only the service sees`);
  }
  try {
    if (runs) return ok(name, `${file}; the store is open`);
    const opened = await opens(file, km.state_dir);
    if (opened === undefined) return ok(name, `${file}; there is no store yet`);
    if (opened) return ok(name, `${file}; it opens the store`);
    if (next !== undefined && existsSync(next) && (await opens(next, km.state_dir)) === true) {
      return ok(name, `${next}, to be put in the place of ${file}; it opens the store`);
    }
    const advice = "put back the master key with which the store was made; nothing else opens it";
    return fail(name, `${file}: the store was made with another master key`, advice);
  } catch (error) {
    return notOurs(name, error, km.state_dir) ?? unreadable(error);
  }
}

/** @returns undefined if no store is there @throws Fault, or a system error */
async function opens(file: string, stateDir: string): Promise<boolean | undefined> {
  const masterKey = readMasterKey(file);
  try {
    return await opensStore(diskFiles, `${stateDir}/store`, masterKey);
  } finally {
    masterKey.fill(0);
  }
}

function unreadable(error: unknown): Finding {
  const why = error instanceof Fault ? describe(error) : (errorCode(error) ?? "unknown");
  const isKey = error instanceof Fault && error.code === "km_store.key";
  const advice = isKey
    ? "put the key of this store back, from where it is kept safe; without it the stock is lost"
    : "qkd-km store check says what is damaged";
  return fail(name, why, advice);
}
