/** What the Raspberry Pi's firmware reads, as its maker documents it: all of it is in one file that is signed. */
import { execFileSync } from "node:child_process";
import { createHash, createPublicKey, generateKeyPairSync, verify } from "node:crypto";
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ExecutionContext } from "ava";
import { readBoard } from "../../../scripts/image.d/board.ts";
import type { Keys } from "../../../scripts/image.d/keys.ts";
import {
  makeBootImage,
  makeBootPartition,
  makeSelect,
  signBootImage,
} from "../../../scripts/image.d/tryboot.ts";
import { testWholeWith, testWith } from "../../needs.ts";

const board = readBoard("raspberrypi/cm4");

function temporary(t: ExecutionContext): string {
  const folder = mkdtempSync(join(tmpdir(), "qkd-pi-"));
  t.teardown(() => rmSync(folder, { recursive: true }));
  return folder;
}

/** What is in a FAT image, by name. */
function unpacked(image: string, to: string): string[] {
  rmSync(to, { recursive: true, force: true });
  mkdirSync(to);
  execFileSync("mcopy", ["-s", "-n", "-i", image, "::*", to], { stdio: "pipe" });
  return readdirSync(to).sort();
}

interface Made {
  readonly boot: string;
  readonly partition: string;
  readonly key: string;
}

async function make(folder: string, name: string, key: string, kernel: string): Promise<Made> {
  const part = (file: string, text: string) => {
    writeFileSync(join(folder, file), text);
    return join(folder, file);
  };
  const [boot, partition] = [join(folder, `${name}.img`), join(folder, `${name}.part`)];
  mkdirSync(join(folder, "firmware"), { recursive: true });
  for (const file of board.firmware) part(`firmware/${file}`, `the maker's ${file}`);
  await makeBootImage(
    board,
    {
      kernel: part("vmlinuz", kernel),
      initramfs: part("initramfs", "initramfs"),
      deviceTree: part("dtb", "device tree"),
      cmdline: "console=ttyS0 qkd.hash=0123",
      firmware: join(folder, "firmware"),
    },
    boot,
  );
  await signBootImage(boot, { piKey: key } as Keys, `${boot}.sig`);
  await makeBootPartition(boot, `${boot}.sig`, partition);
  return { boot, partition, key };
}

function newKey(folder: string, bits = 2_048): string {
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: bits });
  const file = join(folder, `key-${bits}`);
  writeFileSync(file, privateKey.export({ type: "pkcs8", format: "pem" }));
  return file;
}

/** The boot code's check. */
function taken(image: Buffer, signature: string, key: string): boolean {
  const [, hash, hex] =
    /^([0-9a-f]{64})\nts: \d+\nrsa2048: ([0-9a-f]{512})\n$/.exec(signature) ?? [];
  if (hash === undefined || hex === undefined) return false;
  if (createHash("sha256").update(image).digest("hex") !== hash) return false;
  return verify("sha256", image, createPublicKey(readFileSync(key)), Buffer.from(hex, "hex"));
}

testWith("mcopy", "everything that the firmware reads is in the signed image", async (t) => {
  const folder = temporary(t);
  const { boot, partition, key } = await make(folder, "one", newKey(folder), "kernel one");
  t.deepEqual(unpacked(partition, join(folder, "outer")), ["boot.img", "boot.sig", "config.txt"]);
  t.is(readFileSync(join(folder, "outer/config.txt"), "utf8"), "boot_ramdisk=1\n");
  const image = readFileSync(join(folder, "outer/boot.img"));
  t.true(image.equals(readFileSync(boot)));
  t.true(taken(image, readFileSync(join(folder, "outer/boot.sig"), "utf8"), key));

  const inner = join(folder, "inner");
  t.deepEqual(unpacked(boot, inner), [
    "board.dtb",
    "cmdline.txt",
    "config.txt",
    "fixup4.dat",
    "initramfs.img",
    "kernel8.img",
    "start4.elf",
  ]);
  const config = readFileSync(join(inner, "config.txt"), "utf8");
  const named = [
    ...config.matchAll(/^(?:kernel|cmdline|device_tree|start_file|fixup_file)=(\S+)$/gm),
    ...config.matchAll(/^initramfs (\S+) followkernel$/gm),
  ].map(([, name = ""]) => name);
  t.is(named.length, 6);
  for (const name of named) t.true(existsSync(join(inner, name)), name);
  // Nothing that is looked for elsewhere: overlays, other files of settings, an EEPROM of a plugged board.
  t.notRegex(config, /^(dtoverlay|include|os_prefix|overlay_prefix|ramfsfile|armstub)/m);
  t.regex(config, /^force_eeprom_read=0$/m);
  t.is(readFileSync(join(inner, "cmdline.txt"), "utf8"), "console=ttyS0 qkd.hash=0123\n");
});

testWholeWith(
  "mcopy",
  "a partition that an update has written in part is not taken, wherever it ended",
  async (t) => {
    const folder = temporary(t);
    const key = newKey(folder);
    const before = await make(folder, "before", key, "kernel before");
    const after = await make(folder, "after", key, "kernel after, longer");
    const [old, fresh] = [readFileSync(before.partition), readFileSync(after.partition)];
    const differ: number[] = [];
    for (let at = 0; at < fresh.length; at += 512) {
      if (fresh.compare(old, at, at + 512, at, at + 512) !== 0) differ.push(at);
    }
    t.true(differ.length > 2 && differ.length < 60, String(differ.length));
    const torn = join(folder, "torn");
    writeFileSync(torn, old);
    const file = openSync(torn, "r+");
    t.teardown(() => closeSync(file));
    // Sector by sector in their order: before the last one, only what was there before may be taken.
    for (const at of differ) {
      const bytes = readTaken(torn, join(folder, "look"), key);
      if (bytes !== undefined) t.true(bytes.equals(readFileSync(before.boot)), String(at));
      writeSync(file, fresh, at, 512, at);
    }
    t.true(readTaken(torn, join(folder, "look"), key)?.equals(readFileSync(after.boot)));
  },
);

function readTaken(partition: string, to: string, key: string): Buffer | undefined {
  try {
    unpacked(partition, to);
    const image = readFileSync(join(to, "boot.img"));
    return taken(image, readFileSync(join(to, "boot.sig"), "latin1"), key) ? image : undefined;
  } catch {
    return undefined;
  }
}

testWith("mcopy", "a stranger's signature, and a key of another length, are told", async (t) => {
  const folder = temporary(t);
  const { boot, key } = await make(folder, "one", newKey(folder), "kernel");
  t.false(taken(readFileSync(boot), readFileSync(`${boot}.sig`, "utf8"), newKey(folder)));
  t.truthy(key);
  const long = { piKey: newKey(folder, 3_072) } as Keys;
  await t.throwsAsync(signBootImage(boot, long, join(folder, "no.sig")), { message: /2048 bits/ });
});

testWith(
  "mcopy",
  "the partition that chooses is a FAT whose files are where they are rewritten",
  async (t) => {
    const folder = temporary(t);
    const file = join(folder, "select.vfat");
    await makeSelect(file);
    t.deepEqual(unpacked(file, join(folder, "files")), ["autoboot.txt", "starts.txt"]);
    const text = readFileSync(join(folder, "files/autoboot.txt"), "utf8");
    t.is(text.length, 512);
    t.regex(
      text,
      /^\[all\]\ntryboot_a_b=1\nboot_partition=2\n\[tryboot\]\nboot_partition=3\n# *\n$/,
    );
  },
);
