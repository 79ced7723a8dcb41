/** The master key as it lies beside the store: wrapped by a key that does not leave its token. */
import * as v from "valibot";
import { errorCode, Fault } from "../../../base/errors.ts";
import { exists, type FileSystem, readWhole, replaceFile } from "../../../host/disk/files.ts";
import { type Wrapped, wrappedSchema, wrappedVersion } from "./protocol.ts";

const longest = 65_536;

export class WrappedFiles {
  readonly #files: FileSystem;
  readonly #folder: string;

  /** @param folder `state_dir` */
  constructor(files: FileSystem, folder: string) {
    this.#files = files;
    this.#folder = folder;
  }

  /** That of the store. */
  get path(): string {
    return `${this.#folder}/master-key.hsm`;
  }

  /** One that the store is about to get, or has got. */
  get nextPath(): string {
    return `${this.path}.next`;
  }

  /** @returns undefined if there is none @throws Fault `hsm.io`, `km_store.version` */
  async read(path: string): Promise<Wrapped | undefined> {
    let text: Buffer | undefined;
    try {
      text = await readWhole(this.#files, path, longest);
    } catch (error) {
      if (error instanceof Fault) throw error;
      const reason = errorCode(error) ?? "unknown";
      throw new Fault("hsm.io", "the wrapped master key can't be read", { file: path, reason });
    }
    if (text === undefined) return undefined;
    try {
      const wrapped = v.parse(wrappedSchema, JSON.parse(text.toString("utf8")));
      if (wrapped.version === wrappedVersion) return wrapped;
    } catch {
      throw new Fault("hsm.io", "the file with the wrapped master key is damaged", { file: path });
    }
    throw new Fault("km_store.version", "a later version of the key manager wrapped this key", {
      file: path,
    });
  }

  /** @throws Fault `hsm.io` */
  async write(path: string, wrapped: Wrapped): Promise<void> {
    await this.#do(path, () =>
      replaceFile(this.#files, path, Buffer.from(`${JSON.stringify(wrapped)}\n`, "utf8")),
    );
  }

  /**
   * The next one is that of the store, and the one before is gone. After an error it can be done again.
   * @param next its content
   * @throws Fault `hsm.io`
   */
  async promote(next: Wrapped): Promise<void> {
    let isMoved = false;
    await this.#do(this.path, async () => {
      // Moved, and not synced, by a try before: a sync that failed is not made good by one that works.
      isMoved = !(await exists(this.#files, this.nextPath));
      if (isMoved) return;
      await this.#files.rename(this.nextPath, this.path);
      await this.#files.syncFolder(this.#folder);
    });
    if (isMoved) await this.write(this.path, next);
  }

  /** The store never got the next one. @throws Fault `hsm.io` */
  async dropNext(): Promise<void> {
    await this.#do(this.nextPath, async () => {
      if (!(await exists(this.#files, this.nextPath))) return;
      await this.#files.remove(this.nextPath);
      await this.#files.syncFolder(this.#folder);
    });
  }

  async #do(file: string, act: () => Promise<void>): Promise<void> {
    try {
      await act();
    } catch (error) {
      const reason = errorCode(error) ?? "unknown";
      throw new Fault("hsm.io", "the wrapped master key can't be written", { file, reason });
    }
  }
}
