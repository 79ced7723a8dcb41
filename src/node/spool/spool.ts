/**
 * Blocks of key on the node's disk, encrypted, for modules that cannot keep them. The spool's key comes
 * from the service manager's credentials and is never on the same disk in the clear: without it the files
 * are noise.
 */
import { type BlockFacts, type BlockRef, KeyBlock } from "../../port/key.ts";
import { type Sealed, SealedFiles, type SealedKind, type SpoolOptions } from "./sealed-files.ts";
import { fileName } from "./spool-files.ts";

export type { SpoolOptions };

const kind: SealedKind = {
  pattern: fileName,
  suffix: "",
  info: "qkd-node spool v1",
  called: "a spooled block",
  replaces: false,
  // A block beyond this is refused by every driver.
  maxFile: 128 * 1024 * 1024,
  maxFacts: 4_096,
};

/** A block in the spool; its bytes are on disk. */
export type Spooled = Sealed;

interface Head {
  readonly moduleId: string;
  readonly facts: BlockFacts;
}

export class Spool {
  readonly #sealed: SealedFiles;

  private constructor(sealed: SealedFiles) {
    this.#sealed = sealed;
  }

  /** @throws Fault `state.io`, `key.invalid` */
  static async open(options: SpoolOptions): Promise<Spool> {
    return new Spool(await SealedFiles.open(options, kind));
  }

  /** Blocks, oldest first. */
  blocks(): Iterable<Spooled> {
    return this.#sealed.all();
  }

  get length(): number {
    return this.#sealed.length;
  }

  get(ref: BlockRef): Spooled | undefined {
    return this.#sealed.get(ref);
  }

  /** Bytes that fit in. */
  get room(): number {
    return this.#sealed.room;
  }

  /**
   * Writes a block; it is on disk when this resolves. The block stays the caller's. One that is there
   * already is left as it is.
   * @throws Fault `state.io`; `key.invalid` if the block was wiped before it was its turn
   */
  store(block: KeyBlock, moduleId: string): Promise<void> {
    const facts = { moduleId, facts: block.facts } satisfies Head;
    return this.#sealed.put(block.ref, () => ({ facts, key: block.expose() }));
  }

  /**
   * Reads a block back.
   * @returns undefined if it is of another module, or not in the spool any more
   * @throws Fault `state.corrupt` if it is damaged, or the key is another; `state.io`
   */
  async load(one: Spooled, moduleId: string): Promise<KeyBlock | undefined> {
    const found = await this.#sealed.read(one.ref, one);
    if (found === undefined) return undefined;
    const head = found.facts as Head;
    if (head.moduleId === moduleId) return new KeyBlock(head.facts, found.key);
    found.key.fill(0);
    return undefined;
  }

  /** Forgets a block. @throws Fault `state.io` */
  remove(ref: BlockRef): Promise<void> {
    return this.#sealed.remove(ref);
  }

  /** Destroys all of it, also what cannot be read. @throws Fault `state.io` if anything may be left */
  zeroize(): Promise<void> {
    return this.#sealed.zeroize();
  }
}
