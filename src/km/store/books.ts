/**
 * What this KM has on record of one link: its stock, keys on their way, counts. Nothing else changes them; each
 * change marks the rows that have to be written, and {@link LinkBooks.rows} hands them over. Pure.
 */

import { assert } from "../../base/assert.ts";
import type { Fate } from "../../wire/kx/messages.ts";
import { ByRequest } from "./by-request.ts";
import { nowOf } from "./key-run.ts";
import { isFinal, next, setFate, type UseEntry } from "./life.ts";
import type { Row } from "./port.ts";
import { type Side, split } from "./regions.ts";
import { decodeExtent, decodeLink, encodeExtent, encodeLink } from "./rows.ts";
import { allOf } from "./sae-set.ts";
import { SameText } from "./same-text.ts";
import { type ExtentFacts, type LinkState, noOffer, type Use } from "./shapes.ts";
import { Stock } from "./stock.ts";
import { UnderWay } from "./under-way.ts";
import { decodeUses, encodeUses } from "./use-rows.ts";
import { type Uses, UseTable } from "./use-table.ts";

export class LinkBooks {
  readonly link: string;
  readonly side: Side;
  readonly state: LinkState;
  readonly stock: Stock;
  readonly #uses = new UseTable((use, parts) => this.#parted(use, parts));
  /** Final at this end as peer, and not acknowledged: by FATE number, rising. */
  readonly #finals = new Map<number, Use>();
  readonly #used: (uses: readonly Use[]) => void;
  /** By key of their row: entries of one offer, in their order. */
  readonly #rows = new Map<string, Use[]>();
  readonly #dirtyRows = new Set<string>();
  readonly #underWay = new UnderWay();
  readonly #byRequest = new ByRequest();
  /** Names of the sets of applications that keys are for. */
  readonly #texts = new SameText();
  #dirtyState = false;
  /** The highest FATE number given out here. */
  #lastNumber = 0;
  /** The mark that is on disk: what was told outside goes by no other. */
  durableMark: number;

  /** @param used is called after each change of keys on their way, before it is durable: those of one call are alike */
  constructor(
    link: string,
    side: Side,
    rows: readonly Row[],
    used: (uses: readonly Use[]) => void = () => {},
  ) {
    this.#used = used;
    this.link = link;
    this.side = side;
    this.state = decodeLink(rows.find((row) => row.kind === "link")?.value);
    this.durableMark = this.state.mark;
    const extents = rows.flatMap(({ kind, value }) =>
      kind === "extent" && value !== undefined ? [decodeExtent(value)] : [],
    );
    this.stock = new Stock(side, extents);
    for (const row of rows) {
      if (row.value === undefined) continue;
      if (row.kind === "use") for (const use of decodeUses(row.value)) this.#put(use);
    }
    const finals = [...this.#uses.values()].filter(({ number }) => number !== 0);
    for (const use of finals.sort((a, b) => a.number - b.number)) {
      this.#finals.set(use.number, use);
      this.#lastNumber = use.number;
    }
    this.#lastNumber = Math.max(this.#lastNumber, this.state.told.number);
    for (const { ranges } of this.#uses.values()) this.stock.pin(ranges);
  }

  get underWay(): Pick<Readonly<UnderWay>, "bound" | "prepared"> {
    return this.#underWay;
  }

  get uses(): Uses {
    return this.#uses;
  }

  /** Keys that ended here, as peer, and whose fate the owner has not acknowledged: in the order of their numbers. */
  finals(): Iterable<Use> {
    return this.#finals.values();
  }

  /** Keys of the other KM that are bound for this. */
  boundFor(request: string): readonly Use[] {
    return this.#byRequest.of(request);
  }

  /** Adds a matched batch. It is stock once it is durable. */
  addExtent(number: number, length: number, at: number, digest: Buffer, facts: ExtentFacts): void {
    const regions = split(length, at);
    this.stock.add({ number, length, digest, facts, regions, open: false, used: 0, uses: 0 });
    this.state.matched += length;
    this.state.leaders += at;
    this.raiseHighest(number);
  }

  raiseHighest(number: number): void {
    if (number <= this.state.highest) return;
    this.state.highest = number;
    this.#dirtyState = true;
  }

  /**
   * The link leads to this KM: what was heard of another's disk, as the link led there before, says nothing of this one's.
   * @param peer its ID
   */
  meet(peer: string): void {
    const { state } = this;
    if (state.peer === peer) return;
    if (state.peer !== undefined) state.heardMark = 0;
    state.peer = peer;
    this.touchState();
  }

  /** The link's own row has to be written. */
  touchState(): void {
    this.#dirtyState = true;
  }

  /** Whether keys of this offer are on their way. */
  hasOffer(offer: string): boolean {
    return this.#rows.has(offer);
  }

  /** Each key of an entry for itself. @param use of these books, now or once */
  part(use: Use): readonly Use[] {
    return this.#uses.part(use);
  }

  #parted(use: Use, parts: readonly Use[]): void {
    const beside = this.#rows.get(rowOf(use));
    const at = beside?.indexOf(use) ?? -1;
    assert(use.offer !== noOffer && at >= 0, "an entry is in the row of its offer");
    beside?.splice(at, 1, ...parts);
    this.#byRequest.delete(use);
    for (const part of parts) this.#byRequest.add(part);
    for (const { ranges } of parts) this.stock.pin(ranges);
    this.stock.unpin(use.ranges);
  }

  /** Keys of one offer begin their way, all alike. Their bytes are marked as used. */
  addUses(uses: readonly Use[]): void {
    for (const use of uses) this.#put(use);
    const entries = nowOf(uses);
    for (const { ranges } of entries) this.stock.pin(ranges);
    this.stock.markUsed(uses.flatMap((use) => use.ranges));
    for (const use of entries) this.#number(use);
    this.#changed(entries);
  }

  #put(use: Use): void {
    assert(this.#uses.add(use), "a key has one use");
    if (use.request !== undefined) use.request = this.#texts.of(use.request);
    this.#underWay.count(use, 1);
    const key = rowOf(use);
    const entries = use.parts ?? [use];
    const beside = this.#rows.get(key);
    if (beside === undefined) this.#rows.set(key, [...entries]);
    else beside.push(...entries);
    for (const entry of entries) this.#byRequest.add(entry);
  }

  /** A step in the life of the keys of an entry. @throws Fault `km.invariant` */
  step(use: Use, entry: UseEntry): void {
    this.stepAll([use], entry);
  }

  /** The same of entries of one offer that are alike. @throws Fault `km.invariant` */
  stepAll(uses: readonly Use[], entry: UseEntry): void {
    for (const use of uses) {
      this.#underWay.count(use, -1);
      use.state = next(use.state, entry);
      this.#underWay.count(use, 1);
      this.#number(use);
    }
    // Offered and prepared keys are void alike after a restart: the row that there is says enough.
    if (entry === "prepare") this.#used(uses);
    else this.#changed(uses);
  }

  /** Keys of this length that an application could have without a round trip. */
  prepared(length: number): number {
    return this.#underWay.keys(length);
  }

  #changed(uses: readonly Use[]): void {
    const [first] = uses;
    if (first === undefined) return;
    this.#dirtyRows.add(rowOf(first));
    this.#used(uses);
  }

