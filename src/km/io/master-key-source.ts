/**
 * Where the store's master key comes from: a file, or wrapped beside the store by a key in a token (IMDA RS QKDN
 * §9.3); and the one that it gets next. A rekeying that power failed under leaves two keys, of which one opens the
 * store: all are tried, so it starts with either.
 */
import type { Clock } from "../../base/clock.ts";
import { errorCode, Fault } from "../../base/errors.ts";
import { diskFiles, exists, type FileSystem } from "../../host/disk/files.ts";
import { opensStore } from "./engine/keyring.ts";
import { askToken, type HsmAnswered } from "./hsm/ask.ts";
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
  /** A token is not waited for any more: `stopped`. */
  readonly stop?: AbortSignal | undefined;
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
  /** Other keys that are configured or lie beside the store, and can't be had: why. */
  readonly useless?: readonly Fault[];
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
 * @throws Fault `km_store.key`, `hsm.*`, `stopped`
 */
export async function openMasterKey(
  config: MasterKeyConfig,
  clock: Clock,
  machine: Partial<MasterKeyMachine> = {},
): Promise<MasterKey> {
  const whole = { clock, files: diskFiles, ask: askToken, ...machine };
  const { files } = whole;
  const { keys, useless } = await candidates(config, whole);
  if (keys.length === 0) throw new Fault("km_store.key", "no master key is configured");
  let chosen: MasterKey | undefined;
  try {
    for (const one of keys) {
      if (chosen !== undefined) break;
      const fits = await fitsStore(config, one.key, files);
      if (fits === undefined) await assertNew(config, files);
      if (fits !== false) chosen = one;
    }
    if (chosen !== undefined) return { ...chosen, useless };
  } finally {
    for (const one of keys) if (one !== chosen) one.key.fill(0);
  }
  // That may be the one.
  if (useless[0] !== undefined) throw useless[0];
  throw new Fault("km_store.key", "the store was made with another master key than these", {
    from: keys.map(({ from }) => from).join(", "),
  });
}

/** A next wrapped key is only ever made for a store that is there: that one may have it alone. */
async function assertNew({ km }: MasterKeyConfig, files: FileSystem): Promise<void> {
  const file = new WrappedFiles(files, km.state_dir).nextPath;
  if (!(await isThere(files, file))) return;
  const what =
    "there is no store, and a wrapped master key of one that was re-keyed: bring it back";
  throw new Fault("km_store.io", what, { file });
}

/** Whether it opens the store. @returns undefined if there is none yet @throws Fault `km_store.*` */
export async function fitsStore(
  { km }: Pick<MasterKeyConfig, "km">,
  key: Uint8Array,
  files: FileSystem,
): Promise<boolean | undefined> {
  try {
    return await opensStore(files, `${km.state_dir}/store`, key);
  } catch (error) {
    if (error instanceof Fault) throw error;
    const reason = errorCode(error) ?? "unknown";
    throw new Fault("km_store.io", "the store can't be opened", { reason });
  }
}

async function candidates(
  config: MasterKeyConfig,
  machine: MasterKeyMachine,
): Promise<{ keys: MasterKey[]; useless: Fault[] }> {
  const { files } = machine;
  const { master_key_file, master_key_next_file, hsm } = config.store;
  const keys: MasterKey[] = [];
  const useless: Fault[] = [];
  if (master_key_file !== undefined) {
    keys.push({ key: readMasterKey(master_key_file), from: "file", settle: settled });
  }
  const hasNext =
    master_key_next_file !== undefined && (await isThere(files, master_key_next_file));
  if (hsm !== undefined) {
    try {
      for (const { key, why, settle } of (await unwrapAll(config, machine)).all) {
        if (key !== undefined) keys.push({ key, from: "hsm", settle });
        if (why !== undefined) useless.push(why);
      }
    } catch (error) {
      // A store that got a key from a file, since its token is broken, starts without the token.
      if (!hasNext || !(error instanceof Fault) || error.code === "stopped") throw error;
      useless.push(error);
    }
  }
  if (hasNext) {
    keys.push({ key: readMasterKey(master_key_next_file), from: "next_file", settle: settled });
  }
  return { keys, useless };
}

/** What is wrong with it is said when it is read. */
async function isThere(files: FileSystem, path: string): Promise<boolean> {
  return exists(files, path).catch(() => true);
}

/** A file with a wrapped master key: the key in it, or why it can't be had. */
export interface Unwrapped {
  readonly file: string;
  /** Label of its wrapping key, where the file can be read. */
  readonly label?: string | undefined;
  /** The caller wipes it. */
  readonly key?: Buffer;
  readonly why?: Fault;
  /** As {@link MasterKey.settle}. */
  settle(): Promise<void>;
}

/**
 * What lies wrapped beside the store, the next one last: each is opened for itself, at one login.
 * @param byHand a person asks
 * @throws Fault `hsm.*` if none can be had; `hsm.key` also if there is none
 */
export async function unwrapAll(
  config: MasterKeyConfig,
  { clock, files, ask, stop }: MasterKeyMachine,
  byHand = false,
): Promise<{ readonly token: Pick<HsmAnswered, "token" | "serial">; readonly all: Unwrapped[] }> {
  const wrapped = new WrappedFiles(files, config.km.state_dir);
  const found: { file: string; content?: Wrapped; why?: Fault }[] = [];
  for (const file of [wrapped.path, wrapped.nextPath]) {
    try {
      const content = await wrapped.read(file);
      if (content !== undefined) found.push({ file, content });
    } catch (why) {
      if (!(why instanceof Fault)) throw why;
      found.push({ file, why });
    }
  }
  const readable = found.filter((one) => one.content !== undefined);
  const [first] = readable;
  if (first === undefined) throw found[0]?.why ?? noneYet(wrapped.path);
  const request = hsmRequest(config, "open", {
    by_hand: byHand,
    wrapped: readable.map(({ content }) => content as Wrapped),
  });
  const limit = config.store.hsm?.answer_timeout ?? 0;
  const answered = await ask(request, limit, clock, undefined, stop).catch((error) => {
    throw of(first.file, error);
  });
  const { refused = [], masterKeys, token, serial } = answered;
  const keys = [...masterKeys];
  const all = found.map(({ file, content, why }): Unwrapped => {
    const settle = () =>
      file === wrapped.nextPath ? wrapped.promote(content as Wrapped) : wrapped.dropNext();
    if (content === undefined) return { file, why: why as Fault, settle };
    const label = content.key;
    const no = refused.find(({ at }) => readable[at]?.file === file);
    if (no !== undefined) {
      return { file, label, why: of(file, new Fault("hsm.key", no.message, no.facts)), settle };
    }
    return { file, label, key: keys.shift() as Buffer, settle };
  });
  return { token: { token, serial }, all };
}

function noneYet(file: string): Fault {
  return new Fault("hsm.key", "there is no wrapped master key yet: qkd-km hsm init", { file });
}

/** The same about a file; what is not about the key in it is about the token. */
function of<E>(file: string, error: E): E | Fault {
  if (!(error instanceof Fault) || error.code !== "hsm.key") return error;
  return new Fault(error.code, error.message, { ...error.facts, file });
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
