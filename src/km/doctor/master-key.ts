/** Is the master key there, and is it the one of this store? A token is looked for, without a PIN: it counts wrong ones. */
import { existsSync } from "node:fs";
import { systemClock } from "../../base/clock.ts";
import { describe, errorCode, Fault } from "../../base/errors.ts";
import { diskFiles } from "../../host/disk/files.ts";
import { isCredential } from "../../ops/doctor/configuration.ts";
import { type Finding, fail, ok, skip, warn } from "../../ops/doctor/finding.ts";
import type { KmConfig } from "../config/load.ts";
import { opensStore } from "../io/engine/keyring.ts";
import { askToken } from "../io/hsm/ask.ts";
import { WrappedFiles } from "../io/hsm/wrapped-file.ts";
import { readMasterKey } from "../io/master-key.ts";
import { type HsmTable, hsmRequest } from "../io/master-key-source.ts";
import { notOurs } from "./not-ours.ts";

const name = ["master_key", "master key"] as const;

/** @param runs the key manager runs: it has the store open */
export async function checkMasterKey(config: KmConfig, runs: boolean): Promise<Finding> {
  const { km, store } = config;
  const { master_key_file: file, master_key_next_file: next } = store;
  if (store.hsm !== undefined) return checkToken(config, store.hsm, runs);
  if (file === undefined) return skip(name, "none is configured");
  if (isCredential(file) && !existsSync(file)) {
    return skip(name, `${file} is a credential that only the service sees`);
  }
  try {
    const opened = await opens(file, km.state_dir);
    if (opened === undefined && !runs) return ok(name, `${file}; there is no store yet`);
    if (opened) return ok(name, `${file}; it opens the store${runs ? ", which is open" : ""}`);
    if (next !== undefined && existsSync(next) && (await opens(next, km.state_dir)) === true) {
      return ok(name, `${next}, to be put in the place of ${file}; it opens the store`);
    }
    const advice = "put back the master key with which the store was made; nothing else opens it";
    if (opened === undefined) {
      const where = `${km.state_dir}/store`;
      return fail(name, `the store is open, and not in ${where} any more`, "bring it back there");
    }
    const open = runs ? "the store is open, and the next start would fail: " : "";
    return fail(name, `${open}${file}: the store was made with another master key`, advice);
  } catch (error) {
    return notOurs(name, error, km.state_dir) ?? unreadable(error, runs);
  }
}

/** What a start needs, as far as it can be seen without a PIN, also while the store is open. */
async function checkToken(config: KmConfig, hsm: HsmTable, runs: boolean): Promise<Finding> {
  const { state_dir } = config.km;
  if (isCredential(hsm.pin_file) && !existsSync(hsm.pin_file)) {
    return skip(name, `in a token; its PIN is a credential that only the service sees`);
  }
  try {
    const files = new WrappedFiles(diskFiles, state_dir);
    const next = await files.read(files.nextPath).catch(() => undefined);
    const now = await files.read(files.path).catch((error) => {
      if (next === undefined) throw error;
    });
    await askToken(hsmRequest(config, "look"), hsm.answer_timeout, systemClock);
    if (now === undefined && next === undefined) {
      const advice = runs
        ? "put it back, or qkd-km rekey while it runs: that makes another"
        : "put it back; for a new key manager: qkd-km hsm init";
      return fail(name, `${files.path} is not there: no start without it`, advice);
    }
    if (!runs)
      return skip(name, "the token is there; qkd-km hsm check says whether it opens the store");
    if (next === undefined) return ok(name, "in a token, which is there; the store is open");
    const advice =
      "keep both files; qkd-km hsm check says which opens the store, the next re-key or start settles it";
    return warn(name, `in a token; ${files.nextPath} is left of a re-key`, advice);
  } catch (error) {
    const ours = notOurs(name, error, state_dir);
    if (ours !== undefined) return ours;
    const why = error instanceof Fault ? describe(error) : (errorCode(error) ?? "unknown");
    const file = config.store.master_key_next_file;
    if (file !== undefined && (await opens(file, state_dir).catch(() => false)) === true) {
      const advice = `make it master_key_file and take [store.hsm] out, or mend the token: ${why}`;
      return warn(
        name,
        `${file} opens the store; the token that is configured, too, is of no use`,
        advice,
      );
    }
    const what = runs ? `the store is open, and the next start would fail: ${why}` : why;
    return fail(name, what, "qkd-km check-config, and the table of an HSM in docs/operations.md");
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

function unreadable(error: unknown, runs: boolean): Finding {
  const reason = error instanceof Fault ? describe(error) : (errorCode(error) ?? "unknown");
  const why = runs ? `the store is open, and the next start would fail: ${reason}` : reason;
  const isKey = error instanceof Fault && error.code === "km_store.key";
  const advice = isKey
    ? "put the key of this store back, from where it is kept safe; without it the stock is lost"
    : "qkd-km store check says what is damaged";
  return fail(name, why, advice);
}
