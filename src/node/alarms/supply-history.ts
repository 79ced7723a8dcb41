/**
 * Keys over time: how many were offered to the KM and confirmed, for how long none was although some
 * were owed, and for how long the module gave none although it could have. Time counts only while
 * keys could have flowed, and only a confirmed key ends it: not a connection that is made anew.
 * Pure; one instance a module, for the life of the process.
 */

/** What is read of custody's counters, from the start of the process. */
export interface SupplyCounters {
  readonly supplied: number;
  readonly confirmed: number;
  readonly repeats: number;
  readonly withheld: number;
  readonly quarantined: number;
  /** Keys supplied and not answered for, now. */
  readonly in_flight: number;
  /** Blocks in the node's memory, now. */
  readonly held_blocks: number;
  readonly refused: Readonly<Record<string, number>>;
}

/** Who could have done something since the last look. */
export interface Able {
  /** The module is connected, and not stopped by command. */
  readonly module: boolean;
  /** A KM is connected. */
  readonly km: boolean;
  /** Keys may leave the node: nothing is halted, the ledger can be written. */
  readonly node: boolean;
  /** Keys wait until they are asked for. */
  readonly onRequest: boolean;
}

/** A process that stood still has seen nothing, ms. */
const longestStep = 5_000;
/** Nothing is owed once the node had nothing for so long while the module could have given, ms. */
const settledMs = 10_000;
const windowMs = 60_000;
/** What is remembered of the window is this far apart, ms. */
const lookMs = 900;
/** Fewer answers than this say nothing about a KM. */
const enough = 20;

const none: SupplyCounters = {
  supplied: 0,
  confirmed: 0,
  repeats: 0,
  withheld: 0,
  quarantined: 0,
  in_flight: 0,
  held_blocks: 0,
  refused: {},
};

interface Look {
  readonly at: number;
  /** Supplies that came to an end, whatever end. */
  readonly ended: number;
  readonly confirmed: number;
  readonly refused: number;
}

export class SupplyHistory {
  #at: number | undefined;
  #before: SupplyCounters = none;
  /** The counters when a key was confirmed last, or at the start. */
  #base: SupplyCounters = none;
  #keys = 0;
  /** Time since the module's last key in which it could have given another, ms. */
  #sinceKey = 0;
  #settled = 0;
  readonly #looks: Look[] = [];

  /** When a key was confirmed last, monotonic ms; undefined: none was since the start. */
  confirmedAt: number | undefined;
  /** Time for which keys were owed and the KM confirmed none, ms. */
  unansweredMs = 0;
  /** Time for which the module gave no key although it could have, ms. */
  silentMs = 0;
  /** Time for which module, node and KM could have brought a key and none was confirmed, ms. */
  idleMs = 0;
  /** Usual time between keys of the module, ms; undefined until there were two. */
  interval: number | undefined;
  /** A key came from the module since the start. */
  gave = false;

  /** @param now monotonic ms */
  look(counters: SupplyCounters, able: Able, now: number): void {
    const before = this.#before;
    const step = Math.min(longestStep, now - (this.#at ?? now));
    this.#at = now;
    this.#before = counters;
    if (counters.confirmed > before.confirmed) {
      this.confirmedAt = now;
      this.#base = counters;
      this.unansweredMs = 0;
      this.idleMs = 0;
    }
    const isWorking = able.module && able.node && (able.km || able.onRequest);
    if (isWorking) this.idleMs += step;
    this.#owed(counters, able, step);
    this.#given(counters, able, isWorking, step);
    if (now - (this.#looks.at(-1)?.at ?? -lookMs) >= lookMs)
      this.#looks.push(lookAt(counters, now));
    while (now - (this.#looks[0]?.at ?? now) > windowMs) this.#looks.shift();
  }

  /** Keys and blocks since a key was confirmed last, or since the start. */
  get since() {
    const now = this.#before;
    const then = this.#base;
    const grown = (of: (counters: SupplyCounters) => number) => of(now) - of(then);
    const refused = Object.keys(now.refused).filter(
      (name) => grown((counters) => counters.refused[name] ?? 0) > 0,
    );
    return {
      supplied: grown(({ supplied, repeats }) => supplied + repeats),
      withheld: grown(({ withheld }) => withheld),
      quarantined: grown(({ quarantined }) => quarantined),
      /** Reasons of the KM's answers. */
      refused,
    };
  }

  /** Of the supplies that ended within the last minute: how many were confirmed, if it is too few. */
  get unsteady(): { readonly confirmed: number; readonly of: number } | undefined {
    const [first, last] = [this.#looks[0], this.#looks.at(-1)];
    if (first === undefined || last === undefined) return undefined;
    const ended = last.ended - first.ended;
    const confirmed = last.confirmed - first.confirmed;
    // What the KM refuses in so many words is told as that.
    const lost = ended - confirmed - (last.refused - first.refused);
    return ended >= enough && lost > ended / 2 ? { confirmed, of: ended } : undefined;
  }

  #owed(counters: SupplyCounters, able: Able, step: number): void {
    if (able.onRequest) return;
    if (this.#isOffered(counters)) {
      this.#settled = 0;
      if (able.node && able.km) this.unansweredMs += step;
    } else if (able.module && counters.held_blocks === 0) {
      this.#settled += step;
      if (this.#settled >= settledMs) this.unansweredMs = 0;
    }
  }

  /** Keys wait for a KM's word. What is held and was never offered waits for something else. */
  #isOffered({ in_flight, held_blocks }: SupplyCounters): boolean {
    return in_flight > 0 || (held_blocks > 0 && this.since.supplied > 0);
  }

  #given(counters: SupplyCounters, able: Able, isWorking: boolean, step: number): void {
    const { supplied, withheld, quarantined, held_blocks } = counters;
    const come = supplied + withheld + quarantined - this.#keys;
    this.#keys += come;
    if (isWorking) this.#sinceKey += step;
    if (come > 0) {
      const gap = this.#sinceKey / come;
      if (this.gave) {
        this.interval = this.interval === undefined ? gap : this.interval * 0.9 + gap * 0.1;
      }
      this.gave = true;
      this.#sinceKey = 0;
    }
    // While keys wait here or with the KM it is not the module that is missed.
    const waits = this.#isOffered(counters) || (able.onRequest && held_blocks > 0);
    if (come > 0 || waits) this.silentMs = 0;
    else if (isWorking) this.silentMs += step;
  }
}

function lookAt(counters: SupplyCounters, at: number): Look {
  const { supplied, repeats, in_flight, confirmed } = counters;
  const refused = Object.values(counters.refused).reduce((sum, count) => sum + count, 0);
  return { at, ended: supplied + repeats - in_flight, confirmed, refused };
}