  /** The peer numbers what is final, in order: so both ends count the same. */
  #number(use: Use): void {
    if (use.owner || !isFinal(use.state) || use.number !== 0) return;
    assert(use.count === 1, "a key ends for itself");
    this.#lastNumber = Math.max(this.#lastNumber, this.state.told.number) + 1;
    use.number = this.#lastNumber;
    this.#finals.set(use.number, use);
  }

  /** FATE numbers up to this one are taken: the other KM has heard them before a disk was restored. */
  raiseNumber(number: number): void {
    this.#lastNumber = Math.max(this.#lastNumber, number);
  }

  setFate(use: Use, fate: Fate): void {
    if (use.fate === fate) return;
    assert(use.count === 1, "a key's fate is its own");
    use.fate = setFate(use.fate, fate);
    this.#changed([use]);
  }

  /** These slaves of its set have it. @returns whether all have */
  hand(use: Use, slaves: number): boolean {
    assert(use.count === 1, "a key is handed out for itself");
    if ((use.had | slaves) !== use.had) {
      use.had |= slaves;
      this.#changed([use]);
    }
    const all = allOf(use.request);
    return (use.had & all) === all;
  }

  /** A prepared key is for this set from now on. */
  assign(use: Use, request: string): void {
    this.#assign(use, request);
    this.#changed([use]);
  }

  /** And is supplied to it: one step, and told as one. @throws Fault `km.invariant` */
  supplyPrepared(use: Use, request: string): void {
    this.#assign(use, request);
    this.step(use, "supply");
  }

  #assign(use: Use, request: string): void {
    assert(use.count === 1, "a key is assigned for itself");
    assert(use.request === undefined || use.request === request, "a key is for one set");
    this.#underWay.count(use, -1);
    use.request = this.#texts.of(request);
    use.assigned = true;
    this.#byRequest.add(use);
    this.#underWay.count(use, 1);
  }

  /** Nothing more has to be known of a key. */
  dropUse(use: Use): void {
    assert(use.count === 1, "a key is dropped for itself");
    if (!this.#uses.delete(use.id)) return;
    this.#underWay.count(use, -1);
    this.#finals.delete(use.number);
    this.#byRequest.delete(use);
    const key = rowOf(use);
    const beside = this.#rows.get(key);
    const at = beside?.indexOf(use) ?? -1;
    if (at >= 0) beside?.splice(at, 1);
    if (beside?.length === 0) this.#rows.delete(key);
    this.#dirtyRows.add(key);
    this.stock.unpin(use.ranges);
  }

  /** The rows that changed since the last call, and extents of which nothing is needed any more. */
  rows(): { rows: Row[]; gone: number[] } {
    const { link } = this;
    const rows: Row[] = [];
    const gone: number[] = [];
    for (const [number, extent] of this.stock.changes()) {
      if (extent === undefined) gone.push(number);
      const value = extent && encodeExtent(extent);
      rows.push({ kind: "extent", link, key: String(number), value });
    }
    for (const key of this.#dirtyRows) {
      const uses = this.#rows.get(key);
      rows.push({ kind: "use", link, key, value: uses && encodeUses(uses) });
    }
    this.#dirtyRows.clear();
    if (rows.length > 0 || this.#dirtyState) {
      this.state.mark++;
      this.#dirtyState = false;
      rows.push({ kind: "link", link, key: "books", value: encodeLink(this.state) });
    }
    return { rows, gone };
  }
}

/** Key of the row that a key on its way is in: its offer; an order of an operator has none. */
function rowOf({ id, offer }: Use): string {
  return offer === noOffer ? id : offer;
}
