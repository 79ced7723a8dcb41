/** `qkd-node ledger check|repair`: what can be said of a ledger, and the way out when it is damaged. */

import { Fault } from "../../base/errors.ts";
import { exists, type FileSystem, readWhole, replaceFile } from "../../host/disk/files.ts";
import { isWithheld } from "../keys/life.ts";
import type { LedgerEntry } from "../keys/ports.ts";
import { LedgerIndex } from "./ledger-index.ts";
import { encodeEntry, fileHeader, maxFile, recordLength } from "./ledger-record.ts";
import { type Salvage, salvage, scan } from "./ledger-scan.ts";

export interface LedgerReport {
  readonly file: string;
  /** `torn`: power failed in a write; the node cuts that itself. */
  readonly condition: "good" | "torn" | "damaged" | "missing";
  /** Intact records. */
  readonly records: number;
  /** Where damaged records are, bytes; at most 100 of them. */
  readonly damaged_at: readonly number[];
  /** Blocks that the module was not yet seen to release. */
  readonly blocks: number;
  readonly complete: number;
  readonly withheld: number;
  /** Keys in quarantine. */
  readonly quarantined: number;
}

const mostShown = 100;
/** These name blocks that are yet to come, or none. */
const aboutLater: readonly LedgerEntry["kind"][] = ["cut", "claimed", "paired"];

async function read(files: FileSystem, file: string): Promise<Buffer | undefined> {
  return readWhole(files, file, maxFile);
}

function indexOf(entries: readonly LedgerEntry[]): LedgerIndex {
  const index = new LedgerIndex();
  for (const entry of entries) index.apply(entry);
  return index;
}

function conditionOf(bytes: Buffer, file: string): "good" | "torn" | "damaged" {
  try {
    return scan(bytes, file).clean ? "good" : "torn";
  } catch {
    return "damaged";
  }
}

/** Reads a ledger and changes nothing. @throws Fault `state.owner`, a system error */
export async function checkLedger(files: FileSystem, file: string): Promise<LedgerReport> {
  const bytes = await read(files, file);
  const found: Salvage = salvage(bytes ?? Buffer.alloc(0));
  const blocks = [...indexOf(found.entries).blocks()];
  return {
    file,
    condition: bytes === undefined ? "missing" : conditionOf(bytes, file),
    records: found.entries.length + found.unknown,
    damaged_at: found.damaged.slice(0, mostShown),
    blocks: blocks.length,
    complete: blocks.filter(({ state }) => state === "complete").length,
    withheld: blocks.filter(({ state }) => isWithheld(state)).length,
    quarantined: blocks.reduce((sum, { quarantined }) => sum + quarantined.size, 0),
  };
}

export interface Repair {
  /** Where the damaged file is kept. */
  readonly kept: string | undefined;
  /**
   * Epochs of which something is still known, and the last block that a record names. Whatever the
   * module holds when it comes back is withheld, of these epochs or of others. Empty with `trust`.
   */
  readonly doubtful: ReadonlyMap<string, number>;
}

/**
 * Makes a ledger from every record that is still intact. What the damaged ones said is unknown: a
 * key may be with the KM, given away, or given up by an operator; of an epoch perhaps nothing is left.
 * So every block that the module holds when it comes back is withheld unless it is known to be with
 * the KM, and an operator decides. What the module makes later is not.
 * @param trust withholds nothing: for when the module was zeroized, or keys may be given again
 * @returns undefined if there is nothing to repair
 * @throws Fault `ledger.missing` without `trust`, `ledger.corrupt` if a later version wrote it; a system error
 */
export async function repairLedger(
  files: FileSystem,
  file: string,
  trust: boolean,
): Promise<Repair | undefined> {
  const bytes = await read(files, file);
  if (bytes === undefined) {
    if (!trust) {
      throw new Fault("ledger.missing", "nothing is left to repair: zeroize the module first", {
        file,
      });
    }
    await replaceFile(files, file, fileHeader(0));
    return { kept: undefined, doubtful: new Map() };
  }
  if (conditionOf(bytes, file) !== "damaged") return undefined;
  const { entries, unknown } = salvage(bytes);
  if (unknown > 0) throw new Fault("ledger.corrupt", "a later version wrote it", { file });
  const doubtful = new Map<string, number>();
  if (!trust) {
    for (const entry of entries) {
      if (!("ref" in entry) || aboutLater.includes(entry.kind)) continue;
      const { epoch, number } = entry.ref;
      doubtful.set(epoch, Math.max(doubtful.get(epoch) ?? 0, number));
    }
  }
  const index = indexOf(entries);
  if (!trust) index.apply({ kind: "repaired" });
  // What the module holds it tells; this is for one that is set back to a block that it had let go of.
  for (const [epoch, number] of doubtful) index.apply({ kind: "doubtful", ref: { epoch, number } });
  const kept = await spareName(files, file);
  await replaceFile(files, kept, bytes);
  const whole = [...index.entries()];
  const made = Buffer.alloc((whole.length + 1) * recordLength);
  fileHeader(0).copy(made);
  for (const [i, entry] of whole.entries()) encodeEntry(entry, 0, made, (i + 1) * recordLength);
  await replaceFile(files, file, made);
  return { kept, doubtful };
}

async function spareName(files: FileSystem, file: string): Promise<string> {
  for (let n = 1; ; n++) {
    const name = `${file}.damaged.${n}`;
    if (!(await exists(files, name))) return name;
  }
}
