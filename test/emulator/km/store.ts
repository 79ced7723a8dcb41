/** The keys a KM holds. Pure: no I/O, no clock. */
import { createHmac, createSecretKey, timingSafeEqual } from "node:crypto";
import type { Supply, SupplyFacts } from "./supply.ts";

/** What is known of a key in the store, without its bytes. */
export interface StoredKey extends SupplyFacts {
  /** How many keys had arrived before it. */
  readonly order: number;
  /** How often it was supplied, the first time included. */
  readonly arrivals: number;
}

export interface StoreLimits {
  readonly maxKeys: number;
  readonly maxBytes: number;
}

/** What became of a supplied key. */
export type Outcome =
  | "stored"
  /** The same ID with the same bytes was there: nothing changed but the count. */
  | "repeat"
  /** The same ID was there with other bytes, which stay. */
  | "conflict"
  | "full";

export interface StoreSummary {
  readonly keys: number;
  readonly bits: number;
  readonly bytes: number;
  /** Supplies of keys that were held already, with the same bytes. */
  readonly repeats: number;
  /** Supplies of an ID that was held with other bytes. */
  readonly conflicts: number;
  /** Keys by QKD module ID. */
  readonly modules: Readonly<Record<string, number>>;
}

interface Entry {
  facts: StoredKey;
  readonly bytes: Uint8Array;
}

const defaultLimits: StoreLimits = { maxKeys: 1_000_000, maxBytes: 256 * 1024 * 1024 };

export class KmStore {
  readonly #limits: StoreLimits;
  /** By QKD-key ID, in the order of first arrival. */
  readonly #entries = new Map<string, Entry>();
  #bits = 0;
  #bytes = 0;
  #repeats = 0;
  #conflicts = 0;

  constructor(limits: Partial<StoreLimits> = {}) {
    this.#limits = { ...defaultLimits, ...limits };
  }

  get size(): number {
    return this.#entries.size;
  }

  /** Takes a key. If it is `stored`, the bytes are the store's from now on; else the caller's. */
  put({ facts, bytes }: Supply): Outcome {
    const entry = this.#entries.get(facts.id);
    if (entry !== undefined) return this.#again(entry, facts, bytes);

    const { maxKeys, maxBytes } = this.#limits;
    if (this.size >= maxKeys || this.#bytes + bytes.length > maxBytes) return "full";
    this.#entries.set(facts.id, { facts: { ...facts, order: this.size, arrivals: 1 }, bytes });
    this.#bits += facts.bits;
    this.#bytes += bytes.length;
    return "stored";
  }

  #again(entry: Entry, facts: SupplyFacts, bytes: Uint8Array): Outcome {
    const same =
      entry.facts.bits === facts.bits &&
      entry.bytes.length === bytes.length &&
      timingSafeEqual(entry.bytes, bytes);
    if (!same) {
      this.#conflicts++;
      return "conflict";
    }
    this.#repeats++;
    entry.facts = { ...entry.facts, arrivals: entry.facts.arrivals + 1 };
    return "repeat";
  }

  get(id: string): StoredKey | undefined {
    return this.#entries.get(id)?.facts;
  }

  /** QKD-key IDs in the order of first arrival. */
  ids(): string[] {
    return [...this.#entries.keys()];
  }

  /** In the order of first arrival. */
  entries(): StoredKey[] {
    return Array.from(this.#entries.values(), (entry) => entry.facts);
  }

  summary(): StoreSummary {
    const modules = new Map<string, number>();
    for (const { facts } of this.#entries.values()) {
      modules.set(facts.moduleId, (modules.get(facts.moduleId) ?? 0) + 1);
    }
    return {
      keys: this.size,
      bits: this.#bits,
      bytes: this.#bytes,
      repeats: this.#repeats,
      conflicts: this.#conflicts,
      modules: Object.fromEntries(modules),
    };
  }

  /**
   * HMAC-SHA-256 of each key's bytes, in hexadecimal, by QKD-key ID: two stores that are asked with
   * the same secret can be compared without a key leaving either.
   * @param secret drawn for one comparison and forgotten after it
   * @param skip leave out so many keys that arrived first
   */
  digest(secret: Uint8Array, skip = 0): Map<string, string> {
    const digests = new Map<string, string>();
    // For bytes Node.js throws and catches an error in each call.
    const key = createSecretKey(secret);
    for (const [id, { facts, bytes }] of this.#entries) {
      if (facts.order < skip) continue;
      digests.set(id, createHmac("sha256", key).update(bytes).digest("hex"));
    }
    return digests;
  }

  /** The bytes themselves, not a copy. For the test that compares them, and for nothing else. */
  bytes(id: string): Uint8Array | undefined {
    return this.#entries.get(id)?.bytes;
  }

  /** An older copy of the database is restored: only so many keys that arrived first are left. */
  rollBack(keys: number): void {
    for (const [id, { facts, bytes }] of this.#entries) {
      if (facts.order < keys) continue;
      this.#bits -= facts.bits;
      this.#bytes -= bytes.length;
      bytes.fill(0);
      this.#entries.delete(id);
    }
  }

  /** Overwrites and forgets every key; the counts of repeats and conflicts stay. */
  wipe(): void {
    for (const { bytes } of this.#entries.values()) bytes.fill(0);
    this.#entries.clear();
    this.#bits = 0;
    this.#bytes = 0;
  }
}
