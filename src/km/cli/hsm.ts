/** `qkd-km hsm init|check`: the wrapping key in a token, and the master key that it wraps. */
import { type Clock, systemClock } from "../../base/clock.ts";
import { Fault } from "../../base/errors.ts";
import { exit } from "../../base/exit-codes.ts";
import { diskFiles, exists } from "../../host/disk/files.ts";
import { lockFolder } from "../../host/disk/lock.ts";
import type { KmConfig } from "../config/load.ts";
import { opensStore } from "../io/engine/keyring.ts";
import { askToken, type HsmAnswered } from "../io/hsm/ask.ts";
import type { Wrapped } from "../io/hsm/protocol.ts";
import { WrappedFiles } from "../io/hsm/wrapped-file.ts";
import { readMasterKey } from "../io/master-key.ts";
import { hsmRequest } from "../io/master-key-source.ts";

/** What was done, for programs. */
interface HsmDone {
  readonly token: string;
  readonly serial: string;
  readonly key: string;
  readonly made_key?: boolean;
  readonly file: string;
}

/**
 * @param adopt file of a master key that there is already
 * @returns the exit code @throws Fault
 */
export async function hsmCommand(
  config: KmConfig,
  act: "init" | "check",
  { json, adopt }: { readonly json: boolean; readonly adopt?: string | undefined },
): Promise<number> {
  const done = act === "init" ? await init(config, systemClock, adopt) : await check(config);
  const { token, serial, key, made_key, file } = done;
  const lines =
    act === "init"
      ? [
          `token          ${token}, serial number ${serial}`,
          `wrapping key   ${key}, ${made_key ? "made" : "was there"}`,
          `master key     ${adopt === undefined ? "drawn" : "taken over"}, wrapped in ${file}`,
        ]
      : [
          `token          ${token}, serial number ${serial}`,
          `wrapping key   ${key}: opens ${file}`,
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

async function check(config: KmConfig): Promise<HsmDone> {
  const files = new WrappedFiles(diskFiles, config.km.state_dir);
  const wrapped = await files.read(files.path);
  if (wrapped === undefined) {
    const facts = { file: files.path };
    throw new Fault("hsm.key", "there is no wrapped master key yet: qkd-km hsm init", facts);
  }
  const request = hsmRequest(config, "open", { by_hand: true, wrapped: [wrapped] });
  const answered = await askToken(request, timeoutOf(config), systemClock);
  for (const one of answered.masterKeys) one.fill(0);
  const { token, serial } = answered;
  return { token, serial, key: wrapped.key, file: files.path };
}

function timeoutOf({ store: { hsm } }: KmConfig): number {
  return hsm?.answer_timeout ?? 0;
}
