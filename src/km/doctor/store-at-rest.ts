/** Would the store open? Asked of a key manager that does not run: of one that does it is in its status. */
import { existsSync } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { describe, errorCode, Fault } from "../../base/errors.ts";
import { bytes, whole } from "../../host/terminal/units.ts";
import { type Finding, fail, ok, skip, warn } from "../../ops/doctor/finding.ts";
import type { KmConfig } from "../config/load.ts";
import { checkStore, isWhole, type StoreCheck } from "../io/engine/check.ts";
import { readMasterKey } from "../io/master-key.ts";
import { lockAtRest } from "../io/store-lock.ts";
import { notOurs } from "./not-ours.ts";

const name = ["store", "store"] as const;
/** A larger one is left to `qkd-km store check`: a doctor that takes minutes is not waited for. */
const mostBytes = 200_000_000;

export async function checkStoreAtRest({ km, store }: KmConfig): Promise<Finding> {
  const { master_key_file: file } = store;
  const folder = `${km.state_dir}/store`;
  if (file === undefined || !existsSync(file)) {
    return skip(name, "qkd-km store check reads it, with the master key");
  }
  let masterKey: Buffer | undefined;
  try {
    if (!existsSync(`${folder}/store`)) return skip(name, "there is none yet");
    const size = await sizeOf(folder);
    if (size > mostBytes) return skip(name, `${bytes(size)}: qkd-km store check reads all of it`);
    masterKey = readMasterKey(file);
    const lock = await lockAtRest(km.state_dir);
    try {
      return ofCheck(await checkStore({ folder, masterKey }), size);
    } finally {
      lock.release();
    }
  } catch (error) {
    return notOurs(name, error, km.state_dir) ?? unopened(error);
  } finally {
    masterKey?.fill(0);
  }
}

async function sizeOf(folder: string): Promise<number> {
  const all = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = all.filter((one) => one.isFile());
  const sizes = await Promise.all(files.map((one) => stat(join(one.parentPath, one.name))));
  return sizes.reduce((sum, { size }) => sum + size, 0);
}

function ofCheck(check: StoreCheck, size: number): Finding {
  const { waiting_keys, extents } = check;
  const there = `opens: ${whole(waiting_keys)} QKD-keys wait, ${whole(extents)} extents, ${bytes(size)}`;
  if (isWhole(check)) return ok(name, there);
  return warn(name, `${there}; some of it is damaged`, "qkd-km store check says what");
}

function unopened(error: unknown): Finding {
  if (!(error instanceof Fault)) {
    return fail(name, `cannot be read: ${errorCode(error) ?? "unknown"}`, advice);
  }
  if (error.code === "state.locked") return skip(name, "a key manager has it open, or is starting");
  // Told by the check of the master key.
  if (error.code === "km_store.key") return skip(name, "does not open with this master key");
  return fail(name, describe(error), advice);
}

const advice =
  "it would not start: qkd-km store check and repair; else put back a backup of this end, and of this end only";
