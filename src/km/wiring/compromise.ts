/** Keys that could be known to others because a link was not safe: which they are, and how they are given up. */
import { type Clock, delay } from "../../base/clock.ts";
import { type AskedPeriod, type Period, periodAt } from "../keys/origin.ts";
import type { KmLink } from "../link/link.ts";
import { preparedOf, type Revoked } from "../link/revoke.ts";
import { AffectedSearch, type LinkNow } from "../records/affected.ts";
import { type Choice, keysOfPeriod } from "../records/choice.ts";
import type { RecordView } from "../records/codec.ts";
import type { LinkOfRecords } from "../records/notes.ts";
import { RelayTrail } from "../records/relayed.ts";
import type { Affected, GivenUp, GivenUpOfLink } from "../records/tellings.ts";
import type { LeftOver } from "./left-over.ts";
import type { Relays } from "./relays.ts";

/** Extents that are given up in one transaction. */
const atOnce = 500;
/** An order waits for batches that are under way: so often, so long each time, ms. */
const rounds = 20;
const roundMs = 250;
/** Relays under pads that were relayed, and so on: no way over links of links is longer. */
const mostSteps = 32;

/** A link that is there: searches ask it for what records do not tell. */
export interface Attached extends LinkOfRecords {
  readonly core: KmLink;
}

export interface CompromiseParts {
  readonly clock: Clock;
  /** By their names. */
  readonly links: ReadonlyMap<string, Attached>;
  readonly leftOver: () => LeftOver | undefined;
  readonly relays: () => Pick<Relays, "giveUpTo" | "giveUpNamed" | "underWay"> | undefined;
  /** What was told is on the disk. @throws Fault `km_store.io` */
  flush(): Promise<void>;
  /** Reads all records. */
  scan(visit: (view: RecordView) => void): Promise<void>;
  /** Makes an order durable. @throws Fault `km_store.io` */
  record(link: string, period: Period, by: string, extents: readonly number[]): Promise<void>;
}

/** What an order did up to now. */
interface Sum {
  dropped_keys: number;
  ended_relays: number;
  void_extents: number;
  void_bits: number;
  left_keys: number;
  relayed: Map<string, { dropped_keys: number; void_extents: number; void_bits: number }>;
}

interface Order {
  readonly link: Attached;
  readonly period: Period;
  readonly by: string;
}

export class Compromise {
  readonly #parts: CompromiseParts;

  constructor(parts: CompromiseParts) {
    this.#parts = parts;
  }

  async affected(link: Attached, asked: AskedPeriod): Promise<Affected> {
    const { clock, scan } = this.#parts;
    const period = periodAt(asked, clock.wall());
    const search = await this.#search(link, period);
    await scan((view) => search.follow(view));
    const found = search.result(this.#nowOf(link, period));
    return this.#withRelayed(found, await this.#trail(search, period));
  }

  async #search({ name }: Attached, period: Period): Promise<AffectedSearch> {
    const search = new AffectedSearch(name, period);
    await this.#parts.scan((view) => search.find(view));
    return search;
  }

