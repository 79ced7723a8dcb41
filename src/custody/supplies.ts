/**
 * Keys on their way to the KM: waiting, in flight, waiting again. What comes of each is told to the
 * owner exactly once: the KM has it, or refused it for good.
 */
import { reasons, suppliesOnHashMismatch, type Verdict } from "../kq1/names.ts";
import type { Clock, Timer } from "../port/clock.ts";
import { Fault } from "../port/errors.ts";
import type { QkdKey } from "../port/key.ts";
import type { Log } from "../port/log.ts";
import type { CustodyCounters } from "./counters.ts";
import type { KmLink, KmSink } from "./ports.ts";
import { Queue } from "./queue.ts";

export interface SuppliesParts<Owner> {
  readonly clock: Clock;
  readonly log: Log;
  readonly counters: CustodyCounters;
  /** Waiting times, ms, while a KM answers "later"; a new one for each such time. */
  readonly backoff: () => Iterator<number>;
  /** Whether keys may be supplied at all: not while what becomes of them can't be recorded. */
  readonly allowed: () => boolean;
  readonly delivered: (key: QkdKey, owner: Owner) => void;
  /** The KM will not take this key, or it fits no message. */
  readonly refused: (key: QkdKey, owner: Owner, reason: string) => void;
}

interface Waiting<Owner> {
  readonly key: QkdKey;
  readonly owner: Owner;
  supplies: number;
}

export class Supplies<Owner> implements KmSink {
  readonly #parts: SuppliesParts<Owner>;
  #km: KmLink | undefined;
  #stopping = false;
  #idle: (() => void) | undefined;
  /** Oldest first. */
  readonly #queue = new Queue<Waiting<Owner>>();
  /** Given to the KM and not answered for, in the order of supply. */
  readonly #inFlight = new Map<string, Waiting<Owner>>();
  #pause: Timer | undefined;
  #waits: Iterator<number> | undefined;

  constructor(parts: SuppliesParts<Owner>) {
    this.#parts = parts;
  }

  get inFlight(): number {
    return this.#inFlight.size;
  }

  /** Takes keys into the queue. */
  push(keys: readonly QkdKey[], owner: Owner): void {
    for (const key of keys) this.#queue.push({ key, owner, supplies: 0 });
    this.#pump();
  }

  kmUp(km: KmLink): void {
    this.#km = km;
    this.#resume();
  }

  /** The link is gone: what was not answered is supplied again, under the same IDs, in order. */
  kmDown(): void {
    this.#km = undefined;
    this.#resume();
    this.#queue.giveBack([...this.#inFlight.values()]);
    this.#inFlight.clear();
    this.#settled();
  }

  answered(keyId: string, response: string): void {
    const waiting = this.#inFlight.get(keyId);
    if (waiting === undefined) return;
    this.#inFlight.delete(keyId);
    const { counters, delivered } = this.#parts;
    const verdict: Verdict = reasons[response] ?? "refused";
    if (verdict !== "delivered") {
      counters.refused[response] = (counters.refused[response] ?? 0) + 1;
    }
    if (verdict === "delivered") {
      this.#waits = undefined;
      counters.confirmed++;
      counters.bits += waiting.key.bits;
      delivered(waiting.key, waiting.owner);
    } else if (verdict === "later") {
      this.#queue.giveBack([waiting]);
      this.#backOff(response);
    } else if (verdict === "again" && waiting.supplies < suppliesOnHashMismatch) {
      this.#queue.giveBack([waiting]);
    } else {
      this.#parts.refused(waiting.key, waiting.owner, response);
    }
    this.#pump();
    this.#settled();
  }

  /** Supplies no more; resolves when nothing is in flight. */
  async stop(): Promise<void> {
    this.#stopping = true;
    this.#pause?.cancel();
    if (this.#inFlight.size === 0) return;
    await new Promise<void>((resolve) => {
      this.#idle = resolve;
    });
  }

  /** Wipes every key it has. */
  wipe(): void {
    this.#stopping = true;
    for (const { key } of this.#inFlight.values()) key.wipe();
    for (const { key } of this.#queue.clear()) key.wipe();
    this.#inFlight.clear();
    this.#settled();
  }

  #pump(): void {
    const km = this.#km;
    if (km === undefined || this.#stopping || this.#pause !== undefined) return;
    if (!this.#parts.allowed()) return;
    while (km.room > 0) {
      const waiting = this.#queue.shift();
      if (waiting === undefined) return;
      this.#supply(km, waiting);
    }
  }

  #supply(km: KmLink, waiting: Waiting<Owner>): void {
    const { key, owner } = waiting;
    this.#inFlight.set(key.id, waiting);
    try {
      km.supply(key);
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      this.#inFlight.delete(key.id);
      this.#parts.refused(key, owner, "key_length_unsupported");
      return;
    }
    if (waiting.supplies === 0) this.#parts.counters.supplied++;
    else this.#parts.counters.repeats++;
    waiting.supplies++;
  }

  #backOff(response: string): void {
    if (this.#pause !== undefined || this.#stopping) return;
    this.#waits ??= this.#parts.backoff();
    const ms = this.#waits.next().value ?? 0;
    this.#parts.log.warn("KM asks to wait", { response, ms: Math.round(ms) });
    this.#pause = this.#parts.clock.after(ms, () => this.#resume());
  }

  /** Looks again whether keys may be supplied. */
  resume(): void {
    this.#pump();
  }

  #resume(): void {
    this.#pause?.cancel();
    this.#pause = undefined;
    this.#pump();
  }

  #settled(): void {
    if (this.#inFlight.size === 0) this.#idle?.();
  }
}
