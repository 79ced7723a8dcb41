/** The file `store`: which form the folder has, and the store's own keys, wrapped by the master key. */
import { createSecretKey, type KeyObject } from "node:crypto";
import * as v from "valibot";
import { Fault } from "../../../base/errors.ts";
import { type FileSystem, readWhole, replaceFile } from "../../../host/disk/files.ts";
import { masterWrappingKey, WrappingKey, wrappedLength } from "./sealing.ts";

const form = v.strictObject({
  version: v.number(),
  keys: v.array(v.strictObject({ id: v.number(), wrapped: v.string() })),
});

const maxLength = 65_536;
/** Not a key that wraps: that of the digests of IDs. */
const maskId = 0;

export class Keyring {
  readonly #files: FileSystem;
  readonly #path: string;
  readonly #random: (length: number) => Buffer;
  readonly #keys: WrappingKey[] = [];
  #mask = Buffer.alloc(16);
  /** As they are on disk, under the master key of now. */
  #bytes = new Map<number, Buffer>();

  constructor(files: FileSystem, folder: string, random: (length: number) => Buffer) {
    this.#files = files;
    this.#path = `${folder}/store`;
    this.#random = random;
  }

  /**
   * @param isEmpty nothing else is in the folder: a missing file begins a store
   * @throws Fault `km_store.key` if it is another master key; `km_store.corrupt`, `.version`, `.io`
   */
  async open(masterKey: Uint8Array, isEmpty: boolean): Promise<void> {
    const text = await readWhole(this.#files, this.#path, maxLength);
    if (text === undefined) {
      if (!isEmpty) throw this.#fault("km_store.corrupt", "the file with the store's keys is gone");
      const bytes = this.#random(32);
      bytes.copy(this.#mask);
      this.#keep(maskId, bytes);
      return this.#addKey(masterKey);
    }
    const master = masterWrappingKey(masterKey);
    for (const { id, wrapped } of this.#parse(text)) {
      const bytes = master.unwrap(Buffer.from(wrapped, "base64"), aboutKey(id));
      if (bytes === undefined) {
        throw this.#fault("km_store.key", "the store was made with another master key");
      }
      if (id === maskId) bytes.copy(this.#mask);
      this.#keep(id, bytes);
    }
    if (this.#keys.length === 0) throw this.#fault("km_store.corrupt", "the store has no key");
  }

  #parse(text: Buffer): { id: number; wrapped: string }[] {
    try {
      const { version, keys } = v.parse(form, JSON.parse(text.toString("utf8")));
      if (version !== 1) {
        throw this.#fault("km_store.version", "a later version of the key manager made this store");
      }
      const whole = keys.every(
        ({ wrapped }) => Buffer.from(wrapped, "base64").length === wrappedLength,
      );
      if (whole) return keys;
    } catch (error) {
      if (error instanceof Fault) throw error;
    }
    throw this.#fault("km_store.corrupt", "the file with the store's keys is damaged");
  }

  /** The newest key: what is sealed from now on is sealed with it. */
  get current(): WrappingKey {
    return this.#keys.at(-1) as WrappingKey;
  }

  /** Whether anything may still be under an older one. */
  get hasOlder(): boolean {
    return this.#keys.length > 1;
  }

  /** Wraps a key anew. @returns bytes for a header */
  wrap(bytes: Uint8Array, about: Buffer): Buffer {
    return this.current.wrap(bytes, this.#random(12), about);
  }

  /** @returns undefined if none of the store's keys opens it, or it was overwritten */
  unwrap(wrapped: Buffer, about: Buffer): { key: KeyObject; by: number } | undefined {
    for (const wrapping of [...this.#keys].reverse()) {
      const bytes = wrapping.unwrap(wrapped, about);
      if (bytes === undefined) continue;
      const key = createSecretKey(bytes);
      bytes.fill(0);
      return { key, by: wrapping.id };
    }
    return undefined;
  }

  /** From now on under another master key, and with a new key of the store. The older stay until {@link dropOlder}. */
  async rekey(masterKey: Uint8Array): Promise<void> {
    await this.#addKey(masterKey);
  }

  /** Nothing is sealed under an older key any more. @param masterKey that of now */
  async dropOlder(masterKey: Uint8Array): Promise<void> {
    const current = this.current;
    for (const { id } of this.#keys) {
      if (id === current.id || id === maskId) continue;
      this.#bytes.get(id)?.fill(0);
      this.#bytes.delete(id);
    }
    this.#keys.splice(0, this.#keys.length - 1);
    await this.#write(masterKey);
  }

  async #addKey(masterKey: Uint8Array): Promise<void> {
    this.#keep((this.#keys.at(-1)?.id ?? maskId) + 1, this.#random(32));
    await this.#write(masterKey);
  }

  /** Key of the digests by which QKD-key IDs are remembered, 16 bytes: the same for the life of the store. */
  get mask(): Buffer {
    return this.#mask;
  }

  #keep(id: number, bytes: Buffer): void {
    if (id !== maskId) this.#keys.push(new WrappingKey(id, bytes));
    this.#bytes.set(id, bytes);
  }

  async #write(masterKey: Uint8Array): Promise<void> {
    const master = masterWrappingKey(masterKey);
    const keys = [...this.#bytes].map(([id, bytes]) => ({
      id,
      wrapped: master.wrap(bytes, this.#random(12), aboutKey(id)).toString("base64"),
    }));
    const text = `${JSON.stringify({ version: 1, keys })}\n`;
    await replaceFile(this.#files, this.#path, Buffer.from(text, "utf8"));
  }

  #fault(code: "km_store.key" | "km_store.corrupt" | "km_store.version", message: string): Fault {
    return new Fault(code, message, { file: this.#path });
  }

  wipe(): void {
    for (const bytes of this.#bytes.values()) bytes.fill(0);
  }
}

function aboutKey(id: number): Buffer {
  return Buffer.from(`store key ${id}`, "utf8");
}
