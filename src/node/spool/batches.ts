/** Batches of key that a driver keeps on the node's disk by itself: each a file of its own, sealed (`seal.ts`). */
import { createSecretKey, type KeyObject } from "node:crypto";
import { Fault } from "../../base/errors.ts";
import { readWhole, replaceFile } from "../../host/disk/files.ts";
import type { BatchSpool, KeptBatch } from "../../port/batch-spool.ts";
import { type BlockRef, blockName } from "../../port/key.ts";
import { seal, unseal } from "./seal.ts";
import type { SpoolOptions } from "./spool.ts";
import { batchName, emptySpool, failure, isCut } from "./spool-files.ts";

const maxFile = 16 * 1024 * 1024;
const maxFacts = 128 * 1024;

interface Entry {
  readonly ref: BlockRef;
  readonly file: string;
  /** Length of the file, bytes. */
  size: number;
}

export class Batches implements BatchSpool {
  readonly #options: SpoolOptions;
  readonly #key: KeyObject;
  readonly #entries = new Map<string, Entry>();
  #next = 1;
  #bytes = 0;
  /** The file operation under way: one follows the other, also of two sessions. */
  #last: Promise<unknown> = Promise.resolve();

  private constructor(options: SpoolOptions) {
    this.#options = options;
    this.#key = createSecretKey(options.key);
  }

  /** @throws Fault `state.io`, `key.invalid` */
  static async open(options: SpoolOptions): Promise<Batches> {
    const { files, folder, key } = options;
    if (key.length !== 32) {
      throw new Fault("key.invalid", "the spool's key is not 32 bytes", { bytes: key.length });
    }
    const batches = new Batches(options);
    try {
      await files.makeFolder(folder);
      for (const file of (await files.list(folder)).sort()) await batches.#find(file);
    } catch (error) {
      throw failure("cannot open the spool", folder, error);
    }
    return batches;
  }

  list(): readonly BlockRef[] {
    return [...this.#entries.values()].map(({ ref }) => ref);
  }

  get room(): number {
    return Math.max(0, this.#options.maxBytes - this.#bytes);
  }

  put(first: BlockRef, facts: unknown, key: Uint8Array): Promise<void> {
    return this.#alone("cannot write the spool", async () => {
      const { files, folder } = this.#options;
      const content = seal(this.#key, infoOf(first), facts, key);
      const known = this.#entries.get(blockName(first));
      const order = String(this.#next).padStart(12, "0");
      const file = known?.file ?? `${order}-${first.epoch}-${first.number}.batch`;
      try {
        await replaceFile(files, `${folder}/${file}`, content);
      } catch (error) {
        // A full disk would be filled by what was begun.
        await files.remove(`${folder}/${file}.new`).catch(() => {});
        throw error;
      }
      if (known === undefined) this.#next++;
      this.#bytes += content.length - (known?.size ?? 0);
      if (known !== undefined) known.size = content.length;
      else this.#entries.set(blockName(first), { ref: first, file, size: content.length });
    });
  }

  get(first: BlockRef): Promise<KeptBatch | undefined> {
    return this.#alone("cannot read the spool", async () => {
      const { files, folder } = this.#options;
      const entry = this.#entries.get(blockName(first));
      if (entry === undefined) return undefined;
      const path = `${folder}/${entry.file}`;
      const bytes = await readWhole(files, path, maxFile);
      const found = bytes && unseal(this.#key, infoOf(first), bytes, maxFacts);
      if (found !== undefined) return found;
      throw new Fault("state.corrupt", "spooled keys can't be read", { file: path });
    });
  }

  remove(first: BlockRef): Promise<void> {
    return this.#alone("cannot write the spool", async () => {
      const { files, folder } = this.#options;
      const entry = this.#entries.get(blockName(first));
      if (entry === undefined) return;
      await files.remove(`${folder}/${entry.file}`);
      this.#forget(entry);
    });
  }

  zeroize(): Promise<void> {
    return this.#alone("cannot empty the spool", () => {
      const { files, folder } = this.#options;
      const entries = [...this.#entries.values()];
      const known = entries.map(({ file }) => file);
      return emptySpool(files, folder, known, (file) => {
        for (const entry of entries) if (entry.file === file) this.#forget(entry);
      });
    });
  }

  async #find(file: string): Promise<void> {
    const { files, folder } = this.#options;
    const [, order, epoch, number] = batchName.exec(file) ?? [];
    if (order === undefined || epoch === undefined) {
      if (isCut(file)) await files.remove(`${folder}/${file}`);
      return;
    }
    const open = await files.open(`${folder}/${file}`, "r", 0);
    const { size } = await open.stat().finally(() => open.close());
    this.#next = Math.max(this.#next, Number(order) + 1);
    const ref = { epoch, number: Number(number) };
    this.#entries.set(blockName(ref), { ref, file, size });
    this.#bytes += size;
  }

  #forget(entry: Entry): void {
    if (this.#entries.delete(blockName(entry.ref))) this.#bytes -= entry.size;
  }

  #alone<T>(what: string, act: () => Promise<T>): Promise<T> {
    const done = this.#last.then(act).catch((error: unknown) => {
      throw failure(what, this.#options.folder, error);
    });
    this.#last = done.catch(() => {});
    return done;
  }
}

/** The key of a file is of one batch alone. */
function infoOf(ref: BlockRef): string {
  return `qkd-node batch v1 ${blockName(ref)}`;
}
