import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "ava";
import { fileProblem, readIfThere } from "../../../../src/host/config/files.ts";
import { readRegular } from "../../../../src/host/disk/regular-file.ts";

test("a pipe, a device, a folder and what is too long are no files to be read", (t) => {
  const folder = mkdtempSync(join(tmpdir(), "qkd-regular-"));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const [file, pipe, long] = ["file", "pipe", "long"].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ];
  writeFileSync(file, "text");
  execFileSync("mkfifo", [pipe]);
  writeFileSync(long, "");
  truncateSync(long, 100_000_000);
  mkdirSync(join(folder, "folder"));
  t.is(readRegular(file).toString(), "text");
  t.throws(() => readRegular(pipe), { code: "ENOTFILE" });
  t.throws(() => readRegular("/dev/zero"), { code: "ENOTFILE" });
  t.throws(() => readRegular(join(folder, "folder")), { code: "EISDIR" });
  t.throws(() => readRegular(long), { code: "EFBIG" });
  t.throws(() => readRegular(join(folder, "none")), { code: "ENOENT" });
  t.is(fileProblem(file, false), undefined);
  t.regex(fileProblem(pipe, false) ?? "", /is no file, but a pipe or a device/);
  t.is(
    readIfThere(pipe, () => "read"),
    undefined,
  );
});
