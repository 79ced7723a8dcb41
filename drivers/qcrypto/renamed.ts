/**
 * The configured `epoch` is part of every block's name. A block that waits under one epoch may be with the KM
 * already: under another one it would be supplied again, under a second key ID.
 */
import { Fault } from "../../src/base/errors.ts";
import type { KeyFolder } from "./folder.ts";
import { Gone } from "./gone.ts";

/**
 * Has what was let go of leave a folder whose blocks had another epoch until now.
 * @param path of the folder
 * @param linkEpoch that is configured, 16 hex digits
 * @throws Fault `link.open` if other blocks wait there; `link.closed`; a system error
 */
export async function checkEpoch(
  folder: KeyFolder,
  path: string,
  linkEpoch: string,
): Promise<void> {
  const known = await Gone.epochIn(path);
  if (known === undefined || known === linkEpoch) return;
  const before = await Gone.open(path, known);
  let waiting = 0;
  for (const epoch of await folder.list()) {
    if (before.find(epoch, undefined) === "no") {
      waiting++;
      continue;
    }
    const found = await folder.read(epoch, Number.MAX_VALUE);
    if (found.kind !== "key") continue;
    const digest = before.digest(found.header.bits, found.bytes);
    found.bytes.fill(0);
    // A node was killed between remembering it and deleting it. Another key of its name is a new block.
    if (before.find(epoch, digest) === "the same") await folder.remove([epoch]);
  }
  if (waiting === 0) return;
  const what =
    "final-key files wait that belong to another epoch: put `epoch` back until they are supplied, or take them away";
  throw new Fault("link.open", what, {
    source: path,
    files: waiting,
    "their epoch": known,
    epoch: linkEpoch,
  });
}
