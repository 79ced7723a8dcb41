/** What the doctor says of a state folder that is not there: whether it can be made. */
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "ava";
import { checkStateFolder } from "../../../../src/ops/doctor/state-folder.ts";

test("a folder that is missing is made, unless a link leads nowhere or a file is in the way", (t) => {
  const box = mkdtempSync(join(tmpdir(), "qkd-state-way-"));
  t.teardown(() => rmSync(box, { recursive: true }));
  symlinkSync("/nonexistent/disk", join(box, "link"));
  symlinkSync(box, join(box, "good"));
  writeFileSync(join(box, "file"), "");
  const said = (path: string) => {
    const { status, detail } = checkStateFolder(join(box, path), "the node");
    return [status, detail.replaceAll(box, "")];
  };
  for (const path of ["a", "a/b", "good/a"]) {
    t.deepEqual(said(path), ["skip", `/${path} is not there yet; the node makes it`]);
  }
  const nowhere = "/link leads to /nonexistent/disk, which is not there";
  t.deepEqual(said("link"), ["fail", `/link cannot be made: ${nowhere}`]);
  t.deepEqual(said("link/a/b"), ["fail", `/link/a/b cannot be made: ${nowhere}`]);
  t.deepEqual(said("file/a"), ["fail", "/file/a cannot be made: /file is no folder"]);
});
