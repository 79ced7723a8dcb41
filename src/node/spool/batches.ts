/** Batches of key that a driver keeps on the node's disk by itself. */
import type { BatchSpool, KeptBatch } from "../../port/batch-spool.ts";
import type { BlockRef } from "../../port/key.ts";
import { SealedFiles, type SealedKind, type SpoolOptions } from "./sealed-files.ts";
import { batchName, batchSuffix } from "./spool-files.ts";

const kind: SealedKind = {
  pattern: batchName,
  suffix: batchSuffix,
  info: "qkd-node batch v1",
  called: "a spooled batch",
  replaces: true,
  maxFile: 16 * 1024 * 1024,
  maxFacts: 128 * 1024,
};

export class Batches implements BatchSpool {
  readonly #sealed: SealedFiles;

  private constructor(sealed: SealedFiles) {
    this.#sealed = sealed;
  }

  /** @throws Fault `state.io`, `key.invalid` */
  static async open(options: SpoolOptions): Promise<Batches> {
    return new Batches(await SealedFiles.open(options, kind));
  }

  list(): readonly BlockRef[] {
    return [...this.#sealed.all()].map(({ ref }) => ref);
  }

  get room(): number {
    return this.#sealed.room;
  }

  put(first: BlockRef, facts: unknown, key: Uint8Array): Promise<void> {
    return this.#sealed.put(first, () => ({ facts, key }));
  }

  get(first: BlockRef): Promise<KeptBatch | undefined> {
    return this.#sealed.read(first);
  }

  remove(first: BlockRef): Promise<void> {
    return this.#sealed.remove(first);
  }

  zeroize(): Promise<void> {
    return this.#sealed.zeroize();
  }
}
