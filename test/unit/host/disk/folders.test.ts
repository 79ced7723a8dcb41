/** A folder is made with those above it, or why it cannot be is told, at once. */
import { mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { makeFolders } from "../../../../src/host/disk/folders.ts";

function box(t: ExecutionContext): string {
  const folder = mkdtempSync(join(tmpdir(), "qkd-folders-"));
  t.teardown(() => rmSync(folder, { recursive: true }));
  return folder;
}

test("all that is missing is made, once, with its mode", async (t) => {
  const folder = box(t);
  const deep = join(folder, "a/b/c");
  await Promise.all([makeFolders(deep, 0o700), makeFolders(deep, 0o700), makeFolders(folder, 0)]);
  await makeFolders(deep, 0o700);
  for (const path of ["a", "a/b", "a/b/c"]) t.is(statSync(join(folder, path)).mode & 0o777, 0o700);
  symlinkSync(deep, join(folder, "link"));
  await makeFolders(join(folder, "link/d"), 0o700);
  t.true(statSync(join(deep, "d")).isDirectory());
});

test("what cannot be made ends with the kernel's word", async (t) => {
  const folder = box(t);
  writeFileSync(join(folder, "file"), "");
  symlinkSync("/nonexistent/disk", join(folder, "link"));
  await t.throwsAsync(makeFolders(join(folder, "file"), 0o700), { code: "EEXIST" });
  await t.throwsAsync(makeFolders(join(folder, "file/a/b"), 0o700), { code: "ENOTDIR" });
  await t.throwsAsync(makeFolders(join(folder, "link"), 0o700), { code: "EEXIST" });
  await t.throwsAsync(makeFolders(join(folder, "link/a"), 0o700), { code: "EEXIST" });
  // The kernel says that it is missing, of a parent that is there.
  await t.throwsAsync(makeFolders("/proc/qkd/state", 0o700), { code: "ENOENT" });
});
