/** `qkd-km hsm init|check`: the wrapping key in a token, and the master key that it wraps. */
import { type Clock, systemClock } from "../../base/clock.ts";
import { describe, Fault } from "../../base/errors.ts";
import { exit } from "../../base/exit-codes.ts";
import { ConfigError } from "../../host/config/problems.ts";
import { diskFiles, exists } from "../../host/disk/files.ts";
import { lockFolder } from "../../host/disk/lock.ts";
import { type KmConfig, loadKmConfig } from "../config/load.ts";
import { opensStore } from "../io/engine/keyring.ts";
import { askToken, type HsmAnswered } from "../io/hsm/ask.ts";
import type { Wrapped } from "../io/hsm/protocol.ts";
import { WrappedFiles } from "../io/hsm/wrapped-file.ts";
import { readMasterKey } from "../io/master-key.ts";
import { fitsStore, hsmRequest, unwrapAll } from "../io/master-key-source.ts";

/** What was done, for programs. */
interface HsmDone {
  readonly token: string;
  readonly serial: string;
  readonly key: string;
  readonly made_key: boolean;
  readonly file: string;
}

/** One file with a master key. */
interface CheckedFile {
  readonly file: string;
  /** Label of the wrapping key. */
  readonly key?: string | undefined;
  /** Absent if there is no store yet, or the key can't be had. */
  readonly opens_store?: boolean | undefined;
  /** Why the key can't be had. */
  readonly problem?: string | undefined;
}

/** What was found, for programs. */
interface HsmChecked {
  readonly token: string;
  readonly serial: string;
  /** Those of the file that opens the store, or would begin it. */
  readonly key?: string | undefined;
  readonly file: string;
  readonly good: boolean;
  readonly files: readonly CheckedFile[];
}

/**
 * @param file the configuration
 * @param adopt file of a master key that there is already
 * @returns the exit code: 1 if what was checked opens no store @throws Fault; ConfigError without a token
 */
export async function hsmCommand(
  file: string,
  act: "init" | "check",
  { json, adopt }: { readonly json: boolean; readonly adopt?: string | undefined },
): Promise<number> {
  const config = loadKmConfig(file);
  if (config.store.hsm === undefined) {
    throw new ConfigError("config.value", [
      `${file}: store.hsm: missing: there is no token to ask`,
    ]);
  }
  if (act === "check") {
    const checked = await check(config);
    process.stdout.write(`${json ? JSON.stringify(checked) : checkedText(checked)}\n`);
    return checked.good ? exit.ok : exit.failed;
  }
  const done = await init(config, systemClock, adopt);
  const { token, serial, key, made_key, file: wrapped } = done;
  const lines = [
    `token          ${token}, serial number ${serial}`,
    `wrapping key   ${key}, ${made_key ? "made" : "was there"}`,
    `master key     ${adopt === undefined ? "drawn" : "taken over"}, wrapped in ${wrapped}`,
  ];
  process.stdout.write(json ? `${JSON.stringify(done)}\n` : `${lines.join("\n")}\n`);
  return exit.ok;
}

async function init(config: KmConfig, clock: Clock, adopt: string | undefined): Promise<HsmDone> {
  const { state_dir } = config.km;
  await diskFiles.makeFolder(state_dir);
  const lock = await lockFolder(state_dir);
  const key = adopt === undefined ? undefined : readMasterKey(adopt);
  let answered: HsmAnswered | undefined;
  try {
    const files = new WrappedFiles(diskFiles, state_dir);
    for (const path of [files.path, files.nextPath]) {
      if (!(await exists(diskFiles, path))) continue;
      throw new Fault("hsm.key", "there is a wrapped master key already: nothing was done", {
        file: path,
      });
    }
    await mustFit(state_dir, key);
    const request = hsmRequest(config, key === undefined ? "make" : "adopt", {
      by_hand: true,
      make_key: true,
    });
    answered = await askToken(request, timeoutOf(config), clock, key);
    const wrapped = answered.wrapped as Wrapped;
    await files.write(files.path, wrapped);
    const { token, serial, made_key } = answered;
    return { token, serial, key: wrapped.key, made_key, file: files.path };
  } finally {
    key?.fill(0);
    for (const one of answered?.masterKeys ?? []) one.fill(0);
    await lock.release();
  }
}

/** A store that there is already opens with the master key that it was made with, and no other. */
async function mustFit(stateDir: string, key: Buffer | undefined): Promise<void> {
  const folder = `${stateDir}/store`;
  const fits = await opensStore(diskFiles, folder, key ?? Buffer.alloc(32));
  if (fits === undefined || fits) return;
  const what =
    key === undefined
      ? "there is a store with another master key: take it over with --adopt FILE, then qkd-km rekey"
      : "the store was made with another master key";
  throw new Fault("km_store.key", what, { folder });
}

/** @returns what a start would find @throws Fault where nothing that is wrapped can be had */
async function check(config: KmConfig): Promise<HsmChecked> {
  const machine = { clock: systemClock, files: diskFiles, ask: askToken };
  const { token, all } = await unwrapAll(config, machine, true);
  const files: CheckedFile[] = [];
  try {
    for (const { file, label, key, why } of all) {
      const opens = key && (await fitsStore(config, key, diskFiles));
      const problem = why && describe(why);
      files.push({ file, key: label, opens_store: opens, problem });
    }
  } finally {
    for (const { key } of all) key?.fill(0);
  }
  const next = config.store.master_key_next_file;
  if (next !== undefined && (await exists(diskFiles, next).catch(() => false))) {
    files.push(await checkFile(config, next));
  }
  const good = files.find((one) => one.opens_store) ?? files.find(isFirst);
  const { file, key } = good ?? (files[0] as CheckedFile);
  return { ...token, key, file, good: good !== undefined, files };
}

/** A key that was had, and there is no store yet. */
function isFirst({ problem, opens_store }: CheckedFile): boolean {
  return problem === undefined && opens_store === undefined;
}

async function checkFile(config: KmConfig, file: string): Promise<CheckedFile> {
  const key = readMasterKey(file);
  try {
    return { file, opens_store: await fitsStore(config, key, diskFiles) };
  } finally {
    key.fill(0);
  }
}

function checkedText({ token, serial, files, good }: HsmChecked): string {
  const lines = files.map(({ file, key, opens_store, problem }) => {
    const by = key === undefined ? "" : `, wrapped by ${key}`;
    if (problem !== undefined) return `can't be had: ${problem}`;
    if (opens_store === undefined) return `${file}${by}: there is no store yet`;
    return `${file}${by}: ${opens_store ? "opens the store" : "is not that of the store"}`;
  });
  return [
    `token          ${token}, serial number ${serial}`,
    ...lines.map((line) => `master key     ${line}`),
    ...(good ? [] : ["None opens the store: it was made with another master key."]),
  ].join("\n");
}

function timeoutOf({ store: { hsm } }: KmConfig): number {
  return hsm?.answer_timeout ?? 0;
}
