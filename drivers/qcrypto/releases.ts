/** Lets go of blocks, and remembers which they were. */
import type { KeyFolder } from "./folder.ts";
import type { Gone } from "./gone.ts";
import type { Stock } from "./stock.ts";

export class Releases {
  readonly #folder: KeyFolder;
  readonly #stock: Stock;
  readonly #gone: Gone;
  /** What was let go of could not be remembered on disk. */
  trouble: unknown;

  constructor(folder: KeyFolder, stock: Stock, gone: Gone) {
    this.#folder = folder;
    this.#stock = stock;
    this.#gone = gone;
  }

  /**
   * Removes blocks that the KM has. Another key that has the name of one now stays.
   * @param discarded blocks that an operator gave up, which are removed whatever they are
   * @returns whether another key took the name of one while that was on its way: it stays
   * @throws Fault `link.closed`
   */
  async remove(released: readonly number[], discarded: readonly number[]): Promise<boolean> {
    const blocks = new Map<number, Buffer | undefined>();
    const epochs: number[] = [];
    const replaced: number[] = [];
    for (const epoch of [...released, ...discarded]) {
      const { there, digest } = await this.#contentOf(epoch);
      const fate = this.#gone.find(epoch, digest);
      if (there && fate === "no") blocks.set(epoch, digest);
      const isDone = fate !== "another" || discarded.includes(epoch);
      if (there && (await this.#isReplaced(epoch)) && !discarded.includes(epoch)) {
        replaced.push(epoch);
      } else if (!there || isDone) epochs.push(epoch);
    }
    // Before they are removed: a kill in between leaves a file that is known to be done with.
    await this.#remember(blocks);
    await this.#folder.remove(epochs);
    for (const epoch of epochs) this.#stock.removed(epoch);
    for (const epoch of replaced) this.#stock.missed(epoch);
    return replaced.length > 0;
  }

  /** Whether the file that has this name is another than the one that was read. */
  async #isReplaced(epoch: number): Promise<boolean> {
    const read = this.#stock.get(epoch)?.stamp;
    const now = read === undefined ? undefined : await this.#folder.stamp(epoch);
    return now !== undefined && now !== read;
  }

  /**
   * Destroys every block. Their names are remembered, what they were is not.
   * @throws Fault `link.closed` if anything may be left
   */
  async destroy(): Promise<void> {
    const epochs = await this.#folder.destroy();
    for (const epoch of epochs) this.#stock.removed(epoch);
    const fresh = epochs.filter((epoch) => this.#gone.find(epoch, undefined) === "no");
    await this.#remember(new Map(fresh.map((epoch) => [epoch, undefined])));
  }

  async #contentOf(epoch: number): Promise<{ there: boolean; digest: Buffer | undefined }> {
    const known = this.#stock.get(epoch)?.digest;
    if (known !== undefined) return { there: true, digest: known };
    const found = await this.#folder.read(epoch, Number.MAX_VALUE);
    if (found.kind !== "key") return { there: found.kind !== "gone", digest: undefined };
    const digest = this.#gone.digest(found.header.bits, found.bytes);
    found.bytes.fill(0);
    return { there: true, digest };
  }

  async #remember(blocks: ReadonlyMap<number, Buffer | undefined>): Promise<void> {
    if (blocks.size === 0) return;
    try {
      await this.#gone.add(blocks);
      this.trouble = undefined;
    } catch (error) {
      // The keys are with the KM: their files go all the same.
      this.trouble = error;
    }
  }
}
