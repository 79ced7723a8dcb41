/**
 * Makes what is used unreadable, within a stated time: extents of which a part was used are sealed anew under
 * another key without that part, segments that are partly used are copied forward; then the old keys are
 * overwritten. So neither the files nor the master key give a used key back. Supply goes on beside it: what is sealed
 * anew counts from a short moment between two syncs on, unless the extent is gone by then.
 */
import type { Timer } from "../../../base/clock.ts";
import { wipeMemory } from "../../../port/key.ts";
import type { Range } from "../../../wire/kx/messages.ts";
import { highest, noChange, rowOf } from "./books-change.ts";
import type { Group } from "./group.ts";
import { closedWith } from "./lost-keys.ts";
import type { EngineParts } from "./parts.ts";
import { type NewBytes, type Place, placeName } from "./place.ts";
import { isFull } from "./reserve.ts";
import { Salvage } from "./salvage.ts";
import type { WaitingGroups } from "./waiting-groups.ts";

/** Bytes that are sealed anew in one go: what waits for the disk meanwhile waits no longer than this takes. */
const bytesAtOnce = 4_194_304;
/** The same while applications are served. */
const pieceBytes = 262_144;
/** The same for what is under an older key of the store: that goes on for long. */
const olderAtOnce = 1_048_576;
/** Keys of places that are overwritten in one go: a write each. */
const placesAtOnce = 32;
/** Between two pieces there is as much time for others as the last one took, and at least this, ms. */
const leastPauseMs = 5;

/** Writes; decides what becomes of it when the disk is full. */
type MakeRoom = <T>(write: () => Promise<T>) => Promise<T>;

export interface ShredderHost {
  /** Runs it beside all else, and alone of its kind. */
  work(run: () => Promise<void>): void;
  /** Runs it between two syncs: nothing else is written meanwhile. @returns what it returns, or throws */
  between<T>(run: () => Promise<T>): Promise<T>;
  /** Rejected when the store has failed, and nothing is run any more. */
  readonly failed: Promise<never>;
  /** The highest number that a group had. */
  lastGroup(): number;
  /** After each round that its time had come for. */
  round(): Promise<void>;
}

export class Shredder {
  readonly #parts: EngineParts;
  readonly #groups: Pick<WaitingGroups, "byNumber" | "touched">;
  readonly #host: ShredderHost;
  /** Ranges that are not needed any more, by extent; all of them since the start. */
  readonly #forgotten = new Map<string, Range[]>();
  readonly #dirty = new Set<string>();
  /** Those of the dirty ones that are this round's. */
  readonly #due = new Set<string>();
  /** Places whose keys are still to be overwritten. */
  #left: Place[] = [];
  /** Segments that are gone, and of which the books still have rows. */
  readonly #segmentsGone: number[] = [];
  #timer: Timer | undefined;
  readonly #salvage: Salvage;
  /** Some of this round is to be tried again before the next would be due. */
  #isAgain = false;
  #stopped = false;

  constructor(
    parts: EngineParts,
    groups: Pick<WaitingGroups, "byNumber" | "touched">,
    host: ShredderHost,
  ) {
    this.#parts = parts;
    this.#groups = groups;
    this.#host = host;
    const { volumes, clock, wipeAfter, onLost = () => {} } = parts;
    this.#salvage = new Salvage(volumes, clock, wipeAfter / 8, onLost);
    this.#next();
  }

