/** `qkd-node state check|reset`: the way out when both generations of the small state are gone. */
import { describe, Fault } from "../port/errors.ts";
import { DurableText } from "./durable.ts";
import type { FileSystem } from "./files.ts";
import { readState } from "./state.ts";

export interface StateReport {
  readonly folder: string;
  readonly good: boolean;
  /** Starts so far; absent if it can't be read. */
  readonly boot?: number;
  readonly problem?: string;
}

/** Reads the state and changes nothing. Never throws. */
export async function checkState(files: FileSystem, folder: string): Promise<StateReport> {
  try {
    const state = await readState(files, folder);
    if (state === undefined) return { folder, good: false, problem: "there is none" };
    return { folder, good: true, boot: state.boot };
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
  // Both of what can't be read go; the first write makes generation 1, the second 2.
  for (const which of [0, 1]) await files.remove(`${folder}/state.${which}`);
  await files.syncFolder(folder);
  await new DurableText(files, folder, "state").write(JSON.stringify({ boot, ledgers }));
}
