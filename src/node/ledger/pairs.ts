/**
 * Which modules a ledger's blocks came from: the module that the ledger is of, and for each epoch the
 * pair of modules that its blocks belong to. A key's ID follows from that pair (`key-id.ts`), so it is
 * recorded before a key of the epoch leaves and never changes. Pure.
 *
 * Names have up to 128 characters, a record has room for 24 bytes: a pair's names are several entries.
 */
import { hash } from "node:crypto";
import type { LedgerEntry, ModulePair } from "../keys/ports.ts";

const partBytes = 24;
const zero = Buffer.alloc(1);

interface Named {
  readonly parts: string[];
  pair: ModulePair | undefined;
}

/** Names a pair in the ledger, 32 hex digits. */
export function pairId({ moduleId, matchingModuleId }: ModulePair): string {
  return hash("sha256", `${moduleId}\0${matchingModuleId}`, "hex").slice(0, 32);
}

export class Pairs {
  readonly #named = new Map<string, Named>();
  /** Epoch to the ID of its pair. */
  readonly #epochs = new Map<string, string>();
  #module: string | undefined;

  get size(): number {
    let count = this.#epochs.size + (this.#module === undefined ? 0 : 1);
    for (const { parts } of this.#named.values()) count += parts.length;
    return count;
  }

  /** Epochs whose pair is known. */
  get epochs(): number {
    return this.#epochs.size;
  }

  get module(): ModulePair | undefined {
    return this.#module === undefined ? undefined : this.#named.get(this.#module)?.pair;
  }

  of(epoch: string): ModulePair | undefined {
    const id = this.#epochs.get(epoch);
    return id === undefined ? undefined : this.#named.get(id)?.pair;
  }

  /** The entries that name a pair, unless it was named before. */
  naming(pair: ModulePair): LedgerEntry[] {
    const id = pairId(pair);
    if (this.#named.get(id)?.pair !== undefined) return [];
    const text = Buffer.concat([
      Buffer.from(pair.moduleId),
      zero,
      Buffer.from(pair.matchingModuleId),
    ]);
    const entries: LedgerEntry[] = [];
    for (let at = 0; at < text.length; at += partBytes) {
      const hex = text.toString("hex", at, at + partBytes);
      entries.push({ kind: "name", id, part: entries.length, hex });
    }
    return entries;
  }

  addName(id: string, part: number, hex: string): void {
    const named = this.#named.get(id) ?? { parts: [], pair: undefined };
    this.#named.set(id, named);
    if (named.pair !== undefined) return;
    named.parts[part] = hex;
    const text = Buffer.from(named.parts.join(""), "hex").toString();
    const end = text.indexOf("\0");
    if (end < 0) return;
    const pair = { moduleId: text.slice(0, end), matchingModuleId: text.slice(end + 1) };
    // All parts are there when they are what the ID was made from.
    if (pairId(pair) === id) named.pair = pair;
  }

  setModule(id: string): void {
    const before = this.#module;
    this.#module = id;
    if (before === undefined || before === id) return;
    // A module may call itself anything: names that stand for no epoch are not gathered.
    if (![...this.#epochs.values()].includes(before)) this.#named.delete(before);
  }

  /**
   * An epoch's pair never changes: the first one stands, unless damage took its names. Then no ID can be
   * made from it, and the pair that is recorded next stands for ever.
   */
  setEpoch(epoch: string, id: string): void {
    if (this.of(epoch) === undefined) this.#epochs.set(epoch, id);
  }

  *entries(): Iterable<LedgerEntry> {
    for (const [id, { parts }] of this.#named) {
      for (const [part, hex] of parts.entries()) {
        if (hex !== undefined) yield { kind: "name", id, part, hex };
      }
    }
    if (this.#module !== undefined) yield { kind: "module", id: this.#module };
    for (const [epoch, id] of this.#epochs) {
      yield { kind: "paired", ref: { epoch, number: 0 }, id };
    }
  }
}
