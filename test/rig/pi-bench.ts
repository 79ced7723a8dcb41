/**
 * A Raspberry Pi's firmware as its maker documents it: autoboot.txt with its filter for the one trial, boot.img that is
 * taken only if boot.sig fits, and another partition if the one that was asked for cannot be started. It starts the
 * image's own initramfs as far as that counts starts.
 */
import { spawnSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { BootBench, type Slot } from "./boot-bench.ts";

const scripts = fileURLToPath(new URL("../../board/common/boot/tryboot/", import.meta.url));
const state = join(scripts, "rootfs_overlay/usr/lib/qkd-image/boot-state");

/** Sectors of autoboot.txt and of both copies of starts.txt. */
const [autobootAt, stateAt] = [45, 49];
const partitions: readonly (Slot | undefined)[] = [undefined, undefined, "a", "b"];

export interface PiOptions {
  /** The kernel passes the flag for one trial on to the firmware. */
  readonly once: boolean;
}

export class PiBench extends BootBench {
  /** Slots whose boot.img is signed and whole. */
  readonly signed = new Set<Slot>(["a"]);
  readonly #first: string;
  #trial = false;

  constructor({ once }: PiOptions) {
    super("tryboot", { dd: tearing });
    const disk = Buffer.alloc(64 * 512);
    const lines = ["[all]", "tryboot_a_b=1", "boot_partition=2", "[tryboot]", "boot_partition=3"];
    disk.write(`${`${lines.join("\n")}\n#`.padEnd(511)}\n`, autobootAt * 512);
    disk.write(" ".repeat(1_024), stateAt * 512);
    writeFileSync(this.select, disk);
    mkdirSync(join(this.folder, "lib"));
    copyFileSync(state, join(this.folder, "lib/boot-state"));
    if (once) writeFileSync(join(this.folder, "lib/tryboot"), "");
    this.#first = readFileSync(join(scripts, "initramfs-first"), "utf8")
      .replaceAll("/boot-state", state)
      .replaceAll("/dev/$select", "$select")
      .replaceAll("/proc/device-tree/chosen/bootloader", this.folder);
  }

  get select(): string {
    return join(this.folder, "dev/select");
  }

  protected override prepared(text: string): string {
    return text.replaceAll("/usr/lib/qkd-image/", join(this.folder, "lib/"));
  }

  /** An update is in a slot's partition, whole. */
  install(slot: Slot): void {
    this.signed.add(slot);
    this.say("set-primary", slot);
  }

  /** The power goes at the n-th write of a sector from now, of which so many bytes are new. */
  cutAt(write: number, bytes: number): void {
    writeFileSync(join(this.folder, "cut"), `${write} ${bytes}\n`);
    writeFileSync(join(this.folder, "writes"), "0\n");
  }

  /** @returns how many sectors were written since, and no cut any more */
  writes(): number {
    const file = join(this.folder, "writes");
    const count = existsSync(file) ? Number(readFileSync(file, "utf8")) : 0;
    writeFileSync(join(this.folder, "cut"), "0 0\n");
    return count;
  }

  /** As `systemctl reboot` does it, with what `boot-slot` says. */
  restart(): Slot {
    this.#trial = this.say("restart") === "0 tryboot";
    return this.start();
  }

  /** @returns the slot that runs in the end. @throws Error if the machine is dead */
  start(): Slot {
    for (let i = 0; i < 8; i++) {
      const slot = this.#firmware();
      const { status, stderr } = this.#initramfs(slot);
      if (status === 0) return slot;
      if (status !== 9 && status !== null) throw new Error(`the initramfs: ${status} ${stderr}`);
    }
    throw new Error("it starts for ever");
  }

  #firmware(): Slot {
    const text = readFileSync(this.select).toString(
      "latin1",
      autobootAt * 512,
      (autobootAt + 1) * 512,
    );
    const [, all, once] =
      /^\[all\]\ntryboot_a_b=1\nboot_partition=(\d)\n\[tryboot\]\nboot_partition=(\d)\n/.exec(
        text,
      ) ?? [];
    const wanted = Number((this.#trial ? once : all) ?? 0);
    // The flag is cleared by the start that it was for.
    this.#trial = false;
    const order = [wanted, 1, 2, 3].map((number) => partitions[number]);
    const found = order.find((slot) => slot !== undefined && this.signed.has(slot));
    if (found === undefined) throw new Error("nothing to start");
    return found;
  }

  #initramfs(slot: Slot) {
    writeFileSync(join(this.folder, "partition"), Buffer.from([0, 0, 0, slot === "a" ? 2 : 3]));
    const around = `named() { echo ${this.select}; }
say() { echo "$*" >&2; }
restart() { exit 9; }
`;
    const env = { ...process.env, PATH: `${join(this.folder, "bin")}:${process.env.PATH}` };
    return spawnSync("sh", ["-c", around + this.#first], { encoding: "utf8", env });
  }
}

/** In place of `dd`: counts what is written, and ends the script that called it at the write that is cut. */
const tearing = `here=$(dirname "$0")/..
case "$*" in
  *of=*)
    [ -e "$here/writes" ] || exec /bin/dd "$@"
    count=$(($(cat "$here/writes") + 1))
    echo $count >"$here/writes"
    read -r at bytes <"$here/cut"
    [ "$count" = "$at" ] || exec /bin/dd "$@"
    head -c "$bytes" | /bin/dd "$@"
    kill -9 $PPID
    ;;
  *) exec /bin/dd "$@" ;;
esac`;
