/**
 * Whose a key is: which KM it may have been written to. That follows from the ledger alone, never from
 * the configuration of today. A key that may be with one KM goes to another only upon an operator's
 * word (`free_km`).
 *
 * With several KMs each key is bound to one before it is written. With one KM a whole stretch of blocks
 * is, so that no key waits for the disk.
 */
import { type BlockRef, blockName } from "../../port/key.ts";
import { claimantOfKm } from "../keys/key-id.ts";
import { type BlockRecord, type Ledger, unclaimed } from "../keys/ports.ts";
import { lastOfStretch } from "../ledger/key-formats.ts";

/** A KM as the ledger knows it. */
export interface KmName {
  readonly name: string;
  /**
   * What stands for it in the ledger, 32 hex digits each: the one that is written, then others that an
   * operator said are the same KM.
   */
  readonly claimants: readonly [string, ...string[]];
}

export function kmNames(kms: readonly (string | KmName)[]): KmName[] {
  return kms.map((km) =>
    typeof km === "string" ? { name: km, claimants: [claimantOfKm(km)] } : km,
  );
}

/** A key of a block that waits for a KM which is not configured. */
interface Stray {
  readonly ref: BlockRef;
  readonly claimants: Set<string>;
}

export class Owners {
  #kms: readonly KmName[];
  readonly #ledger: Ledger;
  /** Claims that are not on disk yet. */
  #pending = 0;
  /** Of each epoch: the last block that may have been taken up before this process began. */
  readonly #before = new Map<string, number>();
  /** Of each epoch: the last block that came. */
  readonly #last = new Map<string, number>();
  readonly #strays = new Map<string, Stray>();

  readonly #named: (claimant: string) => string | undefined;

  /** @param named how people know a KM that is not configured; undefined: it is none that ever was */
  constructor(
    kms: readonly KmName[],
    ledger: Ledger,
    named: (claimant: string) => string | undefined = () => undefined,
  ) {
    this.#kms = kms;
    this.#ledger = ledger;
    this.#named = named;
  }

  /** How people know a KM that is not configured. */
  nameOf(claimant: string): string {
    return this.#named(claimant) ?? `unknown ${claimant.slice(0, 12)}`;
  }

  /** Whether this stands for a KM, configured or not: else it is of a request. */
  isKm(claimant: string): boolean {
    return this.kmOf(claimant) !== undefined || this.#named(claimant) !== undefined;
  }

  /** Whether there is one KM only. */
  get alone(): boolean {
    return this.#kms.length === 1;
  }

  /** Name of the first KM. */
  get first(): string {
    return (this.#kms[0] as KmName).name;
  }

  claimantOf(km: string): string {
    return this.#kms.find(({ name }) => name === km)?.claimants[0] ?? claimantOfKm(km);
  }

  /** The configured KM that this stands for. */
  kmOf(claimant: string): string | undefined {
    return this.#kms.find(({ claimants }) => claimants.includes(claimant))?.name;
  }

  /** A KM is known by more than before. @returns blocks that wait no more */
  accept(km: KmName): BlockRef[] {
    this.#kms = this.#kms.map((one) => (one.name === km.name ? km : one));
    return this.#noLonger(km.claimants);
  }

  /** A block is taken up. To be called before anything is recorded of its stretch. */
  came({ epoch, number }: BlockRef): void {
    const last = this.#last.get(epoch);
    if (last === undefined) this.#before.set(epoch, this.#ledger.claimEnd(epoch) ?? -1);
    if (last === undefined || number > last) this.#last.set(epoch, number);
  }

  /** What stands for the KM that a key may have been written to; undefined: for none. */
  claimantOfKey(ref: BlockRef, keyId: string, record: BlockRecord | undefined): string | undefined {
    const claimant = record?.assigned.get(keyId)?.claimant;
    return claimant === undefined || claimant === unclaimed
      ? this.#ledger.claimantOf(ref)
      : claimant;
  }

  /** Whether it is on disk that keys of this block may be written to this KM without a record of each. */
  isClaimed(ref: BlockRef, km: string): boolean {
    if (!this.alone || this.#pending > 0) return false;
    const claimant = this.#ledger.claimantOf(ref);
    return claimant !== undefined && this.kmOf(claimant) === km;
  }

  /** Records that keys of this block's stretch may be written to this KM; then calls `then`. */
  claim(ref: BlockRef, km: string, then: () => void): void {
    const ledger = this.#ledger;
    if (ledger.claimantOf(ref) === undefined) {
      const { epoch, number } = lastOfStretch(ref);
      const claimant = this.claimantOf(km);
      ledger.append({ kind: "claimed", ref: { epoch, number }, from: ref.number, claimant });
      this.#pending++;
      ledger.whenDurable(() => {
        this.#pending--;
      });
    }
    ledger.whenDurable(then);
  }

  /** A block of which keys wait for KMs that are not configured: it stays in the module. */
  stray(ref: BlockRef, claimants: ReadonlySet<string>): void {
    this.#strays.set(blockName(ref), { ref, claimants: new Set(claimants) });
  }

  /** The module let go of it, or offers it again. */
  settled(block: string): void {
    this.#strays.delete(block);
  }

  /** The module may have destroyed its key. @returns blocks that waited: it offers again what it has */
  forget(): BlockRef[] {
    const refs = [...this.#strays.values()].map(({ ref }) => ref);
    this.#strays.clear();
    return refs;
  }

  /** Blocks of which keys wait for KMs that are not configured. */
  get strayed(): number {
    return this.#strays.size;
  }

  /** Whether keys of it wait for a KM that is not configured. */
  isStray(ref: BlockRef): boolean {
    return this.#strays.has(blockName(ref));
  }

  /** What waits for KMs that are not configured, under the names that the node has for them. */
  *waiting(): Iterable<{ readonly ref: BlockRef; readonly kms: readonly string[] }> {
    for (const { ref, claimants } of this.#strays.values()) {
      yield { ref, kms: [...claimants].map((claimant) => this.nameOf(claimant)) };
    }
  }

  /** What stands for a KM that keys wait for, by the name that {@link waiting} tells. */
  claimantsNamed(name: string): string[] {
    const all = [...this.#strays.values()].flatMap(({ claimants }) => [...claimants]);
    return [...new Set(all)].filter((claimant) => this.nameOf(claimant) === name);
  }

  /** These KMs have none of the keys that they did not confirm. @returns blocks that wait no more */
  free(claimants: readonly string[]): BlockRef[] {
    for (const claimant of claimants) this.#ledger.append({ kind: "freed", claimant });
    return this.#noLonger(claimants);
  }

  /** Blocks that waited for these alone. */
  #noLonger(claimants: readonly string[]): BlockRef[] {
    const free: BlockRef[] = [];
    for (const [name, { ref, claimants: waitsFor }] of this.#strays) {
      for (const claimant of claimants) waitsFor.delete(claimant);
      if (waitsFor.size > 0) continue;
      this.#strays.delete(name);
      free.push(ref);
    }
    return free;
  }

  /**
   * Records how far the blocks were taken up, at the end of a process: behind that no KM has a key,
   * although the stretch was claimed.
   */
  close(): void {
    for (const [epoch, last] of this.#last) {
      const number = Math.max(last, this.#before.get(epoch) ?? -1);
      const end = this.#ledger.claimEnd(epoch);
      if (end !== undefined && number < end) {
        this.#ledger.append({ kind: "untouched", ref: { epoch, number } });
      }
    }
  }
}
