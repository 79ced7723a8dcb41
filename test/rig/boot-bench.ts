/** The image's `boot-slot` with a folder for the machine's disk, and firmware that behaves as it is documented. */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const kinds = fileURLToPath(new URL("../../board/common/boot/", import.meta.url));

/** Namespaces of variables: systemd-boot's, and UEFI's own. */
const vendor = "4a67b082-0a4c-41cf-b6c7-440b29bb8c4f";
const global = "8be4df61-93ca-11d2-aa0d-00e098032b8c";

export type Slot = "a" | "b";

/** Runs `boot-slot` of one kind of boot loader. */
export class BootBench {
  readonly folder = mkdtempSync(join(tmpdir(), "qkd-boot-"));
  readonly #script: string;

  /** @param kind folder of `board/common/boot`. @param bin programs in place of the machine's own */
  constructor(kind: string, bin: Readonly<Record<string, string>> = {}) {
    for (const name of ["dev", "run", "bin"]) mkdirSync(join(this.folder, name));
    const nothing = "exit 0";
    const programs = {
      mountpoint: nothing,
      mount: nothing,
      umount: nothing,
      sync: nothing,
      ...bin,
    };
    for (const [name, text] of Object.entries(programs)) {
      const path = join(this.folder, "bin", name);
      writeFileSync(path, `#!/bin/sh\n${text}\n`);
      chmodSync(path, 0o755);
    }
    this.#script = readFileSync(
      join(kinds, kind, "rootfs_overlay/usr/lib/qkd-image/boot-slot"),
      "utf8",
    )
      .replaceAll("/run/", join(this.folder, "run/"))
      .replaceAll("/dev/disk/by-partuuid/", join(this.folder, "uuid/"))
      .replaceAll("/sys/class/block/", join(this.folder, "block/"))
      .replaceAll("/dev/disk/by-partlabel/", join(this.folder, "dev/"));
  }

  /** The script with more of its paths elsewhere. */
  protected prepared(text: string): string {
    return text;
  }

  /** @returns what it says. @throws Error if it fails */
  say(...words: readonly string[]): string {
    const { status, stdout, stderr } = this.try(...words);
    if (status !== 0) throw new Error(`boot-slot ${words.join(" ")}: ${status}: ${stderr}`);
    return stdout.trim();
  }

  try(...words: readonly string[]) {
    const env = { ...process.env, PATH: `${join(this.folder, "bin")}:${process.env.PATH}` };
    return spawnSync("sh", ["-c", this.prepared(this.#script), "boot-slot", ...words], {
      encoding: "utf8",
      env,
    });
  }

  /** One byte of a partition is another. */
  damage(partition: string, at: number): void {
    const path = join(this.folder, "dev", partition);
    const bytes = readFileSync(path);
    bytes[at] = (bytes[at] ?? 0) ^ 1;
    writeFileSync(path, bytes);
  }

  close(): void {
    rmSync(this.folder, { recursive: true });
  }
}

/** systemd-boot: the greatest number first, those without a try left last; what it starts has one less. */
export class SystemdBoot extends BootBench {
  readonly #linux: string;

  constructor() {
    super("uefi");
    this.#linux = join(this.folder, "run/qkd-esp/mounted/EFI/Linux");
    mkdirSync(this.#linux, { recursive: true });
    // As a disk is flashed.
    writeFileSync(join(this.#linux, "qkd-000001-a+5.efi"), "kernel a1");
  }

  get names(): string[] {
    return readdirSync(this.#linux).sort();
  }

  /** An update's kernel, in its partition as RAUC writes it. @param loader that comes with it */
  kernel(slot: Slot, text: string, loader?: string): void {
    const head = Buffer.alloc(4_096);
    const line = (name: string, part: string) =>
      `${name} ${part.length} ${createHash("sha256").update(part).digest("hex")}\n`;
    head.write(line("qkd-kernel", text) + (loader === undefined ? "" : line("qkd-loader", loader)));
    const kernel = Buffer.alloc(loader === undefined ? text.length : 4_096);
    kernel.write(text);
    const all = Buffer.concat([head, kernel, Buffer.from(loader ?? "")]);
    writeFileSync(join(this.folder, `dev/kernel-${slot}`), all);
  }

  /** The disk's first partition as the kernel knows it, and the firmware's variables. */
  withLoader(text: string): void {
    const path = (...names: string[]) => join(this.folder, ...names);
    for (const name of ["uuid", "block/vda1", "run/qkd-esp/variables"])
      mkdirSync(path(name), { recursive: true });
    mkdirSync(path("run/qkd-esp/mounted/EFI/BOOT"));
    writeFileSync(path("run/qkd-esp/mounted/EFI/BOOT/BOOTAA64.EFI"), text);
    writeFileSync(path("dev/vda1"), "");
    symlinkSync(path("dev/vda1"), path("dev/esp"));
    symlinkSync(path("dev/vda1"), path("uuid/514b4400-0203-0405-8607-080910111213"));
    for (const [name, value] of Object.entries({ partition: 1, start: 8_192, size: 393_216 }))
      writeFileSync(path("block/vda1", name), `${value}\n`);
    this.#startedBy("BOOTAA64.EFI");
  }

  /** One of the firmware's variables, without its attributes. */
  variable(name: string): Buffer | undefined {
    const folder = join(this.folder, "run/qkd-esp/variables");
    const file = readdirSync(folder).find((one) => one.startsWith(`${name}-`));
    return file === undefined ? undefined : readFileSync(join(folder, file)).subarray(4);
  }

  /** Files beside the boot loader, with their text. */
  loaders(): Record<string, string> {
    const folder = join(this.folder, "run/qkd-esp/mounted/EFI/BOOT");
    const names = readdirSync(folder).sort();
    return Object.fromEntries(
      names.map((name) => [name, readFileSync(join(folder, name), "utf8")]),
    );
  }

  /** The firmware starts what BootNext names, once; or, if that does not start, what it always starts. */
  restart(works = true): void {
    const next = join(this.folder, `run/qkd-esp/variables/BootNext-${global}`);
    const trial = existsSync(next);
    rmSync(next, { force: true });
    this.#startedBy(trial && works ? "TRIAL.EFI" : "BOOTAA64.EFI");
  }

  #startedBy(name: string): void {
    const file = join(this.folder, `run/qkd-esp/variables/LoaderImageIdentifier-${vendor}`);
    writeFileSync(file, Buffer.from(`\u0006\0\\EFI\\BOOT\\${name}\0`, "utf16le"));
  }

  /** @returns the slot that it starts. @throws Error if there is none */
  start(): Slot {
    const left = (name: string) => Number(/\+(\d+)/.exec(name)?.[1] ?? 1);
    const known = this.names.filter((name) => name.startsWith("qkd-"));
    const tried = known.filter((name) => left(name) > 0);
    const name = (tried.length > 0 ? tried : known).at(-1);
    const found = /^(qkd-\d+-(.)[^+]*)\+(\d+)(?:-(\d+))?\.efi$/.exec(name ?? "");
    if (name === undefined || found === null) throw new Error(`nothing to start: ${this.names}`);
    const [, stem, slot, tries, done = "0"] = found;
    if (Number(tries) > 0) {
      const counted = `${stem}+${Number(tries) - 1}-${Number(done) + 1}.efi`;
      renameSync(join(this.#linux, name), join(this.#linux, counted));
    }
    return slot as Slot;
  }
}
