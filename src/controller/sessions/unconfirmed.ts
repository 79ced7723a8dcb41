/**
 * Sessions of which a controller that began anew has heard from one end alone: key managers come in either order. Of
 * one that its source told of first it may not be known yet which KM serves the destination. One that the source's KM
 * does not know is over: its answer never came there.
 */
import type { SessionReport } from "../../wire/ck/state.ts";

/** The source's KM has so long to tell of one, ms: of very many it tells some at a time. */
const withinMs = 300_000;
/** Of all key managers; the oldest are given up. */
const most = 10_000;

export interface Unconfirmed {
  /** That told of it. */
  readonly km: string;
  readonly report: SessionReport;
  /** Monotonic, ms. */
  readonly since: number;
  /** When that KM had begun, as it said; undefined: it did not. */
  readonly began: number | undefined;
}

export class UnconfirmedSessions {
  readonly #all = new Map<string, Unconfirmed>();

  add(one: Unconfirmed): void {
    const { id } = one.report;
    if (this.#all.has(id)) return;
    const [oldest] = this.#all.keys();
    if (this.#all.size >= most && oldest !== undefined) this.#all.delete(oldest);
    this.#all.set(id, one);
  }

  /** It is known, or over. */
  remove(id: string): void {
    this.#all.delete(id);
  }

  /** That of which its source's KM has told. */
  toldBySource(id: string): Unconfirmed | undefined {
    const one = this.#all.get(id);
    return one?.report.role === "source" ? one : undefined;
  }

  /** All of which their sources' key managers have told. */
  allToldBySources(): Unconfirmed[] {
    return [...this.#all.values()].filter(({ report }) => report.role === "source");
  }

  /**
   * Takes those out of which only the destinations' key managers told, and that were not confirmed in time.
   * @param isHere the source's KM could have told of one for so long, ms
   */
  overdue(now: number, isHere: (source: string, ms: number) => boolean): Unconfirmed[] {
    const over = [...this.#all.values()].filter(
      ({ since, report }) =>
        report.role === "destination" && now - since >= withinMs && isHere(report.source, withinMs),
    );
    for (const { report } of over) this.#all.delete(report.id);
    return over;
  }
}
