/** `scripts/image flash` onto a disk that is in use: of a machine where a test may make one. */
import { execFileSync, spawnSync } from "node:child_process";
import {
  closeSync,
  constants,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { flash } from "../../../scripts/image.d/flash.ts";
import { testWith } from "../../needs.ts";

testWith("losetup", "a disk in use is not overwritten, by whatever name", async (t, losetup) => {
  const folder = mkdtempSync(join(tmpdir(), "qkd-flash-"));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const at = (name: string) => join(folder, name);
  for (const [name, size] of [
    ["disk", 64 << 20],
    ["disk.img", 4 << 20],
  ] as const) {
    writeFileSync(at(name), "");
    truncateSync(at(name), size);
  }
  const made = spawnSync(losetup, ["--find", "--show", at("disk")], { encoding: "utf8" });
  if (made.status !== 0) {
    t.pass(`without a device of its own: ${made.stderr}`);
    return;
  }
  const device = made.stdout.trim();
  t.teardown(() => execFileSync(losetup, ["--detach", device]));
  symlinkSync(device, at("by-id"));
  const precious = Buffer.from("another's");
  const refused = async (to: string, message: RegExp) => {
    await t.throwsAsync(flash({ image: folder, to, yes: true }), { message });
  };

  // As swap, or a part of an array, has it.
  const held = openSync(device, constants.O_RDWR | constants.O_EXCL);
  for (const to of [device, at("by-id")]) await refused(to, / is in use, as lsblk and swapon/);
  closeSync(held);

  execFileSync("mkfs.ext4", ["-q", "-F", device], { stdio: "pipe" });
  mkdirSync(at("mounted"));
  const mounted = spawnSync("mount", [device, at("mounted")]);
  if (mounted.status !== 0) return t.log("without the right to mount");
  t.teardown(() => spawnSync("umount", [at("mounted")]));
  writeFileSync(at("mounted/file"), precious);
  for (const to of [device, at("by-id")]) await refused(to, / is in use: .*mounted$/);
  execFileSync("umount", [at("mounted")]);
  execFileSync("mount", [device, at("mounted")]);
  t.deepEqual(readFileSync(at("mounted/file")), precious);
});
