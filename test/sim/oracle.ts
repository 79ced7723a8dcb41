/** What is true of keys, kept outside of the code: who may have which bits, and under which ID. */
import { type BlockRef, blockName, type QkdKey } from "../../src/port/key.ts";

/** Bits of key are followed in cells of this many hex digits; content is random, so none is there twice. */
const cell = 16;

export interface SimBlock {
  readonly ref: BlockRef;
  readonly bits: number;
  readonly bytes: Buffer;
}

export class Oracle {
  readonly broken: string[] = [];
  readonly #blocks = new Map<string, SimBlock>();
  readonly #blockOf = new Map<string, string>();
  /** The KM that may have a cell: it was written to it. */
  readonly #mayHave = new Map<string, number>();
  /** The KM that has it. */
  readonly #has = new Map<string, number>();
  readonly #idOf = new Map<string, string>();
  readonly #contentOf = new Map<string, string>();
  readonly #givenUp = new Set<string>();
  readonly #foreign = new Set<string>();
  #isRepaired = false;
  /** How much of `released` was looked at. */
  #looked = 0;

  /** Draws a block's content. */
  content(ref: BlockRef, bits: number, draw: () => number): Buffer {
    const bytes = drawn(bits, draw);
    const block = { ref, bits, bytes: Buffer.from(bytes) };
    this.#blocks.set(blockName(ref), block);
    for (const one of cells(bytes.toString("hex"))) this.#blockOf.set(one, blockName(ref));
    return bytes;
  }

  /** Content of another module's block: no KM may ever get it under a reference of the first. */
  foreign(bits: number, draw: () => number): Buffer {
    const bytes = drawn(bits, draw);
    for (const one of cells(bytes.toString("hex"))) this.#foreign.add(one);
    return bytes;
  }

  block(name: string): SimBlock | undefined {
    return this.#blocks.get(name);
  }

  /** A key is written to a KM. @returns its content */
  written(key: QkdKey, box: number): string {
    const content = Buffer.from(key.expose()).toString("hex");
    const before = this.#contentOf.get(key.id);
    if (before !== undefined && before !== content) this.broken.push(`${key.id} has two contents`);
    this.#contentOf.set(key.id, content);
    for (const one of cells(content)) {
      const block = this.#blockOf.get(one);
      const may = this.#mayHave.get(one);
      if (may !== undefined && may !== box) {
        this.broken.push(`bits of ${block} may be with KM ${may}, and are written to KM ${box}`);
      }
      this.#mayHave.set(one, box);
      const id = this.#idOf.get(one);
      if (id !== undefined && id !== key.id) this.broken.push(`bits of ${block} have two IDs`);
      this.#idOf.set(one, key.id);
      if (this.#foreign.has(one)) this.broken.push("another module's bits were written");
    }
    return content;
  }

  /** The KM has it. */
  stored(id: string, content: string, box: number): void {
    for (const one of cells(content)) {
      const other = this.#has.get(one);
      if (other !== undefined && other !== box) {
        this.broken.push(
          `bits of ${this.#blockOf.get(one)} (${id}) are with KM ${other} and ${box}`,
        );
      }
      this.#has.set(one, box);
    }
  }

  /** The KM said that it will not have it. */
  refused(content: string, box: number): void {
    for (const one of cells(content)) {
      if (this.#has.get(one) !== box) this.#mayHave.delete(one);
    }
  }

  hasKey(content: string, box: number): boolean {
    return cells(content).every((one) => this.#has.get(one) === box);
  }

  /** Whether this KM has a key of a block that is meant. */
  hasAny(box: number | undefined, isMeant: (block: string) => boolean): boolean {
    for (const [one, other] of this.#has) {
      if (other === box && isMeant(this.#blockOf.get(one) ?? "")) return true;
    }
    return false;
  }

  /** It is said, and so, that this KM has nothing that it did not confirm. */
  freed(box: number | undefined): void {
    for (const [one, other] of this.#mayHave) {
      if (other !== box || this.#has.get(one) === box) continue;
      this.#mayHave.delete(one);
      // After a repair it is the operator's word that it may be cut anew.
      if (this.#isRepaired) this.#idOf.delete(one);
    }
  }

  /** Whether bits of the block may have left. */
  isOut(block: string): boolean {
    const bytes = this.#blocks.get(block)?.bytes.toString("hex") ?? "";
    return cells(bytes).some((one) => this.#mayHave.has(one) || this.#has.has(one));
  }

  givenUp(block: string): void {
    this.#givenUp.add(block);
  }

  /** The ledger lost how blocks were cut: those that never left may be cut anew. */
  repaired(): void {
    this.#isRepaired = true;
    for (const one of this.#idOf.keys()) if (!this.#mayHave.has(one)) this.#idOf.delete(one);
  }

  /** The module offers the block again: what becomes of it now is looked at when it is let go of again. */
  setBack(_block: string): void {}

  /** What the module let go of is with a KM, or was given up. */
  checkReleased(released: readonly string[]): void {
    for (; this.#looked < released.length; this.#looked++) {
      const name = released[this.#looked] as string;
      const block = this.#blocks.get(name);
      if (block === undefined || this.#givenUp.has(name)) continue;
      // Upon request what is no whole unit of 64 bits or more is given to no KM.
      const all = cells(block.bytes.toString("hex"));
      const missing = all.filter((one) => !this.#has.has(one));
      if (missing.length > 3 || (missing.length > 0 && missing.includes(all[0] as string))) {
        this.broken.push(`${name} was released, and no KM has it`);
      }
    }
  }
}

function drawn(bits: number, draw: () => number): Buffer {
  return Buffer.from(Array.from({ length: Math.ceil(bits / 8) }, () => Math.floor(draw() * 256)));
}

function cells(hex: string): string[] {
  const found: string[] = [];
  for (let at = 0; at + cell <= hex.length; at += cell) found.push(hex.slice(at, at + cell));
  return found;
}
