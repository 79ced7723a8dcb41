/** What key managers told of pairs, and the routes that they were given. Pure. */
import type { PairReport } from "../../wire/ck/state.ts";
import { nameOf } from "../topology/names.ts";
import { added, type RelayCount, RelayCounts } from "./relay-counts.ts";

/** What a KM knows of a pair. */
export interface PairEnd {
  report: PairReport | undefined;
  /** When the KM was seen connected last, monotonic, ms. */
  hereAt: number;
  /** Of its reports, also of those that are over. */
  readonly counts: RelayCounts;
  /** It asks this controller for routes of the pair. */
  asks: boolean;
  /** The route that it was given last, from the pair's smaller end. */
  given: readonly string[] | undefined;
}

export class PairEnds {
  readonly #now: () => number;
  /** By pair and KM. */
  readonly #ends = new Map<string, Map<string, PairEnd>>();

  /** @param now monotonic, ms */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** By KM. @param name of the pair */
  of(name: string): ReadonlyMap<string, PairEnd> {
    return this.#ends.get(name) ?? new Map();
  }

  #end(name: string, km: string): PairEnd {
    const ends = this.#ends.get(name) ?? new Map<string, PairEnd>();
    this.#ends.set(name, ends);
    const end = ends.get(km) ?? {
      report: undefined,
      hereAt: this.#now(),
      counts: new RelayCounts(),
      asks: false,
      given: undefined,
    };
    ends.set(km, end);
    return end;
  }

  reported(km: string, report: PairReport): void {
    const end = this.#end(nameOf(km, report.peer), km);
    end.report = report;
    end.counts.heard(report);
    if (report.routing === "controller") end.asks = true;
  }

  /** A KM asked for a route, and is to hear of others. @param given from the pair's smaller end */
  gave(name: string, km: string, given: readonly string[]): void {
    const end = this.#end(name, km);
    end.asks = true;
    end.given = given;
  }

  /** A KM has told all its pairs, by their names: what it told of others is over. */
  notTold(km: string, told: ReadonlySet<string>): void {
    for (const [name, ends] of this.#ends) {
      const end = ends.get(km);
      if (end !== undefined && !told.has(name)) end.report = undefined;
    }
  }

  /** A KM begins anew: what it was given may be lost. */
  forgot(km: string): void {
    for (const ends of this.#ends.values()) {
      const end = ends.get(km);
      if (end !== undefined) end.given = undefined;
    }
  }

  /** A pair has no route: the next one is news, also if it is that of before. */
  lost(name: string): void {
    for (const end of this.of(name).values()) end.given = undefined;
  }

  /** A KM was taken back: what it told of pairs is over, and it is given no route. What it counted stays. */
  withdrawn(km: string): void {
    for (const ends of this.#ends.values()) {
      const end = ends.get(km);
      if (end === undefined) continue;
      [end.report, end.asks, end.given] = [undefined, false, undefined];
    }
  }

  reports(name: string): readonly PairReport[] {
    return [...this.of(name).values()].flatMap(({ report }) => report ?? []);
  }

  isReported(name: string): boolean {
    return this.reports(name).length > 0;
  }

  /** Relays that the key managers of a pair told of: never less than before while the pair is known. */
  counted(name: string): RelayCount {
    return [...this.of(name).values()].reduce((all, { counts }) => added(all, counts.total), {
      relays: 0,
      failed: 0,
    });
  }

  remove(name: string): void {
    this.#ends.delete(name);
  }

  /**
   * A KM that left wants no keys after a while: it may have another name now, or be none any more.
   * @param afterMs since it was here @param isPair whether there is a pair of this name
   */
  forgetGone(
    afterMs: number,
    isHere: (km: string) => boolean,
    isPair: (name: string) => boolean,
  ): void {
    const now = this.#now();
    for (const [name, ends] of this.#ends) {
      for (const [km, end] of ends) {
        if (isHere(km)) end.hereAt = now;
        else if (now - end.hereAt > afterMs) end.report = undefined;
      }
      if (!isPair(name) && !this.isReported(name)) this.#ends.delete(name);
    }
  }
}
