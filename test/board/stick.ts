/** A USB stick, as an image that QEMU can plug in. */
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Machine } from "./machine.ts";

export class Stick {
  readonly #image: string;
  readonly #folder: string;

  /** @param label of its file system: one with `QKD-SITE` is read by the board as it is plugged in @param mb its size */
  constructor(folder: string, label = "QKD-SITE", mb = 16) {
    this.#folder = join(folder, "stick");
    this.#image = join(folder, "stick.img");
    rmSync(this.#image, { force: true });
    const size = String(mb * 1_024);
    execFileSync("mkfs.vfat", ["-C", "-n", label, this.#image, size], { stdio: "pipe" });
  }

  /** Writes a file onto it. */
  put(path: string, content: string): void {
    const from = join(this.#folder, path);
    mkdirSync(dirname(from), { recursive: true });
    writeFileSync(from, content);
    const folders = dirname(path) === "." ? [] : [dirname(path)];
    for (const folder of folders) this.#mtools("mmd", "-D", "s", `::${folder}`);
    this.#mtools("mcopy", "-o", from, `::${path}`);
  }

  /** Copies a file of this machine onto it. */
  copy(from: string, name: string): void {
    this.#mtools("mcopy", "-o", from, `::${name}`);
  }

  /** What is in a file on it; undefined if there is none. */
  read(path: string): string | undefined {
    const to = join(this.#folder, "read");
    mkdirSync(this.#folder, { recursive: true });
    rmSync(to, { force: true });
    try {
      this.#mtools("mcopy", "-n", `::${path}`, to);
      return readFileSync(to, "utf8");
    } catch {
      return undefined;
    }
  }

  /** Names of its files. */
  list(): string[] {
    return execFileSync("mdir", ["-b", "-i", this.#image, "::"], { encoding: "utf8" })
      .split("\n")
      .map((line) => line.replace("::/", ""))
      .filter(Boolean);
  }

  async plug(machine: Machine): Promise<void> {
    const file = { driver: "file", filename: this.#image };
    await machine.qmp("blockdev-add", { "node-name": "stick", driver: "raw", file });
    await machine.qmp("device_add", {
      driver: "usb-storage",
      id: "stick",
      drive: "stick",
      bus: "usb.0",
    });
  }

  async unplug(machine: Machine): Promise<void> {
    await machine.qmp("device_del", { id: "stick" });
    // The device goes when the guest has let go of it.
    await machine.until(async () => {
      try {
        await machine.qmp("blockdev-del", { "node-name": "stick" });
        return true;
      } catch {
        return false;
      }
    });
  }

  #mtools(program: string, ...args: string[]): void {
    try {
      execFileSync(program, ["-i", this.#image, ...args], { stdio: "pipe" });
    } catch (error) {
      if (program !== "mmd") throw error;
    }
  }
}
