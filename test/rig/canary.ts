/**
 * Keys that can be found again wherever they went: each is unlike any other, and all are made of the
 * same mark, so that one search finds every one of them, whole or in part, in whatever writing.
 */
import { randomBytes } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { spellings } from "./writings.ts";

const half = 15;
export const canaryBytes = 2 * half + 2;

export class Canary {
  readonly #halves = [randomBytes(half), randomBytes(half)] as const;
  readonly #needles: readonly Buffer[];
  #made = 0;

  constructor() {
    // Base64 of a longer thing begins anew every three bytes, wherever the mark stands in it.
    this.#needles = this.#halves.flatMap((bytes) =>
      [0, 1, 2].flatMap((at) => spellings(bytes.subarray(at, at + 12))),
    );
  }

  /** A key of 256 bits that was not made before. At most 65,536 of them. */
  key(): Buffer {
    const between = Buffer.alloc(2);
    between.writeUInt16BE(this.#made++);
    return Buffer.concat([this.#halves[0], between, this.#halves[1]]);
  }

  get made(): number {
    return this.#made;
  }

  /** Whether anything of a key is in there. */
  isIn(bytes: Buffer): boolean {
    return this.#needles.some((needle) => bytes.includes(needle));
  }

  /** Whether anything of a key is in a text. */
  isInText(text: string): boolean {
    return this.isIn(Buffer.from(text)) || this.isIn(Buffer.from(text, "latin1"));
  }

  /** Names of the files under a folder that have something of a key in them. */
  filesIn(folder: string): { readonly searched: number; readonly hits: string[] } {
    const files = readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name));
    return { searched: files.length, hits: files.filter((file) => this.isIn(readFileSync(file))) };
  }
}
