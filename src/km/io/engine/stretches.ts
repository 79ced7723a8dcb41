/**
 * Stretches of extents that were opened a moment ago: keys are allocated in order, so the next one is in the same
 * stretch. What is forgotten is wiped here at once, and a stretch when another needs its place.
 */
import { keyMemory, wipeMemory } from "../../../port/key.ts";

/** Key in memory beside the disk: so many stretches of 16 KiB. */
const most = 32;

export class Stretches {
  readonly #plain = new Map<string, Buffer>();
  /** Rises whenever something is forgotten. */
  changes = 0;

  /** The stretch itself, not a copy: the caller neither keeps nor changes it. */
  get(extent: string, number: number): Buffer | undefined {
    return this.#plain.get(nameOf(extent, number));
  }

  /** Copies it. */
  put(extent: string, number: number, plain: Uint8Array): void {
    const name = nameOf(extent, number);
    if (this.#plain.has(name)) return;
    const copy = keyMemory(plain.length);
    copy.set(plain);
    this.#plain.set(name, copy);
    if (this.#plain.size <= most) return;
    const [oldest, bytes] = this.#plain.entries().next().value as [string, Buffer];
    this.#plain.delete(oldest);
    wipeMemory(bytes);
  }

  /** Bytes of an extent are not needed any more. @param length of a stretch */
  forget(extent: string, start: number, end: number, length: number): void {
    this.changes++;
    for (let i = Math.floor(start / length); i * length < end; i++) {
      const from = Math.max(0, start - i * length);
      this.get(extent, i)?.fill(0, from, Math.min(length, end - i * length));
    }
  }

  clear(): void {
    for (const bytes of this.#plain.values()) wipeMemory(bytes);
    this.#plain.clear();
  }
}

function nameOf(extent: string, number: number): string {
  return `${extent} ${number}`;
}
