/**
 * U-Boot's part of a start, by Debian's own U-Boot for QEMU, the image's script and Debian's kernel: which slot is
 * taken, what is counted, what is refused. In place of the image's initramfs is one that says which slot it is of.
 */
import { execFileSync, type StdioOptions, spawn } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "ava";
import { readBoard } from "../../scripts/image.d/board.ts";
import { makeFirst, makeKernel } from "../../scripts/image.d/chain.ts";
import { cpio } from "../../scripts/image.d/cpio.ts";
import { makeDisk } from "../../scripts/image.d/disk.ts";
import { type Keys, makeKeys, signingKeys } from "../../scripts/image.d/keys.ts";
import { debFile, fetchPackages, readLock } from "../../scripts/image.d/packages.ts";
import { setEpoch } from "../../scripts/image.d/run.ts";
import { variables } from "../../scripts/image.d/uboot.ts";

const board = readBoard("qemu/uboot");
const folder = mkdtempSync(join(tmpdir(), "qkd-uboot-"));
const disk = join(folder, "disk.img");
const at: Record<string, number> = {};

const init = `#!/bin/busybox sh
/bin/busybox mkdir -p /proc
/bin/busybox mount -t proc proc /proc
echo "GUEST $(/bin/busybox cat /proc/cmdline)"
echo 1 >/proc/sys/kernel/sysrq
echo b >/proc/sysrq-trigger
/bin/busybox sleep 100
`;

async function slotImage(keys: Keys): Promise<Buffer> {
  const cmdline = "console=ttyAMA0 quiet qkd.hash=0123";
  const chain = { board, out: folder, version: "1", keys, cmdline };
  await makeKernel({ ...chain, deviceTree: undefined, firmware: undefined });
  return readFileSync(join(folder, "kernel.img"));
}

async function put(partition: string, bytes: Buffer, offset = 0): Promise<void> {
  const file = await open(disk, "r+");
  await file.write(bytes, 0, bytes.length, (at[partition] ?? 0) + offset);
  await file.close();
}

async function environment(): Promise<Buffer> {
  const file = await open(disk, "r");
  const { buffer } = await file.read(Buffer.alloc(0x8000), 0, 0x8000, at["uboot-env"]);
  await file.close();
  return buffer;
}

const qemu = ["-M", "virt", "-cpu", "cortex-a57", "-m", "512", "-smp", "2", "-display", "none"];

/** Starts it once. @param end what the console says last. @returns all that it said */
function start(
  more: readonly string[] = [],
  end = /sysrq: Resetting|cannot be started/,
): Promise<string> {
  const drive = [
    "-drive",
    `if=none,id=d,file=${disk},format=raw`,
    "-device",
    "virtio-blk-pci,drive=d",
  ];
  const args = [...qemu, "-net", "none", "-no-reboot", "-serial", "stdio", ...drive, ...more];
  const firmware = ["-bios", "/usr/lib/u-boot/qemu_arm64/u-boot.bin"];
  const stdio: StdioOptions = ["ignore", "pipe", "inherit"];
  const child = spawn("qemu-system-aarch64", [...args, ...firmware], { stdio, timeout: 600_000 });
  let said = "";
  child.stdout?.on("data", (text) => {
    said += text;
    if (end.test(said)) child.kill();
  });
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", () => resolve(said));
  });
}

const slotOf = (said: string) => /GUEST .*qkd\.slot=([ab])/.exec(said)?.[1];
async function slots(count: number): Promise<string> {
  let order = "";
  for (let i = 0; i < count; i++) order += slotOf(await start()) ?? "-";
  return order;
}

test.before(async () => {
  setEpoch(1_700_000_000);
  const lock = readLock(board);
  const packages = lock.packages.filter(({ name }) => /^linux-image-\d|^busybox-static/.test(name));
  await fetchPackages({ ...lock, packages });
  for (const one of packages) execFileSync("dpkg-deb", ["-x", debFile(one), join(folder, "deb")]);
  const version = execFileSync("ls", [join(folder, "deb/lib/modules")], {
    encoding: "utf8",
  }).trim();
  copyFileSync(join(folder, "deb/boot", `vmlinuz-${version}`), join(folder, "vmlinuz"));
  const busybox = readFileSync(join(folder, "deb/bin/busybox"));
  const entries = [
    { path: "init", mode: 0o100755, content: Buffer.from(init) },
    { path: "bin/busybox", mode: 0o100755, content: busybox },
  ];
  writeFileSync(join(folder, "initramfs.img"), cpio(entries));
  writeFileSync(join(folder, "system.img"), "nothing");
  const keys = await signingKeys(undefined);
  const image = await slotImage(keys);
  await makeFirst(board, folder);
  await makeDisk(board, folder, disk);
  const { partitiontable } = JSON.parse(
    execFileSync("sfdisk", ["--json", disk], { encoding: "utf8" }),
  );
  for (const one of partitiontable.partitions) at[one.name] = one.start * 512;
  await put("kernel-b", image);
});

