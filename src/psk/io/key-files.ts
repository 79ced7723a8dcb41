/**
 * The keys of a tunnel in a folder: `current`, and `next` beside it, each the key's UUID and its bytes. The folder is
 * to be in memory (tmpfs), for root alone: the kernel has the key of a tunnel in the clear, too, and after a power cut
 * neither has it.
 */
import { diskFiles, type FileSystem, readWhole, replaceFile } from "../../host/disk/files.ts";
import { wipeMemory } from "../../port/key.ts";
import type { KeyPlace, TunnelKey } from "../rotation/ports.ts";

const idLength = 36;
const longest = 2_048;

export class KeyFiles implements KeyPlace {
  readonly #folder: string;
  readonly #files: FileSystem;
  #current: TunnelKey | undefined;
  #next: TunnelKey | undefined;

  private constructor(folder: string, files: FileSystem) {
    this.#folder = folder;
    this.#files = files;
  }

  /** @throws a system error, Fault `state.owner` */
  static async open(folder: string, files: FileSystem = diskFiles): Promise<KeyFiles> {
    await files.makeFolder(folder);
    const place = new KeyFiles(folder, files);
    place.#current = await place.#read("current");
    place.#next = await place.#read("next");
    return place;
  }

  get current(): TunnelKey | undefined {
    return this.#current;
  }

  get next(): TunnelKey | undefined {
    return this.#next;
  }

  async keepNext(key: TunnelKey): Promise<void> {
    const bytes = Buffer.concat([Buffer.from(key.id, "latin1"), key.bytes]);
    try {
      await replaceFile(this.#files, this.#path("next"), bytes);
    } finally {
      wipeMemory(bytes);
    }
    const before = this.#next;
    this.#next = key;
    if (before !== undefined) wipeMemory(before.bytes);
  }

  async dropNext(): Promise<void> {
    await this.#files.remove(this.#path("next"));
    const before = this.#next;
    this.#next = undefined;
    if (before !== undefined) wipeMemory(before.bytes);
  }

  async promote(): Promise<void> {
    await this.#files.rename(this.#path("next"), this.#path("current"));
    const before = this.#current;
    this.#current = this.#next;
    this.#next = undefined;
    if (before !== undefined) wipeMemory(before.bytes);
    await this.#files.syncFolder(this.#folder);
  }

  #path(name: "current" | "next"): string {
    return `${this.#folder}/${name}`;
  }

  async #read(name: "current" | "next"): Promise<TunnelKey | undefined> {
    const bytes = await readWhole(this.#files, this.#path(name), longest);
    if (bytes === undefined || bytes.length <= idLength) return undefined;
    const id = bytes.toString("latin1", 0, idLength);
    return { id, bytes: bytes.subarray(idLength) };
  }
}
