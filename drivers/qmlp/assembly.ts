/**
 * Puts blocks together from KEY and MORE (QMLP §4, Blocks) and checks them: length, credit, hash.
 */
import { Fault } from "../../src/base/errors.ts";
import { type BlockFacts, blockName, KeyBlock, keyMemory } from "../../src/port/key.ts";
import { decodeKeyHeader, type KeyHeader } from "./blocks.ts";
import { checkOf } from "./check.ts";

/** A block came to its end: whole, or with the reason why it can't be used. */
export type Assembled =
  | { readonly block: KeyBlock; readonly damaged?: undefined }
  | { readonly block?: undefined; readonly damaged: string; readonly facts: BlockFacts };

function protocolError(message: string, facts: Record<string, string | number>): Fault {
  return new Fault("qmlp.message", message, facts);
}

export class Assembly {
  /** Totals of the session, also of blocks that came damaged. */
  receivedBlocks = 0;
  receivedBytes = 0;

  readonly #maxBlock: number;
  #header: KeyHeader | undefined;
  #bytes: Buffer = Buffer.alloc(0);
  #filled = 0;
  /** A block was given up half-way: what may still come of it is not kept. */
  #abandoned = false;

  /** @param maxBlock the longest block in bytes, as announced in WELCOME */
  constructor(maxBlock: number) {
    this.#maxBlock = maxBlock;
  }

  /**
   * @param credit totals that were granted in this session
   * @returns the block, if this frame completes it
   * @throws Fault `qmlp.message` when the module breaks the protocol
   */
  key(body: Buffer, credit: { blocks: number; bytes: number }): Assembled | undefined {
    if (this.#header !== undefined) throw protocolError("KEY before the last block was whole", {});
    const header = decodeKeyHeader(body);
    const length = Math.ceil(header.facts.bits / 8);
    const block = blockName(header.facts.ref);
    if (length > this.#maxBlock) {
      throw protocolError("block longer than announced", { block, length, limit: this.#maxBlock });
    }
    this.receivedBlocks++;
    this.receivedBytes += length;
    if (this.receivedBlocks > credit.blocks || this.receivedBytes > credit.bytes) {
      throw protocolError("block without credit", { block, length });
    }
    this.#abandoned = false;
    this.#header = header;
    this.#bytes = keyMemory(length);
    this.#filled = 0;
    return this.more(body.subarray(header.length));
  }

  /** @see key */
  more(data: Buffer): Assembled | undefined {
    const header = this.#header;
    if (header === undefined) {
      if (this.#abandoned) return undefined;
      throw protocolError("MORE without a block", {});
    }
    if (this.#filled + data.length > this.#bytes.length) {
      throw protocolError("more bytes than the block has", {
        block: blockName(header.facts.ref),
        length: this.#bytes.length,
      });
    }
    data.copy(this.#bytes, this.#filled);
    this.#filled += data.length;
    if (this.#filled < this.#bytes.length) return undefined;
    this.#header = undefined;
    return this.#complete(header);
  }

  /**
   * Gives up the block that is not whole yet: a module that was zeroized does not send the rest.
   * @returns its length in bytes; undefined if there is none
   */
  abandon(): number | undefined {
    if (this.#header === undefined) return undefined;
    const { length } = this.#bytes;
    this.wipe();
    this.#abandoned = true;
    return length;
  }

  wipe(): void {
    if (this.#header !== undefined) this.#bytes.fill(0);
    this.#header = undefined;
  }

  #complete(header: KeyHeader): Assembled {
    const bytes = this.#bytes;
    this.#bytes = Buffer.alloc(0);
    const damaged = damage(bytes, header);
    const sha256 = header.check === "sha-256" ? header.hash : undefined;
    if (damaged === undefined) return { block: new KeyBlock(header.facts, bytes, sha256) };
    bytes.fill(0);
    return { damaged, facts: header.facts };
  }
}

function damage(bytes: Buffer, header: KeyHeader): string | undefined {
  if (!checkOf(header.check, bytes).equals(header.hash)) return "hash mismatch";
  const spare = bytes.length * 8 - header.facts.bits;
  if (spare > 0 && ((bytes.at(-1) as number) & ((1 << spare) - 1)) !== 0) {
    return "bits after the end of the key are not zero";
  }
  return undefined;
}
