/**
 * Blocks of key on the node's disk, encrypted, for modules that cannot keep them: each in a file of
 * its own (`seal.ts`). The spool's key comes from the service manager's credentials and is never on the
 * same disk in the clear: without it the files are noise.
 */
import { createSecretKey, type KeyObject } from "node:crypto";
import { Fault } from "../../base/errors.ts";
import { type FileSystem, readWhole, replaceFile } from "../../host/disk/files.ts";
import { type BlockFacts, type BlockRef, blockName, KeyBlock } from "../../port/key.ts";
import { seal, unseal } from "./seal.ts";
import { emptySpool, failure, fileName, isCut } from "./spool-files.ts";

/** A block beyond this is refused by every driver. */
const maxFile = 128 * 1024 * 1024;
const maxFacts = 4_096;

export interface SpoolOptions {
  readonly files: FileSystem;
  readonly folder: string;
  /** 32 bytes; copied. */
  readonly key: Uint8Array;
  /** Most bytes of files. */
  readonly maxBytes: number;
}

/** A block in the spool; its bytes are on disk. */
export interface Spooled {
  readonly ref: BlockRef;
  readonly file: string;
  /** Length of the file, bytes. */
  readonly size: number;
}

interface Head {
  readonly moduleId: string;
  readonly facts: BlockFacts;
}

export class Spool {
  readonly #options: SpoolOptions;
  readonly #key: KeyObject;
  /** Oldest first. */
  readonly #blocks = new Map<string, Spooled>();
  #next = 1;
  #bytes = 0;
  /** The file operation under way: one follows the other, also of two sessions. */
  #last: Promise<unknown> = Promise.resolve();

  private constructor(options: SpoolOptions) {
    this.#options = options;
    this.#key = createSecretKey(options.key);
  }

  /** @throws Fault `state.io` */
  static async open(options: SpoolOptions): Promise<Spool> {
    const { files, folder, key } = options;
    if (key.length !== 32) {
      throw new Fault("key.invalid", "the spool's key is not 32 bytes", { bytes: key.length });
    }
    const spool = new Spool(options);
    try {
      await files.makeFolder(folder);
      for (const file of (await files.list(folder)).sort()) await spool.#find(file);
    } catch (error) {
      throw failure("cannot open the spool", folder, error);
    }
    return spool;
  }

  /** Blocks, oldest first. */
  blocks(): Iterable<Spooled> {
    return this.#blocks.values();
  }

  get length(): number {
    return this.#blocks.size;
  }

  get(ref: BlockRef): Spooled | undefined {
    return this.#blocks.get(blockName(ref));
  }

  /** Bytes that fit in. */
  get room(): number {
    return Math.max(0, this.#options.maxBytes - this.#bytes);
  }

  /**
   * Writes a block; it is on disk when this resolves. The block stays the caller's. One that is there
   * already is left as it is.
   * @throws Fault `state.io`; `key.invalid` if the block was wiped before it was its turn
   */
  store(block: KeyBlock, moduleId: string): Promise<void> {
    return this.#alone(() => this.#store(block, moduleId));
  }

  async #store(block: KeyBlock, moduleId: string): Promise<void> {
    const { files, folder } = this.#options;
    const { ref, facts } = block;
    if (this.#blocks.has(blockName(ref))) return;
    const head = { moduleId, facts } satisfies Head;
    const content = seal(this.#key, infoOf(ref), head, block.expose());
    const file = `${String(this.#next++).padStart(12, "0")}-${ref.epoch}-${ref.number}`;
    try {
      await replaceFile(files, `${folder}/${file}`, content);
    } catch (error) {
      // A full disk would be filled by what was begun.
      await files.remove(`${folder}/${file}.new`).catch(() => {});
      throw failure("cannot write the spool", folder, error);
    }
    this.#add({ ref, file, size: content.length });
  }

  /**
   * Reads a block back.
   * @returns undefined if it is of another module, or not in the spool any more
   * @throws Fault `state.corrupt` if it is damaged, or the key is another; `state.io`
   */
  load(one: Spooled, moduleId: string): Promise<KeyBlock | undefined> {
    return this.#alone(async () => {
      return this.get(one.ref) === one ? this.#load(one, moduleId) : undefined;
    });
  }

  async #load({ ref, file }: Spooled, moduleId: string): Promise<KeyBlock | undefined> {
    const { files, folder } = this.#options;
    const path = `${folder}/${file}`;
    let bytes: Buffer | undefined;
    try {
      bytes = await readWhole(files, path, maxFile);
    } catch (error) {
      throw failure("cannot read the spool", folder, error);
    }
    const opened = bytes && unseal(this.#key, infoOf(ref), bytes, maxFacts);
    if (opened === undefined) {
      throw new Fault("state.corrupt", "a spooled block can't be read", { file: path });
    }
    const head = opened.facts as Head;
    if (head.moduleId === moduleId) return new KeyBlock(head.facts, opened.key);
    opened.key.fill(0);
    return undefined;
  }

  /**
   * Forgets a block. What was written may stay on flash for a while: it is noise without the key.
   * @throws Fault `state.io`
   */
  remove(ref: BlockRef): Promise<void> {
    return this.#alone(async () => {
      const { files, folder } = this.#options;
      const found = this.get(ref);
      if (found === undefined) return;
      try {
        await files.remove(`${folder}/${found.file}`);
      } catch (error) {
        throw failure("cannot write the spool", folder, error);
      }
      this.#forget(found);
    });
  }

  /**
   * Destroys all of it, also what cannot be read and what a cut write left; waits for the operation
   * under way. One file that cannot be destroyed does not spare the others.
   * @throws Fault `state.io` if anything may be left
   */
  zeroize(): Promise<void> {
    return this.#alone(() => {
      const { files, folder } = this.#options;
      const blocks = [...this.#blocks.values()];
      return emptySpool(
        files,
        folder,
        blocks.map(({ file }) => file),
        (file) => {
          for (const one of blocks) if (one.file === file) this.#forget(one);
        },
      );
    });
  }

  async #find(file: string): Promise<void> {
    const { files, folder } = this.#options;
    const [, order, epoch, number] = fileName.exec(file) ?? [];
    if (order === undefined || epoch === undefined) {
      if (isCut(file)) await files.remove(`${folder}/${file}`);
      return;
    }
    const open = await files.open(`${folder}/${file}`, "r", 0);
    const { size } = await open.stat().finally(() => open.close());
    this.#next = Math.max(this.#next, Number(order) + 1);
    this.#add({ ref: { epoch, number: Number(number) }, file, size });
  }

  #add(one: Spooled): void {
    this.#blocks.set(blockName(one.ref), one);
    this.#bytes += one.size;
  }

  #forget(one: Spooled): void {
    this.#blocks.delete(blockName(one.ref));
    this.#bytes -= one.size;
  }

  #alone<T>(act: () => Promise<T>): Promise<T> {
    const done = this.#last.then(act);
    this.#last = done.catch(() => {});
    return done;
  }
}

/** The key of a file is of one block alone. */
function infoOf(ref: BlockRef): string {
  return `qkd-node spool v1 ${blockName(ref)}`;
}
