/**
 * The data partition of a machine with a TPM: encrypted, opened on this machine alone, and told from an older copy and
 * from one that was put in its place. Whatever is done to it is done to the disk, with the power off.
 */
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import test from "ava";
import { builtFiles } from "../../scripts/image.d/build.ts";
import { delay, systemClock } from "../../src/base/clock.ts";
import { lifeOf } from "./life.ts";
import { Machine } from "./machine.ts";

const image =
  process.env.QKD_IMAGE_TPM ?? fileURLToPath(new URL("../../dist/image/qemu/tpm", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "qkd-data-"));
const disk = join(folder, "disk.qcow2");
const keepAlive = setInterval(() => {}, 60_000);
const figures: Record<string, unknown> = {};
let board: Machine;

test.before(() => {
  if (builtFiles(image) === undefined) {
    throw new Error("no image: scripts/image build --board qemu/tpm");
  }
  board = new Machine({
    image,
    folder,
    start: "direct",
    cmdline: "qkd.test systemd.show_status=true systemd.status_unit_format=name",
    tpm: join(folder, "tpm"),
  });
});

test.after.always(async (t) => {
  t.log(JSON.stringify(figures));
  await board?.cutPower();
  rmSync(folder, { recursive: true, force: true });
  clearInterval(keepAlive);
});

const life = lifeOf(() => board);
const starts = async () => Number(await board.sh("cat /data/starts"));
/** How long it takes from the kernel to systemd, s. */
const early = async () =>
  Number(/\[ *([\d.]+)\] qkd: slot/.exec(await board.sh("dmesg | grep 'qkd: slot'"))?.[1]);

/** Writes and syncs so many MB. @returns MB/s */
async function writing(file: string, mb: number): Promise<number> {
  const said = await board.sh(
    `dd if=/dev/zero of=${file} bs=1M count=${mb} oflag=direct conv=notrunc 2>&1`,
  );
  return mb / Number(/([\d.]+) s,/.exec(said)?.[1]);
}

/** The disk as a plain file, and where its data partition is. */
function raw() {
  const file = join(folder, "disk.raw");
  execFileSync("qemu-img", ["convert", "-O", "raw", disk, file]);
  const { partitiontable } = JSON.parse(
    execFileSync("sfdisk", ["--json", file], { encoding: "utf8" }),
  );
  const { start, size } = partitiontable.partitions.find(
    ({ name }: { name: string }) => name === "data",
  );
  return { file, start: start * 512, bytes: size * 512 };
}

life(
  "power that goes while the partition is made leaves nothing that stops the next start",
  async (t) => {
    await board.on();
    await board.says(/making the data partition, encrypted/);
    await delay(systemClock, Math.random() * 4_000);
    await board.cutPower();
    await board.on();
    await board.reachable(900);
    t.regex(await board.sh("cat /proc/mounts"), /^\/dev\/mapper\/data \/data ext4 /m);
    t.is((await board.sh("systemctl list-units --failed --plain --no-legend")).trim(), "");
    figures.first_start_s = await early();
  },
);

life("nothing on the disk can be read", async (t) => {
  await board.until(async () => (await board.run("test -e /etc/qkd-node/node.csr")).code === 0);
  await board.sh("sync");
  await board.cutPower();
  const { file, start, bytes } = raw();
  const handle = await open(file);
  const part = Buffer.alloc(bytes);
  await handle.read(part, 0, bytes, start);
  await handle.close();
  t.is(part.toString("latin1", 0, 4), "LUKS");
  for (const text of ["BEGIN CERTIFICATE REQUEST", "node.csr", "machine-id"]) {
    t.is(part.indexOf(text), -1, text);
  }
});

life("it opens at each start, which is counted", async (t) => {
  await board.on();
  await board.reachable(900);
  const before = await starts();
  figures.start_s = await early();
  figures.write_mb_s = Math.round(await writing("/data/written", 64));
  // A slot that nothing is in.
  figures.write_bare_mb_s = Math.round(await writing("/dev/disk/by-partlabel/system-b", 64));
  await board.sh("rm /data/written; touch /etc/qkd-node/node.toml; sync");
  await board.cutPower();
  copyFileSync(disk, join(folder, "older.qcow2"));
  await board.on();
  await board.reachable(900);
  t.is(await starts(), before + 1);
  await board.cutPower();
});

life("an older copy of it is told: no node runs with it, and the console says why", async (t) => {
  copyFileSync(disk, join(folder, "right.qcow2"));
  copyFileSync(join(folder, "older.qcow2"), disk);
  await board.on();
  await board.says(/node and key manager do not run: .* it is an older copy/);
  await board.reachable(900);
  for (const unit of ["qkd-node", "qkd-km"]) {
    t.is((await board.sh(`systemctl show -P ActiveState ${unit}`)).trim(), "inactive");
  }
  t.is((await board.sh("systemctl show -P AssertResult qkd-node")).trim(), "no");
  await board.cutPower();
});

life("one that is not encrypted is not taken in its place", async (t) => {
  const { file, start, bytes } = raw();
  const place = ["-E", `offset=${start}`, file, `${bytes / 1_024}k`];
  execFileSync("mkfs.ext4", ["-q", "-F", ...place], { stdio: "pipe" });
  execFileSync("qemu-img", ["convert", "-O", "qcow2", file, disk]);
  await board.on();
  await board.says(/node and key manager do not run: the data partition is not encrypted/);
  await board.cutPower();
  t.pass();
});

life("with another TPM it stays closed; with its own it opens again", async (t) => {
  copyFileSync(join(folder, "right.qcow2"), disk);
  board.change({ tpm: join(folder, "other-tpm") });
  await board.on();
  await board.says(/cannot start: the TPM does not open the data partition/);
  await board.cutPower();
  board.change({ tpm: join(folder, "tpm") });
  await board.on();
  await board.reachable(900);
  t.false(readFileSync(join(folder, "console.log"), "utf8").includes("do not run"));
});
