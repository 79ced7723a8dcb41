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

const version = 1;
const maxLength = 65_536;
/** Not a key that wraps: that of the digests of IDs. */
const maskId = 0;

export class Keyring {
  readonly #files: FileSystem;
  readonly #path: string;
  readonly #random: (length: number) => Buffer;
  readonly #keys: WrappingKey[] = [];
  #mask = Buffer.alloc(16);
  readonly #bytes = new Map<number, Buffer>();
  /** As they are on the disk, under the master key. */
  #wrapped: readonly WrappedKey[] = [];

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
    const wrapped = await readKeys(this.#files, this.#path);
    if (wrapped === undefined) {
      if (!isEmpty)
        throw fault(this.#path, "km_store.corrupt", "the file with the store's keys is gone");
      const bytes = this.#random(32);
      bytes.copy(this.#mask);
      this.#keep(maskId, bytes);
      return this.rekey(masterKey);
    }
    const master = masterWrappingKey(masterKey);
    for (const { id, wrapped: sealed } of wrapped) {
      const bytes = master.unwrap(Buffer.from(sealed, "base64"), aboutKey(id));
      if (bytes === undefined) {
        throw fault(this.#path, "km_store.key", "the store was made with another master key");
      }
      if (id === maskId) bytes.copy(this.#mask);
      this.#keep(id, bytes);
    }
    this.#wrapped = wrapped;
    if (this.#keys.length === 0)
      throw fault(this.#path, "km_store.corrupt", "the store has no key");
  }

  /** The newest key: what is sealed from now on is sealed with it. */
  get current(): WrappingKey {
    return this.#keys.at(-1) as WrappingKey;
  }

  /** Whether one of its keys has this ID. */
  has(id: number): boolean {
    return this.#keys.some((key) => key.id === id);
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
    return this.#open(wrapped, about, (bytes, by) => ({ key: createSecretKey(bytes), by }));
  }

  /** Which of the store's keys opens it. @returns undefined as {@link unwrap} */
  opener(wrapped: Buffer, about: Buffer): number | undefined {
    return this.#open(wrapped, about, (_, by) => by);
  }

  /** @param use gets what was wrapped, which is wiped after */
  #open<T>(wrapped: Buffer, about: Buffer, use: (bytes: Buffer, by: number) => T): T | undefined {
    for (const wrapping of [...this.#keys].reverse()) {
      const bytes = wrapping.unwrap(wrapped, about);
      if (bytes === undefined) continue;
      const result = use(bytes, wrapping.id);
      bytes.fill(0);
      return result;
    }
    return undefined;
  }

  /** Whether this is the master key that the store's keys are wrapped by. */
  isOf(masterKey: Uint8Array): boolean {
    return opens(masterKey, this.#wrapped);
  }

  /**
   * From now on under another master key, and with a new key of the store. The older stay until
   * {@link dropOlder}. Nothing may be sealed meanwhile: what is sealed by the new key is to be readable after
   * a power cut.
   * @throws a system error: which of the two master keys opens the store is not known then, but one of them does
   */
  async rekey(masterKey: Uint8Array): Promise<void> {
    const id = (this.#keys.at(-1)?.id ?? maskId) + 1;
    const bytes = this.#random(32);
    const master = masterWrappingKey(masterKey);
    const wrapped = [...this.#bytes, [id, bytes] as const].map(([number, key]) => ({
      id: number,
      wrapped: master.wrap(key, this.#random(12), aboutKey(number)).toString("base64"),
    }));
    await this.#write(wrapped);
    this.#keep(id, bytes);
  }

  /**
   * After a start: a rename whose sync failed can be read, and is gone after the next power cut. So what is there
   * is written once more, before anybody counts on the master key that opened it.
   */
  async writeAgain(): Promise<void> {
    await this.#write(this.#wrapped);
  }

  /** Nothing is sealed under an older key any more. */
  async dropOlder(): Promise<void> {
    const current = this.current;
    await this.#write(this.#wrapped.filter(({ id }) => id === current.id || id === maskId));
    for (const { id } of this.#keys.splice(0, this.#keys.length - 1)) {
      this.#bytes.get(id)?.fill(0);
      this.#bytes.delete(id);
    }
  }

  /** Key of the digests by which QKD-key IDs are remembered, 16 bytes: the same for the life of the store. */
  get mask(): Buffer {
    return this.#mask;
  }

  #keep(id: number, bytes: Buffer): void {
    if (id !== maskId) this.#keys.push(new WrappingKey(id, bytes));
    this.#bytes.set(id, bytes);
  }

  async #write(keys: readonly WrappedKey[]): Promise<void> {
    const text = `${JSON.stringify({ version, keys })}\n`;
    await replaceFile(this.#files, this.#path, Buffer.from(text, "utf8"));
    this.#wrapped = keys;
  }

  wipe(): void {
    for (const bytes of this.#bytes.values()) bytes.fill(0);
  }
}

interface WrappedKey {
  readonly id: number;
  /** Base64. */
  readonly wrapped: string;
}

/**
 * Whether a master key opens the store in a folder. @returns undefined if no store is there
 * @throws Fault `km_store.corrupt`, `.version`; a system error
 */
export async function opensStore(
  files: FileSystem,
  folder: string,
  masterKey: Uint8Array,
): Promise<boolean | undefined> {
  const keys = await readKeys(files, `${folder}/store`);
  return keys && opens(masterKey, keys);
}

function opens(masterKey: Uint8Array, keys: readonly WrappedKey[]): boolean {
  const master = masterWrappingKey(masterKey);
  return keys.every(({ id, wrapped }) => {
    const bytes = master.unwrap(Buffer.from(wrapped, "base64"), aboutKey(id));
    bytes?.fill(0);
    return bytes !== undefined;
  });
}

/** @throws Fault `km_store.corrupt`, `.version`; a system error */
async function readKeys(files: FileSystem, path: string): Promise<WrappedKey[] | undefined> {
  const text = await readWhole(files, path, maxLength).catch((error) => {
    if (error instanceof RangeError)
      throw fault(path, "km_store.corrupt", "the file with the store's keys is too long");
    throw error;
  });
  if (text === undefined) return undefined;
  let content: unknown;
  try {
    content = JSON.parse(text.toString("utf8"));
  } catch {
    // Damaged, as what has another form.
  }
  const one = v.safeParse(v.object({ version: v.number() }), content);
  if (one.success && one.output.version > version) {
    throw fault(path, "km_store.version", "a later version of the key manager made this store");
  }
  const whole = v.safeParse(form, content);
  const isWhole =
    whole.success &&
    whole.output.keys.every(
      ({ wrapped }) => Buffer.from(wrapped, "base64").length === wrappedLength,
    );
  if (isWhole) return whole.output.keys;
  throw fault(path, "km_store.corrupt", "the file with the store's keys is damaged");
}

function fault(
  file: string,
  code: "km_store.key" | "km_store.corrupt" | "km_store.version",
  message: string,
): Fault {
  return new Fault(code, message, { file });
}

function aboutKey(id: number): Buffer {
  return Buffer.from(`store key ${id}`, "utf8");
}
