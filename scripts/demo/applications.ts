/** Two applications of the show, one at each end: they ask their KM for keys, and compare what they got. */
import { describe } from "../../src/base/errors.ts";
import { ApplicationClient, heldKeys } from "../../test/rig/application.ts";
import type { KmOfPair } from "../../test/rig/km-pair.ts";
import { type EndName, endNames } from "../../test/rig/rig.ts";

/** What the applications came to, in the report of a run. */
export interface ApplicationsReport {
  /** Questions for keys: each of the master, and then of the slave. */
  readonly requests: number;
  /** Keys that both have. */
  readonly keys: number;
  /** Of these, those that are not the same at both. */
  readonly different: number;
  /** From the master's question until the slave has the key; null: there was none. */
  readonly p50_ms: number | null;
  readonly p99_ms: number | null;
}

/** What the applications of one direction last got. */
export interface LastKey {
  readonly keys: number;
  readonly different: number;
  readonly ms: number | undefined;
  /** Why there was no key the last time. */
  readonly trouble: string | undefined;
}

/** Latencies that are kept. */
const mostTimes = 10_000;

/** A KM that applications ask. */
export type AskedKm = Pick<KmOfPair, "url" | "applications"> & { readonly end: string };

export class ShownApplications {
  readonly #clients: Record<EndName, ApplicationClient>;
  readonly #times: number[] = [];
  readonly #last: Record<EndName, LastKey>;
  readonly #pauseMs: number;
  #requests = 0;
  #keys = 0;
  #different = 0;
  #running: Promise<void> | undefined;
  #isOver = false;
  #wake = () => {};

  /** @param kms the first application of each asks @param pauseMs between two questions */
  constructor(kms: Readonly<Record<EndName, AskedKm>>, pauseMs: number) {
    const of = (end: EndName) => {
      const [first] = kms[end].applications;
      if (first === undefined) throw new Error("a KM without an application");
      return new ApplicationClient(kms[end], first);
    };
    this.#clients = { alice: of("alice"), bob: of("bob") };
    const none = { keys: 0, different: 0, ms: undefined, trouble: undefined };
    this.#last = { alice: none, bob: none };
    this.#pauseMs = pauseMs;
  }

  /** Asks, turn by turn in both directions, until {@link stop}. */
  start(): void {
    this.#running ??= this.#ask();
  }

  async #ask(): Promise<void> {
    while (!this.#isOver) {
      for (const master of endNames) {
        if (!this.#isOver) await this.once(master);
      }
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, this.#pauseMs);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  /** One key, asked for by this end's application. @returns whether both have it */
  async once(master: EndName): Promise<boolean> {
    const slave = master === "alice" ? "bob" : "alice";
    const { [master]: asks, [slave]: fetches } = this.#clients;
    const begun = performance.now();
    const last = this.#last[master];
    try {
      this.#requests++;
      const enc = await asks.encKeys(fetches.sae);
      const given = heldKeys(enc);
      const [key] = given;
      if (key === undefined) return this.#without(master, `${asks.sae}: ${told(enc.body)}`);
      this.#requests++;
      const dec = await fetches.decKeys(asks.sae, [key.id]);
      const [fetched] = heldKeys(dec);
      if (fetched === undefined) return this.#without(master, `${fetches.sae}: ${told(dec.body)}`);
      const ms = performance.now() - begun;
      if (this.#times.length < mostTimes) this.#times.push(ms);
      this.#keys++;
      const isEqual = fetched.id === key.id && fetched.digest === key.digest;
      if (!isEqual) this.#different++;
      this.#last[master] = {
        keys: last.keys + 1,
        different: last.different + (isEqual ? 0 : 1),
        ms,
        trouble: undefined,
      };
      return true;
    } catch (error) {
      return this.#without(master, describe(error));
    }
  }

  #without(master: EndName, trouble: string): false {
    this.#last[master] = { ...this.#last[master], trouble };
    return false;
  }

  /** Whose master is at this end. */
  of(end: EndName): LastKey {
    return this.#last[end];
  }

  get report(): ApplicationsReport {
    const sorted = this.#times.toSorted((a, b) => a - b);
    const at = (part: number) => {
      const ms = sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))];
      return ms === undefined ? null : Math.round(ms * 100) / 100;
    };
    return {
      requests: this.#requests,
      keys: this.#keys,
      different: this.#different,
      p50_ms: at(0.5),
      p99_ms: at(0.99),
    };
  }

  /** What is being asked is answered first. */
  async stop(): Promise<void> {
    this.#isOver = true;
    this.#wake();
    await this.#running;
  }

  close(): void {
    for (const client of Object.values(this.#clients)) client.close();
  }
}

/** The KM's own words. */
function told(body: unknown): string {
  const { message } = (body ?? {}) as { message?: unknown };
  return typeof message === "string" ? message : "no key";
}
