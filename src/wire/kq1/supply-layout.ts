/** Where a Key supply message has what differs from key to key, to know the next one that is built alike. */
import { kind } from "./json-scan.ts";
import { type Members, member } from "./supply-members.ts";
import { uuidText } from "./uuid.ts";

/** A payload that is longer than this around its key is not remembered, bytes. */
const mostAround = 2_048;
const digestText = 64;
/** Messages that are not remembered after one that none was like. */
const mostPassed = 7;

export class SupplyLayout {
  /** From the start of the payload: ID, digits of the hash (-1: none), key. */
  idAt = 0;
  hashAt = -1;
  keyFrom = 0;
  keyTo = 0;
  #length = -1;
  /** The payload as it was, with nothing where ID, hash and key were. */
  readonly #around = Buffer.alloc(mostAround);
  /** Stretches of the payload, and where each is in {@link #around}. */
  readonly #starts = new Int32Array(4);
  readonly #ends = new Int32Array(4);
  #stretches = 0;
  /** Whether any message was like the one that is remembered; if not, not each is worth to be. */
  #isUseful = true;
  #pass = 0;

  /** Remembers a message that was right. */
  learn(bytes: Buffer, start: number, end: number, { kinds, from, to }: Members): void {
    if (!this.#isUseful && this.#pass-- > 0) return;
    this.#isUseful = false;
    this.#pass = mostPassed;
    this.#length = -1;
    const { keyId, hash, key } = member;
    if (kinds[key] !== kind.text) return;
    const [keyFrom, keyTo] = [(from[key] as number) - start, (to[key] as number) - start];
    if (end - start - (keyTo - keyFrom) > mostAround) return;
    this.keyFrom = keyFrom;
    this.keyTo = keyTo;
    this.idAt = (from[keyId] as number) - start;
    this.hashAt = kinds[hash] === kind.text ? (to[hash] as number) - digestText - start : -1;
    this.#length = end - start;
    const holes: (readonly [number, number])[] = [
      [this.idAt, this.idAt + uuidText],
      [keyFrom, keyTo],
    ];
    if (this.hashAt >= 0) holes.push([this.hashAt, this.hashAt + digestText]);
    holes.sort(([a], [b]) => a - b);
    let at = 0;
    let out = 0;
    this.#stretches = 0;
    for (const [holeFrom, holeTo] of [...holes, [this.#length, 0] as const]) {
      this.#starts[this.#stretches] = at;
      this.#ends[this.#stretches++] = holeFrom;
      out += bytes.copy(this.#around, out, start + at, start + holeFrom);
      at = holeTo;
    }
  }

  /** Whether a payload is the same around ID, hash and key. */
  fits(bytes: Buffer, start: number, end: number): boolean {
    if (end - start !== this.#length) return false;
    const around = this.#around;
    let at = 0;
    for (let i = 0; i < this.#stretches; i++) {
      const to = start + (this.#ends[i] as number);
      for (let k = start + (this.#starts[i] as number); k < to; k++) {
        if (bytes[k] !== around[at++]) return false;
      }
    }
    this.#isUseful = true;
    return true;
  }
}
