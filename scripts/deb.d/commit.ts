/** Of which commit the sources are: packages have its time, and its author answers for them. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { root } from "../image.d/board.ts";
import { need, run } from "../image.d/run.ts";

export interface Commit {
  /** s since 1970 */
  readonly seconds: number;
  /** `NAME <ADDRESS>` */
  readonly author: string;
}

/** Time and author, as `git log` and `git archive` write both. */
const form = "%ct%n%an <%ae>";

/** @param text what `git archive` made of `commit.txt` @returns undefined: it is not of an archive */
export function readCommit(text: string): Commit | undefined {
  const [, seconds, author = ""] = /^(\d+)\n(.*)\n/.exec(text) ?? [];
  return seconds === undefined ? undefined : { seconds: Number(seconds), author };
}

/** Of a release's sources as that was written into them; of a clone as git says. @throws ImageError, system errors */
export async function sourceCommit(): Promise<Commit> {
  const archived = readCommit(await readFile(join(root, "scripts/deb.d/commit.txt"), "utf8"));
  if (archived !== undefined) return archived;
  need("git");
  const text = await run("git", ["log", "-1", `--format=${form}`], { cwd: root });
  return readCommit(text) as Commit;
}
