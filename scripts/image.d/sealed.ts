/** What is signed as one: a root file system with its hash tree, and the kernel that knows its hash. */
import { createHash } from "node:crypto";
import { readFile, rm, stat, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Board } from "./board.ts";
import type { Keys } from "./keys.ts";
import { epochSeconds, ImageError, run } from "./run.ts";
import { sbsignKey } from "./token.ts";

/** How the kernel finds and checks its root. */
export interface Verity {
  readonly root: string;
  readonly salt: string;
  /** Blocks of 4096 bytes before the hash tree. */
  readonly blocks: number;
}

/** Packs the tree. All files are root's, of one time, in one order. @param date seconds since 1970 */
export async function squash(
  tree: string,
  file: string,
  date: number,
  quick: boolean,
): Promise<void> {
  await rm(file, { force: true });
  const same = [
    "-all-root",
    "-all-time",
    String(date),
    "-mkfs-time",
    String(date),
    "-reproducible",
  ];
  // Quick to unpack rather than small: at every start most of what is read is unpacked by one processor.
  const how = ["-comp", "lz4", ...(quick ? [] : ["-Xhc"]), "-b", "128K", "-no-xattrs"];
  // It does not take the time in both ways at once.
  await run("env", [
    "-u",
    "SOURCE_DATE_EPOCH",
    "mksquashfs",
    tree,
    file,
    "-quiet",
    "-no-progress",
    "-noappend",
    ...same,
    ...how,
  ]);
}

/**
 * Appends the hash tree. Salt and identity follow from the content, so that a rebuild is the same.
 * @param more another one gives another salt, and so another root hash
 */
export async function addVerity(file: string, more = ""): Promise<Verity> {
  const { size } = await stat(file);
  const blocks = Math.ceil(size / 4_096);
  await truncate(file, blocks * 4_096);
  const salt = createHash("sha256")
    .update(await readFile(file))
    .update(more)
    .digest("hex");
  const uuid = salt.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12}).*$/, "$1-$2-$3-$4-$5");
  const text = await run("veritysetup", [
    "format",
    `--hash-offset=${blocks * 4_096}`,
    `--salt=${salt}`,
    `--uuid=${uuid}`,
    file,
    file,
  ]);
  const root = /Root hash:\s+([0-9a-f]{64})/.exec(text)?.[1];
  if (root === undefined) throw new ImageError("veritysetup names no root hash");
  return { root, salt, blocks };
}

export function commandLine(board: Board, { root, salt, blocks }: Verity): string {
  return [
    `console=${board.console}`,
    `qkd.hash=${root}`,
    `qkd.salt=${salt}`,
    `qkd.blocks=${blocks}`,
    "ro",
    "loglevel=4",
    "audit=0",
    "panic=10",
    "oops=panic",
    // Keys leave the memory with the process that held them.
    "init_on_free=1",
    // The running kernel can't be changed, also not by root.
    "lockdown=integrity",
    "systemd.getty_auto=no",
    "systemd.firstboot=no",
    "systemd.gpt_auto=no",
    "systemd.show_status=auto",
    ...board.cmdline,
  ].join(" ");
}

export interface KernelParts {
  readonly kernel: string;
  readonly initramfs: string;
  readonly cmdline: string;
  /** systemd-boot's stub. */
  readonly stub: string;
  readonly title: string;
}

/** Puts kernel, initramfs and command line into one EFI program, and signs it. */
export async function unify(parts: KernelParts, keys: Keys, file: string): Promise<void> {
  const osRelease = `${file}.osrel`;
  const cmdline = `${file}.cmdline`;
  // No version: of two slots the number in the file's name decides, also when going back.
  await writeFile(osRelease, `ID=qkd-node\nPRETTY_NAME="${parts.title}"\n`);
  await writeFile(cmdline, `${parts.cmdline}\0`);
  const sections = [
    [".osrel", osRelease],
    [".cmdline", cmdline],
    [".initrd", parts.initramfs],
    [".linux", parts.kernel],
  ] as const;
  // Behind the stub's own sections, each on a page of its own.
  let at = await endOf(parts.stub);
  const args: string[] = [];
  for (const [name, path] of sections) {
    at = Math.ceil(at / 65_536) * 65_536;
    args.push(
      "--add-section",
      `${name}=${path}`,
      "--change-section-vma",
      `${name}=0x${at.toString(16)}`,
    );
    at += (await stat(path)).size;
  }
  const plain = `${file}.unsigned`;
  await run("aarch64-linux-gnu-objcopy", [...args, parts.stub, plain]);
  await zeroTimestamp(plain);
  await sign(plain, keys, file);
  await Promise.all([osRelease, cmdline, plain].map((path) => rm(path)));
}

/** Signs an EFI program, as of the image's time: the signature tells when it was made. */
export async function sign(program: string, keys: Keys, to: string): Promise<void> {
  const time = new Date(epochSeconds() * 1_000).toISOString().slice(0, 19).replace("T", " ");
  const by = [...(await sbsignKey(keys.bootKey)), "--cert", keys.bootCertificate];
  const signing = () => run("faketime", ["-f", time, "sbsign", ...by, "--output", to, program]);
  // What a faketime that was killed left behind is in the way of a later one with its process number.
  await signing().catch(signing);
}

async function endOf(stub: string): Promise<number> {
  const text = await run("aarch64-linux-gnu-objdump", ["-h", stub]);
  const ends = [...text.matchAll(/^\s*\d+\s+\S+\s+([0-9a-f]+)\s+([0-9a-f]+)/gm)].map(
    ([, size = "0", vma = "0"]) => Number.parseInt(size, 16) + Number.parseInt(vma, 16),
  );
  return Math.max(...ends);
}

/** objcopy writes when it ran into the header. */
async function zeroTimestamp(file: string): Promise<void> {
  const bytes = await readFile(file);
  bytes.writeUInt32LE(0, bytes.readUInt32LE(0x3c) + 8);
  await writeFile(file, bytes);
}

/**
 * A kernel for a slot's partition: a line with its length and hash in the first block, then itself.
 * @param loader a boot loader that comes with it: a second line, and itself at the next block
 */
export async function packKernel(uki: string, file: string, loader?: string): Promise<void> {
  const parts = [await readFile(uki)];
  if (loader !== undefined) parts.push(await readFile(loader));
  const lines = parts.map((bytes, i) => {
    const hash = createHash("sha256").update(bytes).digest("hex");
    return `${i === 0 ? "qkd-kernel" : "qkd-loader"} ${bytes.length} ${hash}\n`;
  });
  const head = Buffer.alloc(4_096);
  head.write(lines.join(""));
  const gap = Buffer.alloc(loader === undefined ? 0 : -(parts[0]?.length ?? 0) & 4_095);
  await writeFile(file, Buffer.concat([head, parts[0] ?? head, gap, ...parts.slice(1)]));
}

export const sealedFiles = (folder: string) => ({
  system: join(folder, "system.img"),
  uki: join(folder, "kernel.efi"),
  kernel: join(folder, "kernel.img"),
  bootImage: join(folder, "boot.img"),
  bootSignature: join(folder, "boot.sig"),
});