  /** What became of relays that had pads of these keys, and of those that had pads of what came by them. */
  async #trail({ relays }: AffectedSearch, period: Period): Promise<RelayTrail | undefined> {
    const { links, scan } = this.#parts;
    let trail: RelayTrail | undefined;
    let all = relays;
    for (let step = 0; step < mostSteps && all.size > (trail?.relays.size ?? 0); step++) {
      const next = new RelayTrail(links.keys(), period, all);
      await scan((view) => next.find(view));
      await scan((view) => next.follow(view));
      all = new Set([...all, ...next.further]);
      trail = next;
    }
    return trail;
  }

  #withRelayed(affected: Affected, trail: RelayTrail | undefined): Affected {
    if (trail === undefined) return affected;
    const now = (name: string) => {
      const { core } = this.#parts.links.get(name) as Attached;
      return linkNow(core, trail.choice, 0);
    };
    return { ...affected, relayed: trail.result(now) };
  }

  #nowOf({ core }: Attached, period: Period): LinkNow {
    const leftOver = this.#parts.leftOver()?.count(period) ?? 0;
    return linkNow(core, keysOfPeriod(period), leftOver);
  }

  /**
   * Gives keys up at both ends: all free bytes of their extents, and what waits for a match; and so what was relayed
   * under them. The order is on record before anything is done.
   * @param by who ordered it
   * @throws Fault `km_store.io` if the order cannot be recorded: nothing was done then
   */
  async giveUp(link: Attached, asked: AskedPeriod, by: string): Promise<GivenUp> {
    const { clock, flush, scan } = this.#parts;
    const to = asked.to ?? clock.wall();
    let affected: Affected | undefined;
    const sum: Sum = {
      ...{ dropped_keys: 0, ended_relays: 0, void_extents: 0, void_bits: 0, left_keys: 0 },
      relayed: new Map(),
    };
    for (let round = 0; round < rounds; round++) {
      if (round > 0) await delay(clock, roundMs);
      await flush();
      // What comes while the order is carried out is not of the period: its stamp is not ahead of the clock.
      const order = { link, period: { ...periodAt(asked, clock.wall()), to }, by };
      const before = doneOf(sum);
      const search = await this.#search(link, order.period);
      await scan((view) => search.follow(view));
      const state = this.#nowOf(link, order.period);
      const found: Affected | undefined = affected ?? search.result(state);
      await this.#ofLink(order, search, state, sum, round === 0);
      const trail = await this.#relayedNow(search, order.period);
      affected ??= this.#withRelayed(found, trail);
      if (trail !== undefined) await this.#ofRelays(order, trail, sum);
      // What a relay brought was perhaps matched after the records were read: it is looked for until nothing is found.
      const isMoving = trail !== undefined && doneOf(sum) > before;
      if (sum.left_keys === 0 && !isMoving) break;
    }
    await flush().catch(() => {});
    const relayed = Array.from(sum.relayed, ([name, did]): GivenUpOfLink => {
      return { link: name, ...did, link_up: this.#isUp(name) };
    });
    const link_up = this.#isUp(link.name);
    return { affected: affected as Affected, ...sum, relayed, link_up };
  }

  #isUp(name: string): boolean {
    return this.#parts.links.get(name)?.core.phase === "ready";
  }

  /** @param isFirst the order is on record even if there is nothing to do */
  async #ofLink(
    { link, period, by }: Order,
    search: AffectedSearch,
    state: LinkNow,
    sum: Sum,
    isFirst: boolean,
  ): Promise<void> {
    const { record, relays, leftOver } = this.#parts;
    const numbers = withSomething(link.core, [...search.toGiveUp(state)], state);
    if (isFirst || numbers.length > 0) await record(link.name, period, by, numbers);
    // First those that are no key yet: what is stored of them meanwhile is in the buffer next.
    const isNow = isFirst && period.ahead !== undefined;
    const { ended = 0, storing = 0 } = relays()?.giveUpTo(link.kms[1], period.to, isNow) ?? {};
    const { dropped, inBatch } = link.core.revokeWaiting(keysOfPeriod(period));
    await settled(link.core);
    sum.ended_relays += ended;
    sum.dropped_keys += dropped + ((await leftOver()?.giveUp(period)) ?? 0);
    sum.left_keys = inBatch + storing;
    sum.left_keys += await revokeAll(link.core, numbers, sum);
  }

  /** By now no further relay gets pads of these keys, but under those that it had before it is perhaps on its way. */
  async #relayedNow(search: AffectedSearch, period: Period): Promise<RelayTrail | undefined> {
    const { relays, flush, scan } = this.#parts;
    if (!search.sawRelays && (relays()?.underWay ?? 0) === 0) return undefined;
    await flush();
    const again = search.retraced();
    await scan((view) => again.follow(view));
    return this.#trail(again, period);
  }

  async #ofRelays({ period, by }: Order, trail: RelayTrail, sum: Sum): Promise<void> {
    const { links, relays, record } = this.#parts;
    const { ended = 0, storing = 0 } = relays()?.giveUpNamed(trail.relays) ?? {};
    sum.ended_relays += ended;
    sum.left_keys += storing;
    for (const [name, search] of trail.links) {
      const { core } = links.get(name) as Attached;
      const state = linkNow(core, trail.choice, 0);
      const numbers = withSomething(core, search.recordedOf(state), state);
      if (numbers.length === 0 && state.waitingKeys === 0) continue;
      await record(name, period, by, numbers);
      const did = sum.relayed.get(name) ?? { dropped_keys: 0, void_extents: 0, void_bits: 0 };
      sum.relayed.set(name, did);
      const { dropped, inBatch } = core.revokeWaiting(trail.choice);
      await settled(core);
      did.dropped_keys += dropped;
      sum.left_keys += inBatch + (await revokeAll(core, numbers, did));
    }
  }
}

/** Counts up with all that was done. */
function doneOf({ ended_relays, dropped_keys, void_extents, relayed }: Sum): number {
  const own = ended_relays + dropped_keys + void_extents;
  return [...relayed.values()].reduce((all, one) => all + one.dropped_keys + one.void_extents, own);
}

/** Those of these extents of which something is left to give up. */
function withSomething(core: KmLink, numbers: readonly number[], state: LinkNow): number[] {
  const prepared = preparedOf(core.books.uses.values());
  return numbers.filter((number) => state.free(number) > 0 || prepared.has(number));
}

/** @returns keys that are just being offered: the order has to be given again */
async function revokeAll(
  core: KmLink,
  numbers: readonly number[],
  sum: { void_extents: number; void_bits: number },
): Promise<number> {
  let left = 0;
  for (let at = 0; at < numbers.length; at += atOnce) {
    const some = new Set(numbers.slice(at, at + atOnce));
    const one = await new Promise<Revoked>((resolve) => core.revoke(some, resolve));
    sum.void_extents += one.extents;
    sum.void_bits += one.bytes * 8;
    left += one.offered;
  }
  return left;
}

function settled(core: KmLink): Promise<void> {
  return new Promise((resolve) => core.settled(resolve));
}

function linkNow(
  { books: { stock }, buffer }: KmLink,
  choice: Choice,
  leftOverKeys: number,
): LinkNow {
  let waitingKeys = 0;
  let waitingBits = 0;
  for (const { id, origin } of buffer.all()) {
    if (!choice.has(id, origin)) continue;
    waitingKeys++;
    waitingBits += origin.bits;
  }
  const extents = new Map<number, number>();
  for (const [number, { facts }] of stock.extents) extents.set(number, facts.at);
  return {
    ...{ waitingKeys, waitingBits, leftOverKeys, extents },
    free: (number) =>
      (stock.extent(number)?.regions ?? []).reduce((sum, { mark, end }) => sum + end - mark, 0),
  };
}
