/**
 * The keys of a tunnel in a folder: `current`, and `next` beside it, each the key's UUID and its bytes. The folder is
 * to be in memory (tmpfs), for root alone: the kernel has the key of a tunnel in the clear, too, and after a power cut
 * neither has it.
 */
import { diskFiles, type FileSystem, readWhole } from "../../host/disk/files.ts";
import { wipeMemory } from "../../port/key.ts";
import { keyIdForm } from "../rotation/messages.ts";
import type { KeyPlace, TunnelKey } from "../rotation/ports.ts";
import { putKey, withState } from "./state-files.ts";

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

  /** @throws Fault `state.io`, `state.owner` */
  static open(folder: string, files: FileSystem = diskFiles): Promise<KeyFiles> {
    return withState(folder, "the tunnel's keys cannot be read", async () => {
      await files.makeFolder(folder);
      const place = new KeyFiles(folder, files);
      place.#current = await place.#read("current");
      place.#next = await place.#read("next");
      return place;
    });
  }

  get current(): TunnelKey | undefined {
    return this.#current;
  }

  get next(): TunnelKey | undefined {
    return this.#next;
  }

  keepNext(key: TunnelKey): Promise<void> {
    return this.#change(async () => {
      const bytes = Buffer.concat([Buffer.from(key.id, "latin1"), key.bytes]);
      try {
        await putKey(this.#files, this.#path("next"), bytes);
      } catch (error) {
        wipeMemory(key.bytes);
        throw error;
      } finally {
        wipeMemory(bytes);
      }
      const before = this.#next;
      this.#next = key;
      if (before !== undefined) wipeMemory(before.bytes);
    });
  }

  dropNext(): Promise<void> {
    return this.#change(async () => {
      await this.#files.remove(this.#path("next"));
      const before = this.#next;
      this.#next = undefined;
      if (before !== undefined) wipeMemory(before.bytes);
    });
  }

  promote(): Promise<void> {
    return this.#change(async () => {
      await this.#files.rename(this.#path("next"), this.#path("current"));
      const before = this.#current;
      this.#current = this.#next;
      this.#next = undefined;
      if (before !== undefined) wipeMemory(before.bytes);
      await this.#files.syncFolder(this.#folder);
    });
  }

  #change(act: () => Promise<void>): Promise<void> {
    return withState(this.#folder, "the tunnel's key cannot be kept", act);
  }

  #path(name: "current" | "next"): string {
    return `${this.#folder}/${name}`;
  }

  /** @returns undefined also for a file that is damaged: another key comes in its place */
  async #read(name: "current" | "next"): Promise<TunnelKey | undefined> {
    try {
      const bytes = await readWhole(this.#files, this.#path(name), longest);
      if (bytes === undefined || bytes.length <= idLength) return undefined;
      const id = bytes.toString("latin1", 0, idLength);
      // The other end would not hear another form, and no round would come to its end.
      return keyIdForm.test(id) ? { id, bytes: bytes.subarray(idLength) } : undefined;
    } catch (error) {
      if (error instanceof RangeError) return undefined;
      throw error;
    }
  }
}
