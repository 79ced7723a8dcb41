/**
 * What a running qcrypto stack leaves: final-key files in a folder, and lines in a notification pipe
 * (or a file that it was given instead), with its oddities. As the real one it opens a pipe for reading
 * and writing, so that what it said waits there, and empties a file when it starts.
 */
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { epochOf, fileName, swapWords, writeHeader } from "../../drivers/qcrypto/file.ts";
import { errorCode } from "../../src/base/errors.ts";
import { makeFifo, openFifo } from "./fifo.ts";

export interface StackBlock {
  readonly epoch: number;
  /** Key bits; 0 for a block that yielded none. */
  readonly bits: number;
  readonly bytes: Buffer;
  readonly siftedBits: number;
  readonly qber: number;
  /** Epochs in the block. */
  readonly epochs: number;
}

export class QcryptoStack {
  /** Where final-key files appear. */
  readonly folder: string;
  readonly pipe: string;
  /** As the stack's option: 0, 1, 2 or 4. */
  verbosity = 2;
  #writer: number;

  readonly #says: "pipe" | "file";

  /** @param root folder of its own, which it makes */
  constructor(root: string, says: "pipe" | "file" = "pipe") {
    this.#says = says;
    this.folder = join(root, "final");
    this.pipe = join(root, "notify");
    mkdirSync(this.folder, { recursive: true });
    if (says === "pipe") makeFifo(this.pipe);
    this.#writer = this.#open();
  }

  #open(): number {
    return this.#says === "pipe" ? openFifo(this.pipe, 65_536) : openSync(this.pipe, "w+");
  }

  /** A block is finished: its file, then its line. */
  distil(block: StackBlock): void {
    this.writeFile(block);
    this.announce(block);
  }

  /** @param length bytes of the file that are there so far; undefined: all */
  writeFile(block: StackBlock, length?: number): void {
    const words = Buffer.alloc(4 * Math.ceil(block.bits / 32));
    block.bytes.copy(words);
    swapWords(words);
    const file = Buffer.concat([writeHeader(block), words]);
    writeFileSync(join(this.folder, fileName(block.epoch)), file.subarray(0, length));
  }

  announce({ epoch, siftedBits, bits, qber, epochs }: StackBlock): void {
    const fields = [fileName(epoch)];
    if (this.verbosity === 1) fields.push(String(bits));
    if (this.verbosity >= 2) fields.push(String(siftedBits), String(bits), qber.toFixed(4));
    if (this.verbosity >= 2) fields.push(String(this.verbosity === 4 ? 4_321 : epochs));
    this.say(`${fields.join(" ")}\n`);
  }

  /** Writes into the pipe, whatever it is; what does not fit is lost, as with a stuck reader. */
  say(text: string | Buffer): void {
    try {
      writeSync(this.#writer, Buffer.from(text as string));
    } catch (error) {
      if (errorCode(error) !== "EAGAIN") throw error;
    }
  }

  /** Start epochs of the files that are there, oldest first. */
  epochs(): number[] {
    if (!existsSync(this.folder)) return [];
    return readdirSync(this.folder)
      .flatMap((name) => epochOf(name) ?? [])
      .sort((a, b) => a - b);
  }

  file(epoch: number): Buffer {
    return readFileSync(join(this.folder, fileName(epoch)));
  }

  /** The stack's disk is unmounted, and mounted again. */
  hide(): void {
    renameSync(this.folder, `${this.folder}.away`);
  }

  show(): void {
    renameSync(`${this.folder}.away`, this.folder);
  }

  /** The stack restarts: the pipe is made anew; a file is emptied. */
  restart(): void {
    closeSync(this.#writer);
    if (this.#says === "pipe") makeFifo(this.pipe);
    this.#writer = this.#open();
  }

  close(): void {
    closeSync(this.#writer);
    for (const path of [this.folder, `${this.folder}.away`, this.pipe]) {
      rmSync(path, { recursive: true, force: true });
    }
  }
}
