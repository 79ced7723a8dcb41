/** Key on the node's disk, encrypted: each piece in a file of its own (`seal.ts`), by the name of its first block. */
import { createSecretKey, type KeyObject } from "node:crypto";
import { errorCode, Fault } from "../../base/errors.ts";
import { type FileSystem, readWhole, replaceFile } from "../../host/disk/files.ts";
import type { KeptBatch } from "../../port/batch-spool.ts";
import { type BlockRef, blockName } from "../../port/key.ts";
import { spoolCheck } from "../ledger/ledger-folder.ts";
import { keyCheck, seal, unseal } from "./seal.ts";
import { emptySpool, failure, isCut } from "./spool-files.ts";

export interface SpoolOptions {
  readonly files: FileSystem;
  readonly folder: string;
  /** 32 bytes; copied. */
  readonly key: Uint8Array;
  /** Most bytes of files. */
  readonly maxBytes: number;
}

/** What the files of a folder are. */
export interface SealedKind {
  /** Of file names: their order, the epoch, the number. */
  readonly pattern: RegExp;
  /** What names end with. */
  readonly suffix: string;
  /** The key of a file is of this, and of its first block, alone. */
  readonly info: string;
  /** For faults: as in `a spooled block`. */
  readonly called: string;
  /** One that is there already is written anew; else it is left as it is. */
  readonly replaces: boolean;
  /** Longest file, and facts in it, bytes. */
  readonly maxFile: number;
  readonly maxFacts: number;
}

/** A file whose key is on disk. */
export interface Sealed {
  readonly ref: BlockRef;
  readonly file: string;
  /** Length of the file, bytes. */
  readonly size: number;
}

/** Of the machine, or of a mode that a person sets: what is in the file may be good. */
const passing: readonly unknown[] = ["EMFILE", "ENFILE", "ENOMEM", "EACCES", "EPERM", "ESTALE"];
/** So many files are tried, where that is missing or says another key. */
const tried = 8;

/** Of one that cannot be looked at it is zero: what is wrong with it is found when it is read, and is of it alone. */
async function sizeOf(files: FileSystem, path: string): Promise<number> {
  try {
    const open = await files.open(path, "r", 0);
    const { size } = await open.stat().finally(() => open.close());
    return size;
  } catch {
    return 0;
  }
}

export class SealedFiles {
  readonly #options: SpoolOptions;
  readonly #kind: SealedKind;
  readonly #key: KeyObject;
  /** Oldest first. */
  readonly #entries = new Map<string, Sealed>();
  #next = 1;
  #bytes = 0;
  /** The file operation under way: one follows the other, also of two sessions. */
  #last: Promise<unknown> = Promise.resolve();

  private constructor(options: SpoolOptions, kind: SealedKind) {
    this.#options = options;
    this.#kind = kind;
    this.#key = createSecretKey(options.key);
  }

  /** @throws Fault `state.io`; `key.invalid` if it is no key, or another than that of the files */
  static async open(options: SpoolOptions, kind: SealedKind): Promise<SealedFiles> {
    const { files, folder, key } = options;
    if (key.length !== 32) {
      throw new Fault("key.invalid", "the spool's key is not 32 bytes", { bytes: key.length });
    }
    const sealed = new SealedFiles(options, kind);
    try {
      await files.makeFolder(folder);
      for (const file of (await files.list(folder)).sort()) await sealed.#find(file);
      await sealed.#checkKey();
    } catch (error) {
      throw failure("cannot open the spool", { folder }, error);
    }
    return sealed;
  }

  /** Oldest first. */
  all(): Iterable<Sealed> {
    return this.#entries.values();
  }

  get length(): number {
    return this.#entries.size;
  }

  get(ref: BlockRef): Sealed | undefined {
    return this.#entries.get(blockName(ref));
  }

