/** Root's own allowance for an older version: a file that only root can write, for one bundle by its hash. */
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { toldByRoot } from "./slots.ts";

const name = "allowed";

/**
 * Good for the next request that root's helper gets, and for two hours at the most.
 * @param sha256 of the bundle @throws system errors: who is not root may not
 */
export function allowByRoot(sha256: string, folder = toldByRoot): void {
  takeBackAllowance(folder);
  writeFileSync(join(folder, name), `${sha256}\n`, { flag: "wx", mode: 0o600 });
}

/** The update is over, however it ended. @throws system errors */
export function takeBackAllowance(folder = toldByRoot): void {
  rmSync(join(folder, name), { force: true });
}
