/** `qkd-node state check|reset`: the way out when both generations of the small state are gone. */
import { describe, Fault } from "../../base/errors.ts";
import type { FileSystem } from "../../host/disk/files.ts";
import { readState, writeState } from "./state.ts";

export interface StateReport {
  readonly folder: string;
  /** It can be used; with a `problem` if one generation was lost. */
  readonly good: boolean;
  /** Starts so far; absent if it can't be read. */
  readonly boot?: number;
  readonly problem?: string;
}

/** Reads the state and changes nothing. Never throws. */
export async function checkState(files: FileSystem, folder: string): Promise<StateReport> {
  try {
    const found = await readState(files, folder);
    if (found === undefined) return { folder, good: false, problem: "there is none" };
    const { state, lost } = found;
    const problem = lost && `${lost.file} is ${lost.why}: the other generation is used`;
    return { folder, good: true, boot: state.boot, ...(problem && { problem }) };
  } catch (error) {
    return { folder, good: false, problem: describe(error) };
  }
}

/**
 * Writes a new state in place of one that can't be read.
 * @param boot starts so far, at least: the manager has seen the last; too small a number makes new
 *   events look old
 * @throws Fault `state.io`; `state.corrupt` if the state is good and must not be reset
 */
export async function resetState(
  files: FileSystem,
  folder: string,
  boot: number,
  ledgers: readonly string[],
): Promise<void> {
  if ((await checkState(files, folder)).good) {
    throw new Fault("state.corrupt", "the state is good: it is not reset", { folder });
  }
  // Both of what can't be read go; what is new is on both generations.
  for (const which of [0, 1]) await files.remove(`${folder}/state.${which}`);
  await files.syncFolder(folder);
  await writeState(files, folder, { boot, ledgers: [...ledgers], kms_lost: true });
}