test.after.always(() => rmSync(folder, { recursive: true, force: true }));

test.serial(
  "a slot has so many starts, then the other one is taken; a good start gives them back",
  async (t) => {
    t.timeout(1_800_000);
    const said = await start();
    t.is(slotOf(said), "a");
    t.regex(said, /GUEST .*qkd\.hash=0123 qkd\.slot=a/);
    // As RAUC leaves it after an update of slot b, and then as a good start leaves it, months later.
    for (const left of ["2", "2"]) {
      await put(
        "uboot-env",
        variables({ BOOT_ORDER: "b a", BOOT_a_LEFT: "5", BOOT_b_LEFT: left }, 0x51),
      );
      await put("uboot-env", Buffer.alloc(0x4000), 0x4000);
      t.is(await slots(3), "bba");
    }
  },
);

test.serial("one of the two copies may be torn, whichever: what is left is taken", async (t) => {
  t.timeout(1_800_000);
  for (const torn of [0, 0x4000]) {
    await put(
      "uboot-env",
      variables({ BOOT_ORDER: "b a", BOOT_a_LEFT: "3", BOOT_b_LEFT: "3" }, 0xff),
    );
    await put(
      "uboot-env",
      variables({ BOOT_ORDER: "b a", BOOT_a_LEFT: "3", BOOT_b_LEFT: "2" }, 0),
      0x4000,
    );
    await put("uboot-env", Buffer.alloc(512, 0x51), torn + 512);
    await put("uboot-env", Buffer.from([1]), torn + 0x100);
    t.is(slotOf(await start()), "b");
    // The one that was torn is whole again.
    const text = (await environment()).toString("latin1", torn + 5, torn + 60);
    t.is(text.split("\0")[0] === "BOOT_ORDER=b a" || /BOOT_b_LEFT=[12]/.test(text), true, text);
  }
  // Both: as at first.
  await put("uboot-env", Buffer.alloc(0x8000, 0x51));
  t.is(slotOf(await start()), "a");
});

test.serial("a kernel that is damaged is not started, and its tries run out", async (t) => {
  t.timeout(1_800_000);
  await put("uboot-env", variables({ BOOT_ORDER: "b a", BOOT_a_LEFT: "3", BOOT_b_LEFT: "1" }, 1));
  await put("uboot-env", Buffer.alloc(0x4000), 0x4000);
  await put("kernel-b", Buffer.from("damage"), 1 << 20);
  const said = await start();
  t.regex(said, /Bad hash|slot b cannot be started/);
  t.is(slotOf(said), undefined);
  t.is(slotOf(await start()), "a");
});

test.serial("U-Boot that has a key takes what that key has signed, and nothing else", async (t) => {
  t.timeout(1_800_000);
  const tree = join(folder, "machine.dtb");
  const dump = [...qemu.slice(2), "-net", "none", "-M", `virt,dumpdtb=${tree}`];
  execFileSync("qemu-system-aarch64", dump, { stdio: "pipe" });
  const keys = await signingKeys(undefined);
  await put("kernel-b", await slotImage(keys));
  // Puts the key into the tree that U-Boot looks at.
  const fit = join(folder, "kernel.efi");
  execFileSync("mkimage", ["-F", "-k", keys.folder, "-K", tree, "-r", fit], { stdio: "pipe" });
  const order = async (slot: string) => {
    const left = { BOOT_a_LEFT: "3", BOOT_b_LEFT: "3" };
    await put("uboot-env", variables({ BOOT_ORDER: slot, ...left }, 1));
    await put("uboot-env", Buffer.alloc(0x4000), 0x4000);
  };
  const ended = /Starting kernel|cannot be started/;
  await order("b");
  t.regex(await start(["-dtb", tree], ended), /sha256,rsa3072:boot\+[\s\S]*Starting kernel/);
  mkdirSync(join(folder, "stranger"));
  await makeKeys(join(folder, "stranger"));
  await put("kernel-a", await slotImage(await signingKeys(join(folder, "stranger"))));
  await order("a");
  const said = await start(["-dtb", tree], ended);
  t.notRegex(said, /Starting kernel/);
  t.regex(said, /slot a cannot be started/);
});