  /** @param waitMs until the next round */
  #next(waitMs = this.#parts.wipeAfter / 2): void {
    if (this.#stopped) return;
    const { clock, wipeAfter } = this.#parts;
    this.#timer = clock.after(waitMs, () => {
      const begun = clock.now();
      // With the time until the next round, and that of the round itself, it is within the limit.
      const pieces = this.#pieces(wipeAfter / 4, pieceBytes);
      this.#host.work(() => this.#piece(pieces, begun));
    });
  }

  /** One piece of the round that began then, and when the next is due: others are served in between. */
  async #piece(pieces: AsyncGenerator<void>, roundBegun: number): Promise<void> {
    if (this.#stopped) return;
    const { clock, wipeAfter } = this.#parts;
    const begun = clock.now();
    const { done } = await pieces.next();
    if (done) {
      await this.#host.round();
      const due = roundBegun + wipeAfter / (this.#isAgain ? 4 : 2);
      return this.#next(Math.max(leastPauseMs, due - clock.now()));
    }
    // A round that takes long goes on without pauses: what is used is unreadable in time.
    const isLate = clock.now() - roundBegun > wipeAfter / 4;
    const pauseMs = isLate ? 0 : Math.max(leastPauseMs, clock.now() - begun);
    this.#timer = clock.after(pauseMs, () => {
      this.#host.work(() => this.#piece(pieces, roundBegun));
    });
  }

  forget(link: string, ranges: readonly Range[]): void {
    for (const range of ranges) {
      const name = placeName(link, range.extent);
      const known = this.#forgotten.get(name) ?? [];
      const last = known.at(-1);
      if (last !== undefined && last.end === range.start) {
        known[known.length - 1] = { ...last, end: range.end };
      } else known.push(range);
      this.#forgotten.set(name, known);
      this.#dirty.add(name);
    }
  }

  /** An extent was written anew, or is gone. */
  left(place: Place | undefined): void {
    if (place === undefined) return;
    this.#left.push(place);
    const name = placeName(place.link, place.number);
    if (this.#parts.volumes.place(place.link, place.number) === undefined) {
      this.#forgotten.delete(name);
      this.#dirty.delete(name);
      this.#due.delete(name);
      this.#salvage.forget(name);
    }
  }

  /** All that is used, now. */
  now(): Promise<void> {
    return this.#asWork(async () => {
      const pieces = this.#pieces(0, bytesAtOnce);
      while (!(await pieces.next()).done) {}
    });
  }

  /**
   * Seals some of what is under an older key of the store anew.
   * @returns whether there may be more; "later": the disk does not give what is left now
   * @throws a system error: of a full disk, what was to be sealed anew is as it was
   */
  async resealOlder(): Promise<boolean | "later"> {
    const { volumes, intake } = this.#parts;
    const places = await volumes.older(olderAtOnce);
    if (places.length > 0) {
      const { later, lost } = await this.#resealSome(places, (write) => write());
      for (const place of lost) await volumes.giveUp(place);
      if (later.length === places.length) return "later";
    } else {
      const any = await this.#host.between(async () => {
        const groups = intake
          .older(olderAtOnce)
          .filter(({ number }) => this.#groups.byNumber.has(number));
        if (groups.length > 0) await this.#copy(groups, (write) => write());
        return groups.length > 0;
      });
      await this.#shredSegments();
      if (!any) return intake.olderBytes() > 0;
    }
    await this.#overwriteLeft();
    return true;
  }

  #asWork(run: () => Promise<void>): Promise<void> {
    const done = new Promise<void>((resolve) => {
      this.#host.work(async () => {
        await run();
        resolve();
      });
    });
    return Promise.race([done, this.#host.failed]);
  }

  /** A round in pieces of so many bytes: between two of them anything may have changed. */
  async *#pieces(olderThanMs: number, most: number): AsyncGenerator<void> {
    const { volumes, intake } = this.#parts;
    for (const name of this.#dirty) this.#due.add(name);
    this.#dirty.clear();
    this.#isAgain = false;
    for (let places = this.#takeDue(most); places.length > 0; places = this.#takeDue(most)) {
      const { later, lost } = await this.#resealSome(places);
      for (const { link, number } of later) this.#dirty.add(placeName(link, number));
      this.#isAgain ||= later.length > 0;
      for (const place of lost) await volumes.giveUp(place);
      yield;
    }
    for (const part of cut(volumes.toMove(), most)) {
      const places = part.filter((it) => volumes.place(it.link, it.number) === it);
      await this.#resealSome(places);
      yield;
    }
    do {
      await this.#overwriteLeft(placesAtOnce);
      yield;
    } while (this.#left.length > 0);
    const { between } = this.#host;
    const toCopy = await between(async () =>
      intake.toCopy(olderThanMs).map((group) => {
        return { group, from: group.segment, length: group.length };
      }),
    );
    for (const part of cut(toCopy, most)) {
      await between(async () => {
        const waiting = part.flatMap(({ group, from }) => {
          const is =
            group.live > 0 && group.segment === from && this.#groups.byNumber.has(group.number);
          return is ? [group] : [];
        });
        const makeRoom: MakeRoom = (write) => this.#parts.reserve.use(write);
        if (waiting.length > 0) await this.#copy(waiting, makeRoom);
      });
      yield;
    }
    while (await this.#shredSegments(1)) yield;
  }

  /** Extents of this round that were used in part, and are still there: so many bytes of them, or all that are left. */
  #takeDue(most: number): Place[] {
    const places: Place[] = [];
    let bytes = 0;
    for (const name of this.#due) {
      this.#due.delete(name);
      const place = this.#placeOf(name);
      if (place === undefined) continue;
      places.push(place);
      bytes += place.length;
      if (bytes >= most) break;
    }
    return places;
  }

  async #overwriteLeft(most = Number.POSITIVE_INFINITY): Promise<void> {
    await this.#parts.volumes.overwrite(this.#left.splice(0, most));
  }

  /** @returns whether there were any */
  async #shredSegments(most?: number): Promise<boolean> {
    const { intake, ledger, reserve } = this.#parts;
    const { between } = this.#host;
    // Between two syncs what has left a segment has durably left it.
    const isAny = await between(async () => {
      if (!intake.takeEmpty(most)) return false;
      // Before a file goes: one that is in the books and not there is told as lost.
      const consumed = [closedWith(undefined, intake.numbers)];
      await reserve.use(() => ledger.apply({ ...noChange, consumed }));
      return true;
    });
    // Also if there are none, but the disk was full when others had gone.
    if (!isAny && this.#segmentsGone.length === 0) return false;
    this.#segmentsGone.push(...(await intake.shred()));
    // With the last of its segments a group's number would be forgotten, and be given out again after a start.
    await between(async () => {
      const consumed = [highest(this.#host.lastGroup())];
      const segmentsGone = [...this.#segmentsGone];
      await reserve.use(() => ledger.apply({ ...noChange, consumed, segmentsGone }));
      this.#segmentsGone.splice(0, segmentsGone.length);
    });
    return true;
  }

  #placeOf(name: string): Place | undefined {
    const space = name.indexOf(" ");
    return this.#parts.volumes.place(name.slice(space + 1), Number(name.slice(0, space)));
  }

  /**
   * @param makeRoom decides what becomes of a full disk
   * @returns those of which the disk does not give all now, and those of which nothing opens: both are as they were
   */
  async #resealSome(
    places: readonly Place[],
    makeRoom: MakeRoom = (write) => this.#parts.reserve.use(write),
  ): Promise<{ readonly later: readonly Place[]; readonly lost: readonly Place[] }> {
    const { volumes, ledger, reserve } = this.#parts;
    const extents: NewBytes[] = [];
    const left = { later: [] as Place[], lost: [] as Place[] };
    for (const place of places) {
      const used = () => this.#forgotten.get(placeName(place.link, place.number)) ?? [];
      const found = await this.#salvage.read(place, used());
      if (typeof found === "string") {
        left[found].push(place);
        continue;
      }
      // What was used while it was read, too.
      for (const { start, end } of used()) found.bytes.fill(0, start, end);
      extents.push({ link: place.link, number: place.number, ...found });
    }
    if (extents.length === 0) return left;
    const written = await makeRoom(() => volumes.write(extents, "aside")).finally(() => {
      for (const { bytes } of extents) wipeMemory(bytes);
    });
    await this.#host.between(async () => {
      // What is gone meanwhile stays gone.
      const [still, gone] = split(written, ({ link, number }) => {
        const now = volumes.place(link, number);
        return now !== undefined && places.includes(now);
      });
      for (const place of gone) volumes.abandon(place);
      this.#left.push(...gone);
      if (still.length === 0) return;
      try {
        await reserve.use(() => ledger.apply({ ...noChange, extents: still.map(rowOf) }));
      } catch (error) {
        if (isFull(error)) {
          // The books have them where they were: the copies are to be unreadable as what is left is.
          for (const place of still) volumes.abandon(place);
          this.#left.push(...still);
        }
        throw error;
      }
      for (const place of still) {
        const before = volumes.install(place);
        if (before !== undefined) this.#left.push(before);
      }
    });
    return left;
  }

  async #copy(groups: readonly Group[], makeRoom: MakeRoom): Promise<void> {
    const { intake, ledger, reserve } = this.#parts;
    const onDisk = groups.filter(({ plain }) => plain === undefined);
    try {
      for (const group of groups) await intake.restore(group);
      await makeRoom(() => intake.append(groups));
    } finally {
      for (const group of onDisk) group.evict();
    }
    const used = groups.filter(({ live, count }) => live < count);
    const consumed = used.map(({ number, segment, consumed: bits }) => {
      return { grp: number, segment, bits: bits.slice() };
    });
    try {
      await reserve.use(() => ledger.apply({ ...noChange, consumed }));
    } catch (error) {
      // Their rows name the segment of before, and would go with it: the next cycle of the books writes them.
      for (const group of used) this.#groups.touched.add(group);
      throw error;
    }
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#timer?.cancel();
    await this.now();
  }
}

/** In parts of so many bytes, or of one that is longer. */
function* cut<T extends { readonly length: number }>(
  all: readonly T[],
  most: number,
): Generator<T[]> {
  let part: T[] = [];
  let bytes = 0;
  for (const one of all) {
    part.push(one);
    bytes += one.length;
    if (bytes < most) continue;
    yield part;
    part = [];
    bytes = 0;
  }
  if (part.length > 0) yield part;
}

/** Those that are so, and the others. */
function split<T>(all: readonly T[], is: (one: T) => boolean): [T[], T[]] {
  return [all.filter(is), all.filter((one) => !is(one))];
}
