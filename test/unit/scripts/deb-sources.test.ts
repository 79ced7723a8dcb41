/** Packages are made of a release's sources, which are no clone, as of the commit that they are of. */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { readCommit, sourceCommit } from "../../../scripts/deb.d/commit.ts";
import { testWith } from "../../needs.ts";

const root = fileURLToPath(new URL("../../..", import.meta.url));
const file = "scripts/deb.d/commit.txt";

testWith(
  "git",
  "an archive of the commit says which it is, as git says of the clone",
  async (t, git) => {
    const tar = execFileSync(git, ["archive", "HEAD", file], { cwd: root });
    const archived = execFileSync("tar", ["-xO", file], { input: tar, encoding: "utf8" });
    const commit = readCommit(archived);
    t.regex(commit?.author ?? "", /^.+ <.+>$/);
    t.deepEqual(commit, await sourceCommit());
    t.is(readCommit(readFileSync(join(root, file), "utf8")), undefined);
  },
);
