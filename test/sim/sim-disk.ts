/** The disk of a story: which of its troubles it has, and how often, is drawn for each story. */
import type { FileSystem } from "../../src/host/disk/files.ts";
import { Disk, systemError } from "../faults/disk.ts";
import type { Plant } from "./custody-draw.ts";

/** How likely each trouble is where it could be, 0 to 1; 0: not in this story. */
export interface DiskFaults {
  /** A sector of what was synced goes bad between two starts. */
  readonly damage: number;
  /** What a failed sync was about is forgotten, as Linux does; else the next sync writes it. */
  readonly forgets: number;
  /** Operations that fail in a row once one does, at the most. */
  readonly failures: number;
}

export class SimDisk {
  readonly faults: DiskFaults;
  readonly #path: string;
  readonly #draw: () => number;
  readonly #plant: Plant | undefined;
  #disk = new Disk();

  constructor(path: string, draw: () => number, plant: Plant | undefined) {
    this.#path = path;
    this.#draw = draw;
    this.#plant = plant;
    const some = (most: number) => (draw() < 0.7 ? draw() * most : 0);
    this.faults = {
      damage: some(0.5),
      forgets: draw() < 0.7 ? 1 : some(1),
      failures: 1 + Math.floor(some(6)),
    };
  }

  /** What the ledger is given. */
  get files(): FileSystem {
    const disk = this.#disk;
    const isPlanted = this.#plant === "a sync is left out";
    if (!isPlanted && this.#plant !== "a folder's sync is left out") return disk;
    return {
      open: async (path, flags) => {
        const file = await disk.open(path, flags);
        // Some of them: one that comes later makes good for those before it.
        const datasync = () => (this.#draw() < 0.5 ? file.datasync() : Promise.resolve());
        return isPlanted ? { ...file, datasync } : file;
      },
      rename: (from, to) => disk.rename(from, to),
      remove: (path) => disk.remove(path),
      list: (path) => disk.list(path),
      makeFolder: () => disk.makeFolder(),
      syncFolder: () => (isPlanted ? disk.syncFolder() : Promise.resolve()),
    };
  }

  /** One of the next operations fails, and perhaps some after it. */
  fail(): void {
    const from = this.#disk.operations + 1 + Math.floor(this.#draw() * 3);
    const to = from + Math.floor(this.#draw() * this.faults.failures);
    this.#disk.forgets = this.#draw() < this.faults.forgets ? this.#draw : undefined;
    this.#disk.trouble = (n) => (n >= from && n <= to ? systemError("EIO") : undefined);
  }

  heal(): void {
    this.#disk.trouble = () => undefined;
  }

  /** Power fails: what was not synced is lost, or arrives in part, in any order. */
  powerCut(): void {
    this.#disk = this.#disk.afterPowerCut(this.#draw);
  }

  /** A sector goes bad, of what was synced, if this story has that. */
  age(): void {
    if (this.#draw() >= this.faults.damage) return;
    const bytes = Buffer.from(this.#disk.read(this.#path) as Buffer);
    let end = bytes.length;
    while (end > 0 && bytes[end - 1] === 0) end--;
    const at = Math.floor((this.#draw() * end) / 512) * 512;
    bytes.fill(0xee, at, Math.min(end, at + 512));
    this.#disk.put(this.#path, bytes);
  }
}
