/**
 * Where the store's master key comes from: a file, or wrapped beside the store by a key in a token (IMDA RS QKDN
 * §9.3); and the one that it gets next. A rekeying that power failed under leaves two keys, of which one opens the
 * store: all are tried, so it starts with either.
 */
import type { Clock } from "../../base/clock.ts";
import { errorCode, Fault } from "../../base/errors.ts";
import { diskFiles, exists, type FileSystem } from "../../host/disk/files.ts";
import { opensStore } from "./engine/keyring.ts";
import { askToken } from "./hsm/ask.ts";
import type { HsmRequest, Wrapped } from "./hsm/protocol.ts";
import { WrappedFiles } from "./hsm/wrapped-file.ts";
import { readMasterKey } from "./master-key.ts";

/** As the configuration has it. */
export interface HsmTable {
  readonly module: string;
  readonly token?: string | undefined;
  readonly serial?: string | undefined;
  readonly key: string;
  readonly pin_file: string;
  /** ms. */
  readonly answer_timeout: number;
}

export interface MasterKeyConfig {
  readonly km: { readonly id: string; readonly state_dir: string };
  readonly store: {
    readonly master_key_file?: string | undefined;
    readonly master_key_next_file?: string | undefined;
    readonly hsm?: HsmTable | undefined;
  };
}

/** `next_file`: the store has it, and the configuration names another as its master key. */
export type MasterKeyFrom = "file" | "next_file" | "hsm";

/** What is taken from the machine; a test has its own. */
export interface MasterKeyMachine {
  readonly clock: Clock;
  readonly files: FileSystem;
  readonly ask: typeof askToken;
}

export interface MasterKey {
  /** The caller wipes it. */
  readonly key: Buffer;
  readonly from: MasterKeyFrom;
  /**
   * The store has this key, durably: what else there was goes. After an error it can be done again.
   * @throws Fault `hsm.io`
   */
  settle(): Promise<void>;
}

export interface NextMasterKey extends MasterKey {
  /** The store does not get this key: what was made of it goes. @throws Fault `hsm.io` */
  drop(): Promise<void>;
  /** Where the key is until it is settled: without this file the store that has it is lost. */
  readonly file: string;
}

const settled = async () => {};

export function hsmRequest(
  { km, store: { hsm } }: MasterKeyConfig,
  act: HsmRequest["act"],
  more: Partial<HsmRequest> = {},
): HsmRequest {
  if (hsm === undefined) throw new Fault("hsm.token", "the configuration has no [store.hsm]");
  const { module, token, serial, key, pin_file } = hsm;
  const table = { module, ...(token && { token }), ...(serial && { serial }), key, pin_file };
  return { act, ...table, km: km.id, by_hand: false, make_key: false, wrapped: [], ...more };
}

/**
 * The master key that opens the store; of a store that is not there yet, the first of the configuration.
 * @throws Fault `km_store.key`, `hsm.*`
 */
export async function openMasterKey(
  config: MasterKeyConfig,
  clock: Clock,
  machine: Partial<MasterKeyMachine> = {},
): Promise<MasterKey> {
  const whole = { clock, files: diskFiles, ask: askToken, ...machine };
  const { files } = whole;
  const keys = await candidates(config, whole);
  if (keys.length === 0) throw new Fault("km_store.key", "no master key is configured");
  let chosen: MasterKey | undefined;
  try {
    for (const one of keys) chosen ??= await opens(config, one, files);
    if (chosen !== undefined) return chosen;
  } finally {
    for (const one of keys) if (one !== chosen) one.key.fill(0);
  }
  throw new Fault("km_store.key", "the store was made with another master key than these", {
    from: keys.map(({ from }) => from).join(", "),
  });
}

/** @returns undefined if it does not open the store that there is */
async function opens(
  { km }: MasterKeyConfig,
  one: MasterKey,
  files: FileSystem,
): Promise<MasterKey | undefined> {
  try {
    return (await opensStore(files, `${km.state_dir}/store`, one.key)) === false ? undefined : one;
  } catch (error) {
    if (error instanceof Fault) throw error;
    const reason = errorCode(error) ?? "unknown";
    throw new Fault("km_store.io", "the store can't be opened", { reason });
  }
}

