/**
 * Power that goes before the n-th change to the disk that a body makes: that change and all later ones fail. Names
 * reach the disk in their order, as a file system with a journal has them. The body must be synchronous.
 */
import fs, { type PathLike } from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { join } from "node:path";

class PowerCut extends Error {}

const changing = ["mkdirSync", "renameSync", "rmSync", "symlinkSync", "writeSync"] as const;
type Call = (...args: unknown[]) => unknown;

/**
 * @param at the change before which the power goes, from 0; `Infinity`: it stays
 * @returns changes that were made @throws what the body throws, unless it is from the cut
 */
export function untilPowerCut(at: number, body: () => void): number {
  const table = fs as unknown as Record<string, Call>;
  const names = [...changing, "openSync", "fsyncSync"];
  const real = Object.fromEntries(names.map((name) => [name, table[name] as Call]));
  let done = 0;
  const counted = (name: string, args: unknown[]) => {
    if (done < at) {
      done++;
      return real[name]?.(...args);
    }
    // Removing a folder takes many changes.
    if (done === at && name === "rmSync") removeOne(args[0] as PathLike, real.rmSync as Call);
    done = Number.POSITIVE_INFINITY;
    throw new PowerCut();
  };
  for (const name of changing) table[name] = (...args) => counted(name, args);
  table.openSync = (...args) =>
    Number(args[1]) & fs.constants.O_CREAT ? counted("openSync", args) : real.openSync?.(...args);
  // What it would wait for is in order as it is.
  table.fsyncSync = () => {};
  syncBuiltinESMExports();
  try {
    body();
  } catch (error) {
    if (!(error instanceof PowerCut)) throw error;
  } finally {
    Object.assign(table, real);
    syncBuiltinESMExports();
  }
  return Math.min(done, at);
}

/** Removes one file of a folder, if it is one and has any. */
function removeOne(path: PathLike, remove: Call): void {
  if (!fs.lstatSync(path, { throwIfNoEntry: false })?.isDirectory()) return;
  const [name] = fs.readdirSync(path);
  if (name !== undefined) remove(join(String(path), name), { recursive: true });
}
