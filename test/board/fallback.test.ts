/**
 * A slot that was good and turns bad, on an emulated board that starts as hardware does: a block of it is damaged on
 * the disk, and the machine is in its other slot after a few starts, with nobody's help.
 */
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { open, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import test from "ava";
import { builtFiles } from "../../scripts/image.d/build.ts";
import { sealedFiles } from "../../scripts/image.d/sealed.ts";
import { Machine } from "./machine.ts";
import { makeVariant, testKeys } from "./variant.ts";

const built =
  process.env.QKD_IMAGE ?? fileURLToPath(new URL("../../dist/image/qemu/virt", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "qkd-fallback-"));
const keepAlive = setInterval(() => {}, 60_000);
const disk = join(folder, "first/disk.img");
let board: Machine;

test.before(async () => {
  if (builtFiles(built) === undefined) throw new Error("no image: scripts/image build");
  const keys = await testKeys(folder);
  const variant = (name: string, version: string, whole: boolean) => {
    const out = join(folder, name);
    return makeVariant({ from: built, out, version, keys, append: ["qkd.test"], disk: whole });
  };
  await variant("first", "0.1.0", true);
  await variant("second", "0.1.1", false);
  // Slot b as an update and its good start left it.
  const { system, uki } = sealedFiles(join(folder, "second"));
  await write("system-b", readFileSync(system));
  const esp = `${disk}@@${await startOf("esp")}`;
  copyFileSync(uki, join(folder, "qkd-000002-b+5.efi"));
  execFileSync("mcopy", ["-i", esp, join(folder, "qkd-000002-b+5.efi"), "::EFI/Linux/"]);
  mkdirSync(join(folder, "board"));
  board = new Machine({
    image: join(folder, "first"),
    folder: join(folder, "board"),
    start: "firmware",
    secure: true,
    variables: join(folder, "board/variables"),
  });
});

test.after.always(async () => {
  await board?.cutPower();
  rmSync(folder, { recursive: true, force: true });
  clearInterval(keepAlive);
});

async function startOf(partition: string): Promise<number> {
  const { partitiontable } = JSON.parse(
    execFileSync("sfdisk", ["--json", disk], { encoding: "utf8" }),
  );
  const found = partitiontable.partitions.find(({ name }: { name: string }) => name === partition);
  return found.start * 512;
}

async function write(partition: string, bytes: Buffer, offset = 0): Promise<void> {
  const file = await open(disk, "r+");
  await file.write(bytes, 0, bytes.length, (await startOf(partition)) + offset);
  await file.close();
}

/** Names of the kernels, once somebody in the guest has looked at them. */
async function kernels(): Promise<string> {
  const look =
    "mkdir -p /run/look; mount -o ro /dev/disk/by-partlabel/esp /run/look; ls /run/look/EFI/Linux; umount /run/look";
  return (await board.run(`flock /run/qkd-esp/lock sh -ec '${look}'`)).output;
}

test.serial("a good slot has all its tries again once every block of it was read", async (t) => {
  t.timeout(1_800_000);
  await board.on();
  await board.reachable(900);
  t.is((await board.sh("cat /run/qkd-slot")).trim(), "b");
  await board.until(async () => /-b\+5\.efi/.test(await kernels()), 600);
  await board.cutPower();
});

test.serial(
  "one of its blocks is damaged: after five starts of it the other slot runs",
  async (t) => {
    t.timeout(3_600_000);
    // Anywhere: what no start reads is read before the start is good.
    const { size } = await stat(sealedFiles(join(folder, "second")).system);
    await write("system-b", Buffer.alloc(64, 0x51), Math.floor(size * 0.6));
    await board.on();
    const starts = () => board.console.match(/EFI stub: Booting/g)?.length ?? 0;
    await board.until(() => starts() >= 6, 3_000);
    await board.reachable(900);
    t.is((await board.sh("cat /run/qkd-slot")).trim(), "a");
    t.regex(board.console, /dm-verity device corrupted|data block \d+ is corrupted/);
    await board.until(async () => /-a\+5\.efi/.test(await kernels()), 600);
    t.regex(await kernels(), /-b\+0-5\.efi/);
  },
);