async function candidates(
  config: MasterKeyConfig,
  machine: MasterKeyMachine,
): Promise<MasterKey[]> {
  const { files } = machine;
  const { master_key_file, master_key_next_file, hsm } = config.store;
  const keys: MasterKey[] = [];
  if (master_key_file !== undefined) {
    keys.push({ key: readMasterKey(master_key_file), from: "file", settle: settled });
  }
  if (hsm !== undefined) keys.push(...(await unwrapped(config, hsm, machine)));
  if (master_key_next_file !== undefined && (await isThere(files, master_key_next_file))) {
    keys.push({ key: readMasterKey(master_key_next_file), from: "next_file", settle: settled });
  }
  return keys;
}

/** What is wrong with it is said when it is read. */
async function isThere(files: FileSystem, path: string): Promise<boolean> {
  return exists(files, path).catch(() => true);
}

async function unwrapped(
  config: MasterKeyConfig,
  hsm: HsmTable,
  { clock, files, ask }: MasterKeyMachine,
): Promise<MasterKey[]> {
  const wrapped = new WrappedFiles(files, config.km.state_dir);
  const now = await wrapped.read(wrapped.path);
  const next = await wrapped.read(wrapped.nextPath);
  const there = [now, next].filter((one): one is Wrapped => one !== undefined);
  if (there.length === 0) {
    throw new Fault("hsm.key", "there is no wrapped master key yet: qkd-km hsm init", {
      file: wrapped.path,
    });
  }
  const request = hsmRequest(config, "open", { wrapped: there });
  const { masterKeys } = await ask(request, hsm.answer_timeout, clock);
  return there.map((one, i) => ({
    key: masterKeys[i] as Buffer,
    from: "hsm",
    settle: () => (one === next ? wrapped.promote(one) : wrapped.dropNext()),
  }));
}

/**
 * A wrapped key that waits to be the store's may be the only one that opens it, after an order whose end failed. It
 * is settled before another is put in its place.
 * @throws Fault `hsm.*`, `km_store.key` if neither opens the store; then nothing was changed
 */
async function clearNext(
  { km, store: { hsm } }: MasterKeyConfig,
  machine: MasterKeyMachine,
  file: WrappedFiles,
): Promise<void> {
  if (!(await isThere(machine.files, file.nextPath))) return;
  const found = await openMasterKey({ km, store: { hsm } }, machine.clock, machine);
  found.key.fill(0);
  await found.settle();
}

/**
 * The master key that the store is to get: that of `master_key_next_file`, or, where that is not configured, one
 * that is drawn and wrapped by the token.
 * @throws Fault `km_store.key`, `hsm.*`
 */
export async function nextMasterKey(
  config: MasterKeyConfig,
  clock: Clock,
  machine: Partial<MasterKeyMachine> = {},
): Promise<NextMasterKey> {
  const { files, ask } = { files: diskFiles, ask: askToken, ...machine };
  const { master_key_next_file, hsm } = config.store;
  if (master_key_next_file !== undefined) {
    const key = readMasterKey(master_key_next_file);
    return { key, from: "next_file", settle: settled, drop: settled, file: master_key_next_file };
  }
  if (hsm === undefined) {
    throw new Fault("km_store.key", "store.master_key_next_file is not configured");
  }
  const file = new WrappedFiles(files, config.km.state_dir);
  await clearNext(config, { clock, files, ask }, file);
  // Under another label there may be no key yet.
  const request = hsmRequest(config, "make", { make_key: true });
  const answered = await ask(request, hsm.answer_timeout, clock);
  const key = answered.masterKeys[0] as Buffer;
  const wrapped = answered.wrapped as Wrapped;
  try {
    await file.write(file.nextPath, wrapped);
  } catch (error) {
    key.fill(0);
    await file.dropNext().catch(() => {});
    throw error;
  }
  return {
    key,
    from: "hsm",
    settle: () => file.promote(wrapped),
    drop: () => file.dropNext(),
    file: file.nextPath,
  };
}
