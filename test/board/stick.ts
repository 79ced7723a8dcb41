/** A USB stick with the label QKD-SITE, as an image that QEMU can plug in. */
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Machine } from "./machine.ts";

export class Stick {
  readonly #image: string;
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = join(folder, "stick");
    this.#image = join(folder, "stick.img");
    rmSync(this.#image, { force: true });
    execFileSync("mkfs.vfat", ["-C", "-n", "QKD-SITE", this.#image, "16384"], { stdio: "pipe" });
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
