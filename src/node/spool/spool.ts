/**
 * Blocks of key on the node's disk, encrypted, for modules that cannot keep them: each in a file of
 * its own, AES-256-GCM under a key of its own that is derived (HKDF-SHA-256) from the spool's key and
 * a salt. What is known of a block is authenticated with it. The spool's key comes from the service
 * manager's credentials and is never on the same disk in the clear: without it the files are noise.
 *
 * A file, in order: `QKDSPL1\n` · salt (32) · length of what is known (u32, big-endian) · that, as
 * JSON · ciphertext, as long as the block · tag (16).
 */
import {
  createCipheriv,
  createDecipheriv,
  createSecretKey,
  hkdfSync,
  type KeyObject,
  randomBytes,
} from "node:crypto";
import { Fault } from "../../base/errors.ts";
import { type FileSystem, readWhole, replaceFile } from "../../host/disk/files.ts";
import { type BlockFacts, type BlockRef, blockName, KeyBlock, keyMemory } from "../../port/key.ts";
import { emptySpool, failure, fileName, isOurs, magic, saltLength } from "./spool-files.ts";

const tagLength = 16;
const headLength = magic.length + saltLength + 4;
/** A block beyond this is refused by every driver. */
const maxFile = 128 * 1024 * 1024;
const maxFacts = 4_096;
/** Each block has a key of its own, which is used once. */
const nonce = Buffer.alloc(12);

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
    const head = Buffer.from(JSON.stringify({ moduleId, facts } satisfies Head));
    const salt = randomBytes(saltLength);
    const cipher = createCipheriv("aes-256-gcm", this.#derive(salt, ref), nonce);
    const prefix = Buffer.alloc(headLength);
    magic.copy(prefix);
    salt.copy(prefix, magic.length);
    prefix.writeUInt32BE(head.length, headLength - 4);
    cipher.setAAD(Buffer.concat([prefix, head]));
    const sealed = [cipher.update(block.expose()), cipher.final()];
    const content = Buffer.concat([prefix, head, ...sealed, cipher.getAuthTag()]);
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
    const damaged = new Fault("state.corrupt", "a spooled block can't be read", { file: path });
    if (bytes === undefined || !bytes.subarray(0, magic.length).equals(magic)) throw damaged;
    if (bytes.length < headLength + tagLength) throw damaged;
    const length = bytes.readUInt32BE(headLength - 4);
    const start = headLength + length;
    if (length > maxFacts || bytes.length < start + tagLength) throw damaged;
    const salt = bytes.subarray(magic.length, magic.length + saltLength);
    const decipher = createDecipheriv("aes-256-gcm", this.#derive(salt, ref), nonce);
    decipher.setAAD(bytes.subarray(0, start));
    decipher.setAuthTag(bytes.subarray(-tagLength));
    const plain = decipher.update(bytes.subarray(start, -tagLength));
    const key = keyMemory(plain.length);
    key.set(plain);
    plain.fill(0);
    try {
      decipher.final();
      // Authenticated, so it is what was written.
      const head = JSON.parse(bytes.toString("utf8", headLength, start)) as Head;
      if (head.moduleId === moduleId) return new KeyBlock(head.facts, key);
      key.fill(0);
      return undefined;
    } catch {
      key.fill(0);
      throw damaged;
    }
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
      // A write that was cut.
      if (isOurs(file)) await files.remove(`${folder}/${file}`);
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

  /** Of one block alone. */
  #derive(salt: Uint8Array, ref: BlockRef): KeyObject {
    const info = `qkd-node spool v1 ${blockName(ref)}`;
    const bytes = new Uint8Array(hkdfSync("sha256", this.#key, salt, info, 32));
    const key = createSecretKey(bytes);
    bytes.fill(0);
    return key;
  }
}
