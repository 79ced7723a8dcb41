/**
 * The key switch's position as a file, for the console: it is there, and renewed every half a second,
 * while the panel's process hears its controller, the key switch says maintenance, and no contact of the
 * chassis. Whatever fails, it goes or it ages: both mean no.
 */
import { rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { errorCode } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";

/** Its name in the runtime folder of `qkd-panel`. */
const name = "maintenance";
/** One that was not renewed for this long says nothing, ms. */
export const staleMs = 3_000;

export class KeyFile {
  readonly #path: string;
  readonly #log: Log;
  #there: boolean | undefined;
  #failed = false;

  /** @param folder to which no other user may write */
  constructor(folder: string, log: Log) {
    this.#path = join(folder, name);
    this.#log = log;
  }

  /** Says it, or says it again. Never throws: who looks finds the file gone, or old. */
  tell(turned: boolean, wall: number): void {
    try {
      if (turned) this.#renew(wall / 1_000);
      else if (this.#there !== false) rmSync(this.#path, { force: true });
      if (turned !== (this.#there ?? false)) this.#log.info("maintenance console", { on: turned });
      this.#there = turned;
      this.#failed = false;
    } catch (error) {
      if (!this.#failed) this.#log.warn("key file", { path: this.#path, code: errorCode(error) });
      this.#failed = true;
    }
  }

  #renew(seconds: number): void {
    try {
      utimesSync(this.#path, seconds, seconds);
    } catch (error) {
      if (errorCode(error) !== "ENOENT") throw error;
      writeFileSync(this.#path, "", { mode: 0o644 });
    }
  }
}

/** @param wall ms since 1970 UTC. A clock that was set either way makes the file old until it is renewed */
export function keyTurned(path: string, wall: number): boolean {
  const stats = statSync(path, { throwIfNoEntry: false });
  return stats?.isFile() === true && Math.abs(wall - stats.mtimeMs) < staleMs;
}
