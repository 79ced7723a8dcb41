/**
 * Which blocks the node has let go of, kept in `.released` beside the final-key files. A stack whose
 * clock was set back gives another key the name of one that the KM has: that is told from the same
 * file that has come back.
 *
 * A file of fixed records: `QKDGONE1` · epoch of the references (8 bytes) · a random key (32), then of
 * each block: start epoch (u32, big-endian) · digest (16) · CRC-32 of these 20 bytes. The digest is
 * keyed (HMAC-SHA-256), and zeros where the content is not known or too short to be hidden by one.
 */
import {
  createHmac,
  createSecretKey,
  type KeyObject,
  randomBytes,
  timingSafeEqual,
} from "node:crypto";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { appendOwn, openOwn, replaceOwn } from "./own-file.ts";

/** Blocks that are remembered, the last that were let go of: two days at a block each 2.7 s. */
export const mostGone = 65_536;
const magic = Buffer.from("QKDGONE1");
const keyLength = 32;
const headLength = magic.length + 8 + keyLength;
const digestLength = 16;
const recordLength = 4 + digestLength + 4;
/** A shorter key could be found by trying all that have its digest, bytes. */
const leastHidden = 16;
const longest = headLength + 3 * mostGone * recordLength;
const unknown = Buffer.alloc(digestLength);

export class Gone {
  readonly #folder: string;
  readonly #path: string;
  /** For bytes Node.js throws and catches an error in each call. */
  readonly #key: KeyObject;
  readonly #head: Buffer;
  /** Start epoch → place in the ring. */
  readonly #places = new Map<number, number>();
  readonly #most: number;
  readonly #epochs: Uint32Array;
  readonly #digests: Buffer;
  #next = 0;
  /** Records in the file, of which the last are remembered. */
  #records = 0;
  /** What is remembered is not in the file as it should be. */
  #stale = false;

  private constructor(folder: string, head: Buffer, most: number) {
    this.#folder = folder;
    this.#path = join(folder, ".released");
    this.#head = head;
    this.#most = most;
    this.#epochs = new Uint32Array(most);
    this.#digests = Buffer.alloc(most * digestLength);
    this.#key = createSecretKey(head.subarray(headLength - keyLength));
  }

  /**
   * Reads what is remembered; of references with another epoch, or of a damaged file, nothing is.
   * @param linkEpoch of the references, 16 hex digits
   * @param most blocks that are remembered
   * @throws a system error
   */
  static async open(folder: string, linkEpoch: string, most = mostGone): Promise<Gone> {
    const start = Buffer.concat([magic, Buffer.from(linkEpoch, "hex")]);
    const bytes = await readFile(join(folder, ".released"));
    if (bytes.length < headLength || !bytes.subarray(0, start.length).equals(start)) {
      const gone = new Gone(folder, Buffer.concat([start, randomBytes(keyLength)]), most);
      gone.#stale = true;
      return gone;
    }
    const gone = new Gone(folder, Buffer.from(bytes.subarray(0, headLength)), most);
    for (let at = headLength; at + recordLength <= bytes.length; at += recordLength) {
      const body = bytes.subarray(at, at + recordLength - 4);
      if (crc32(body) !== bytes.readUInt32BE(at + recordLength - 4)) gone.#stale = true;
      else gone.#remember(body.readUInt32BE(0), body.subarray(4));
      gone.#records++;
    }
    // A record that was cut would shift those behind it.
    if ((bytes.length - headLength) % recordLength !== 0) gone.#stale = true;
    return gone;
  }

  /**
   * Epoch of the references that are remembered, 16 hex digits; undefined if there are none.
   * @throws a system error
   */
  static async epochIn(folder: string): Promise<string | undefined> {
    const bytes = await readFile(join(folder, ".released"));
    const isOurs = bytes.length >= headLength && bytes.subarray(0, magic.length).equals(magic);
    return isOurs ? bytes.toString("hex", magic.length, magic.length + 8) : undefined;
  }

  get size(): number {
    return this.#places.size;
  }

  /** Has the file say the epoch, before a block gets a name by it. @throws a system error */
  async begin(): Promise<void> {
    if (this.#stale) await this.#rewrite();
  }

  /**
   * Keyed digest of a block's content.
   * @returns undefined if it would not hide the content
   */
  digest(bits: number, bytes: Uint8Array): Buffer | undefined {
    if (bytes.length < leastHidden) return undefined;
    return createHmac("sha256", this.#key)
      .update(`${bits}\n`)
      .update(bytes)
      .digest()
      .subarray(0, digestLength);
  }

  /**
   * Whether a block of this name was let go of.
   * @param digest of the content that has it now
   */
  find(epoch: number, digest: Buffer | undefined): "no" | "the same" | "another" {
    const place = this.#places.get(epoch);
    if (place === undefined) return "no";
    const known = this.#digests.subarray(place * digestLength, (place + 1) * digestLength);
    if (digest === undefined || known.equals(unknown)) return "another";
    return timingSafeEqual(known, digest) ? "the same" : "another";
  }

  /**
   * Remembers blocks that are to be let go of; on disk when it resolves.
   * @throws a system error; they are remembered until the node ends then
   */
  async add(blocks: ReadonlyMap<number, Buffer | undefined>): Promise<void> {
    for (const [epoch, digest] of blocks) this.#remember(epoch, digest ?? unknown);
    if (this.#stale || this.#records + blocks.size > 2 * this.#most) return this.#rewrite();
    this.#stale = true;
    const records = Buffer.concat([...blocks.keys()].map((epoch) => this.#record(epoch)));
    await appendOwn(this.#path, records);
    this.#records += blocks.size;
    this.#stale = false;
  }

  #remember(epoch: number, digest: Uint8Array): void {
    let place = this.#places.get(epoch);
    if (place === undefined) {
      place = this.#next;
      this.#next = (this.#next + 1) % this.#most;
      if (this.#places.get(this.#epochs[place] as number) === place) {
        this.#places.delete(this.#epochs[place] as number);
      }
      this.#epochs[place] = epoch;
      this.#places.set(epoch, place);
    }
    this.#digests.set(digest, place * digestLength);
  }

  #record(epoch: number): Buffer {
    const place = this.#places.get(epoch) as number;
    const record = Buffer.alloc(recordLength);
    record.writeUInt32BE(epoch, 0);
    this.#digests.copy(record, 4, place * digestLength, (place + 1) * digestLength);
    record.writeUInt32BE(crc32(record.subarray(0, recordLength - 4)), recordLength - 4);
    return record;
  }

  async #rewrite(): Promise<void> {
    this.#stale = true;
    // Oldest first, so that the same are forgotten next when it is read again.
    const inOrder = [...this.#places].sort(
      ([, a], [, b]) =>
        ((a - this.#next + this.#most) % this.#most) - ((b - this.#next + this.#most) % this.#most),
    );
    const records = inOrder.map(([epoch]) => this.#record(epoch));
    await replaceOwn(this.#folder, this.#path, Buffer.concat([this.#head, ...records]));
    this.#records = records.length;
    this.#stale = false;
  }
}

/** @returns nothing where there is no such file */
async function readFile(path: string): Promise<Buffer> {
  const file = await openOwn(path);
  try {
    // One that is longer was not written by this version.
    if (file === undefined || (await file.stat()).size > longest) return Buffer.alloc(0);
    return await file.readFile();
  } finally {
    await file?.close();
  }
}