  /** Bytes that fit in. */
  get room(): number {
    return Math.max(0, this.#options.maxBytes - this.#bytes);
  }

  /**
   * Writes a file; it is on disk when this resolves. The key stays the caller's.
   * @param content called when it is its turn @throws what it throws, Fault `state.io`
   */
  put(ref: BlockRef, content: () => { facts: unknown; key: Uint8Array }): Promise<void> {
    return this.#alone("cannot write the spool", async () => {
      const { files, folder } = this.#options;
      const { info, suffix, replaces } = this.#kind;
      const known = this.get(ref);
      if (known !== undefined && !replaces) return;
      const { facts, key } = content();
      const bytes = seal(this.#key, `${info} ${blockName(ref)}`, facts, key);
      const order = String(this.#next).padStart(12, "0");
      const file = known?.file ?? `${order}-${ref.epoch}-${ref.number}${suffix}`;
      try {
        await replaceFile(files, `${folder}/${file}`, bytes);
      } catch (error) {
        // A full disk would be filled by what was begun.
        await files.remove(`${folder}/${file}.new`).catch(() => {});
        throw error;
      }
      if (known === undefined) this.#next++;
      this.#add({ ref, file, size: bytes.length });
    });
  }

  /**
   * @param one only this one, not another that came in its place
   * @returns undefined if it is not there when it is its turn
   * @throws Fault `state.corrupt` if it is damaged, or the key is another; `state.io`, `state.owner` if nothing is known
   *   of what is in it, which may be good
   */
  read(ref: BlockRef, one?: Sealed): Promise<KeptBatch | undefined> {
    return this.#alone("cannot read the spool", async () => {
      const { files, folder } = this.#options;
      const { info, called, maxFile, maxFacts } = this.#kind;
      const known = this.get(ref);
      if (known === undefined || (one !== undefined && known !== one)) return undefined;
      const path = `${folder}/${known.file}`;
      const unreadable = (code?: string) =>
        new Fault("state.corrupt", `${called} can't be read`, {
          file: path,
          ...(code && { code }),
        });
      const bytes = await readWhole(files, path, maxFile).catch((error: unknown) => {
        const code = errorCode(error);
        if (!(error instanceof Fault) && !passing.includes(code)) throw unreadable(code);
        throw failure("cannot read a file of the spool", { file: path }, error);
      });
      const found = bytes && unseal(this.#key, `${info} ${blockName(ref)}`, bytes, maxFacts);
      if (found !== undefined) return found;
      throw unreadable();
    });
  }

  /**
   * Forgets a file. What was written may stay on flash for a while: it is noise without the key.
   * @throws Fault `state.io`
   */
  remove(ref: BlockRef): Promise<void> {
    return this.#alone("cannot write the spool", async () => {
      const { files, folder } = this.#options;
      const known = this.get(ref);
      if (known === undefined) return;
      await files.remove(`${folder}/${known.file}`);
      this.#forget(known);
    });
  }

  /**
   * Destroys all of it, also what cannot be read and what a cut write left; waits for the operation
   * under way. One file that cannot be destroyed does not spare the others.
   * @throws Fault `state.io` if anything may be left
   */
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

  /** With another key all of it would be taken for damaged, and given up. @throws Fault `key.invalid` */
  async #checkKey(): Promise<void> {
    const { files, folder } = this.#options;
    const path = `${folder}/${spoolCheck}`;
    const check = keyCheck(this.#key);
    const found = await readWhole(files, path, check.length).catch((error: unknown) => {
      if (error instanceof RangeError) return Buffer.alloc(0);
      throw error;
    });
    if (found?.equals(check)) return;
    // One file alone may be damaged.
    const isTold = found !== undefined || this.#entries.size > 1;
    if (isTold && this.#entries.size > 0 && !(await this.#opensAny())) {
      const text = "what is in the spool was written with another key: put that back";
      throw new Fault("key.invalid", text, { folder });
    }
    // Where the disk is full the next start writes it.
    await replaceFile(files, path, check).catch(() => {});
  }

  async #opensAny(): Promise<boolean> {
    for (const { ref } of [...this.#entries.values()].slice(0, tried)) {
      const found = await this.read(ref).catch((error: unknown) => {
        if (error instanceof Fault && error.code === "state.corrupt") return undefined;
        throw error;
      });
      found?.key.fill(0);
      if (found !== undefined) return true;
    }
    return false;
  }

  async #find(file: string): Promise<void> {
    const { files, folder } = this.#options;
    const [, order, epoch, number] = this.#kind.pattern.exec(file) ?? [];
    if (order === undefined || epoch === undefined) {
      if (isCut(file)) await files.remove(`${folder}/${file}`);
      return;
    }
    const size = await sizeOf(files, `${folder}/${file}`);
    this.#next = Math.max(this.#next, Number(order) + 1);
    this.#add({ ref: { epoch, number: Number(number) }, file, size });
  }

  /** One of the same name gives up its room, and keeps its place. */
  #add(one: Sealed): void {
    this.#bytes += one.size - (this.get(one.ref)?.size ?? 0);
    this.#entries.set(blockName(one.ref), one);
  }

  #forget(one: Sealed): void {
    if (this.#entries.delete(blockName(one.ref))) this.#bytes -= one.size;
  }

  #alone<T>(what: string, act: () => Promise<T>): Promise<T> {
    const done = this.#last.then(act).catch((error: unknown) => {
      throw failure(what, { folder: this.#options.folder }, error);
    });
    this.#last = done.catch(() => {});
    return done;
  }
}
