/**
 * Keys on their way to a KM: waiting, in flight, waiting again. What comes of each is told to the
 * owner exactly once: a KM has it, or every KM refused it for good.
 *
 * Where several KMs may take a key they are tried in order, but a key that was once written to one of
 * them is that KM's: its connection may have broken after it stored the key. Only when it refuses, or
 * an operator says so, another is offered the key. Whose a key is, is on disk before it is written.
 */

import { assert } from "../../base/assert.ts";
import type { Clock } from "../../base/clock.ts";
import { Fault } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import { LogLimit } from "../../base/log-limit.ts";
import { Queue } from "../../base/queue.ts";
import type { QkdKey } from "../../port/key.ts";
import {
  type Reason,
  reasonOf,
  reasons,
  suppliesOnHashMismatch,
  suppliesOnUnknownReason,
} from "../../wire/kq1/names.ts";
import type { CustodyCounters } from "../keys/counters.ts";
import type { KmLink, KmSink } from "../keys/ports.ts";
import { Flight } from "./flight.ts";
import { type Outlet, Waiting } from "./outlet.ts";

export interface SuppliesParts<Owner> {
  /** Names of the KMs, in the order in which they are tried; one or more. */
  readonly kms: readonly string[];
  readonly clock: Clock;
  readonly log: Log;
  readonly counters: CustodyCounters;
  /** Waiting times, ms, while a KM answers "later"; a new one for each such time. */
  readonly backoff: () => Iterator<number>;
  /** Whether keys may be supplied at all: not while what becomes of them can't be recorded. */
  readonly allowed: () => boolean;
  /** Whether what is on disk says already that the owner's keys may be written to this KM. */
  readonly isBound: (owner: Owner, km: string) => boolean;
  /** Records whose the key is from now on; calls `then` once that is on disk. */
  readonly bind: (key: QkdKey, owner: Owner, km: string, then: () => void) => void;
  readonly delivered: (key: QkdKey, owner: Owner) => void;
  /** No KM will take this key, or it fits no message. */
  readonly refused: (key: QkdKey, owner: Owner, reason: string) => void;
}

/** Keys that are made as they are asked for. */
export interface KeySource {
  /** Undefined after the last. */
  next(): QkdKey | undefined;
}

/** A refusal that no other KM would undo: two keys have one ID. */
const final = "duplicate_key_ID";

export class Supplies<Owner> implements KmSink {
  readonly #parts: SuppliesParts<Owner>;
  readonly #outlets: readonly Outlet<Owner>[];
  #stopping = false;
  #idle: (() => void) | undefined;
  /** Keys that are bound to no KM yet, oldest first. */
  readonly #queue = new Queue<Waiting<Owner>>();
  /** Keys that are neither bound nor made yet, behind those of the queue, oldest first. */
  readonly #later = new Queue<{ readonly keys: KeySource; readonly owner: Owner }>();

  constructor(parts: SuppliesParts<Owner>) {
    this.#parts = parts;
    this.#outlets = parts.kms.map((name) => ({
      name,
      link: undefined,
      queue: new Queue(),
      flight: new Flight(),
      pause: undefined,
      waits: undefined,
      freeing: false,
    }));
  }

  /** Keys that were given to a KM and not answered for. */
  get inFlight(): number {
    return this.#outlets.reduce((sum, { flight }) => sum + flight.size, 0);
  }

  /** Whether a key waits that could be supplied now. */
  get couldSupply(): boolean {
    if (this.#stopping || !this.#parts.allowed()) return false;
    const open = this.#outlets.filter(
      ({ link, pause }) => link !== undefined && pause === undefined,
    );
    return open.some(({ link, queue }, i) => {
      const waiting = queue.length + (i === 0 ? this.#queue.length + this.#later.length : 0);
      return waiting > 0 && (link?.room ?? 0) > 0;
    });
  }

  /**
   * Takes keys into the queue.
   * @param kmOf the KM, one of those here, that a key may have been written to; undefined: none
   */
  push(keys: readonly QkdKey[], owner: Owner, kmOf: (key: QkdKey) => string | undefined): void {
    for (const key of keys) {
      const waiting = new Waiting(key, owner);
      const km = kmOf(key);
      if (km === undefined) this.#queue.push(waiting);
      else this.#outlet(km).queue.push(waiting);
    }
    this.#pump();
  }

  /** Takes unbound keys; each is made when a KM has room for it. */
  pushLater(keys: KeySource, owner: Owner): void {
    this.#later.push({ keys, owner });
    this.#pump();
  }

  kmUp(km: KmLink, name: string): void {
    const outlet = this.#outlet(name);
    outlet.link = km;
    this.#resume(outlet);
  }

  /** The link is gone: what was not answered is supplied again, under the same IDs, in order. */
  kmDown(name: string): void {
    const outlet = this.#outlet(name);
    outlet.link = undefined;
    const back = outlet.flight.clear();
    for (const one of back) one.outlet = undefined;
    this.#home(outlet).giveBack(back);
    this.#resume(outlet);
    this.#settled();
  }

  isUp(name: string): boolean {
    return this.#outlets.some((one) => one.name === name && one.link !== undefined);
  }

  /**
   * An operator wants a key kept back that waits.
   * @returns false if it does not wait here: on its way to a KM, or not known
   */
  pull(keyId: string): boolean {
    this.#makeAll();
    for (const queue of [this.#queue, ...this.#outlets.map((outlet) => outlet.queue)]) {
      const found = queue.take(({ key }) => key.id === keyId);
      if (found === undefined) continue;
      this.#parts.refused(found.key, found.owner, "operator");
      return true;
    }
    return false;
  }

  /**
   * An operator knows that this KM does not have the keys that were written to it: none of them is
   * written to it, although it may connect meanwhile, until {@link release}.
   */
  hold(name: string): void {
    this.#outlet(name).freeing = true;
  }

  /** That is on disk: its keys are free. */
  release(name: string): void {
    const outlet = this.#outlet(name);
    outlet.freeing = false;
    this.#queue.giveBack(outlet.queue.clear());
    this.#pump();
  }

  answered(key: QkdKey, response: string): void {
    const waiting = key.holder as Waiting<Owner> | undefined;
    const outlet = waiting?.outlet;
    if (waiting === undefined || outlet === undefined) return;
    this.#land(waiting, outlet);
    const { counters, delivered } = this.#parts;
    // Asked of each key: by far the most are `success`.
    const reason = response === "success" ? response : reasonOf(response);
    const verdict = reasons[reason];
    if (verdict !== "delivered") {
      counters.refused[reason] = (counters.refused[reason] ?? 0) + 1;
    }
    if (verdict === "delivered") {
      outlet.waits = undefined;
      counters.confirmed++;
      counters.bits += key.bits;
      delivered(key, waiting.owner);
    } else if (verdict === "later") {
      this.#home(outlet).giveBack([waiting]);
      this.#backOff(outlet, reason);
    } else if (verdict === "again" && ++waiting.undecided < suppliesOnHashMismatch) {
      this.#home(outlet).giveBack([waiting]);
    } else if (verdict === "unknown") {
      this.#unknown(waiting, outlet, reason);
    } else {
      this.#refused(waiting, outlet, reason);
    }
    this.#pump();
    this.#settled();
  }

  /** Supplies no more; resolves when nothing is in flight. */
  async stop(): Promise<void> {
    this.#stopping = true;
    for (const { pause } of this.#outlets) pause?.cancel();
    if (this.inFlight === 0) return;
    await new Promise<void>((resolve) => {
      this.#idle = resolve;
    });
  }

  /** Wipes every key it has, and takes no more. */
  wipe(): void {
    this.#stopping = true;
    this.forget();
  }

  /** Has the connections let go of what they have not written. */
  halt(): void {
    for (const { link } of this.#outlets) link?.halt?.();
  }

  /** Wipes every key it has; what a connection was given and has not written does not leave either. */
  forget(): void {
    this.halt();
    this.#makeAll();
    const all = this.#outlets.flatMap(({ flight, queue }) => [...flight.clear(), ...queue.clear()]);
    for (const one of [...all, ...this.#queue.clear()]) {
      one.outlet = undefined;
      one.key.wipe();
    }
    this.#settled();
  }

  /** Looks again whether keys may be supplied. */
  resume(): void {
    this.#pump();
  }

  #outlet(name: string): Outlet<Owner> {
    const outlet = this.#outlets.find((one) => one.name === name);
    if (outlet === undefined) throw new Fault("kq1.connect", "no such KM", { km: name });
    return outlet;
  }

  /** Where a key waits that was written to this KM: with it, unless all that wait are its own. */
  #home({ queue }: Outlet<Owner>): Queue<Waiting<Owner>> {
    return this.#outlets.length > 1 || queue.length > 0 ? queue : this.#queue;
  }

  /** The next key that was not made yet. */
  #make(): Waiting<Owner> | undefined {
    for (let next = this.#later.first; next !== undefined; next = this.#later.first) {
      const key = next.keys.next();
      if (key !== undefined) return new Waiting(key, next.owner);
      this.#later.shift();
    }
    return undefined;
  }

  #makeAll(): void {
    for (let next = this.#make(); next !== undefined; next = this.#make()) this.#queue.push(next);
  }

  #pump(): void {
    if (this.#stopping || !this.#parts.allowed()) return;
    let first = true;
    for (const outlet of this.#outlets) {
      if (outlet.link === undefined || outlet.pause !== undefined) continue;
      this.#pumpOutlet(outlet, outlet.link);
      // Unbound keys go to the first connected KM. If its window is full they wait: the next KM is used
      // only while the first is disconnected.
      if (first) this.#pumpNew(outlet, outlet.link);
      first = false;
    }
  }

  #pumpOutlet(outlet: Outlet<Owner>, link: KmLink): void {
    while (link.room > 0 && !outlet.freeing) {
      const waiting = outlet.queue.shift();
      if (waiting === undefined) return;
      if (!waiting.recorded) {
        outlet.queue.giveBack([waiting]);
        return;
      }
      this.#supply(outlet, link, waiting);
    }
  }

  #pumpNew(outlet: Outlet<Owner>, link: KmLink): void {
    const { isBound } = this.#parts;
    while (link.room - outlet.queue.length > 0) {
      const waiting = this.#queue.shift() ?? this.#make();
      if (waiting === undefined) return;
      // Behind keys that wait for the disk it waits as well: they leave in order.
      if (outlet.queue.length === 0 && isBound(waiting.owner, outlet.name)) {
        this.#supply(outlet, link, waiting);
      } else this.#bind(outlet, waiting);
    }
  }

  #bind(outlet: Outlet<Owner>, waiting: Waiting<Owner>): void {
    const binding = ++waiting.binding;
    waiting.recorded = false;
    outlet.queue.push(waiting);
    this.#parts.bind(waiting.key, waiting.owner, outlet.name, () => {
      // Bound to another KM meanwhile: that is not on disk yet.
      if (waiting.binding !== binding) return;
      waiting.recorded = true;
      this.#pump();
    });
  }

  #supply(outlet: Outlet<Owner>, link: KmLink, waiting: Waiting<Owner>): void {
    const { key, owner } = waiting;
    assert(!key.wiped, "a wiped key is never sent");
    assert(link.room > 0, "no more keys are outstanding than the KM's window has room for");
    waiting.outlet = outlet;
    outlet.flight.add(waiting);
    try {
      link.supply(key);
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      this.#land(waiting, outlet);
      this.#parts.refused(key, owner, "key_length_unsupported");
      return;
    }
    if (waiting.supplies === 0) this.#parts.counters.supplied++;
    else this.#parts.counters.repeats++;
    waiting.supplies++;
  }

  /** It is in flight no more. */
  #land(waiting: Waiting<Owner>, outlet: Outlet<Owner>): void {
    waiting.outlet = undefined;
    outlet.flight.remove(waiting);
  }

  /** The KM may have meant that it has the key: no other KM is offered it. */
  #unknown(waiting: Waiting<Owner>, outlet: Outlet<Owner>, reason: Reason): void {
    if (++waiting.undecided < suppliesOnUnknownReason) {
      this.#home(outlet).giveBack([waiting]);
      this.#backOff(outlet, reason);
    } else {
      this.#parts.refused(waiting.key, waiting.owner, reason);
    }
  }

  /** The next KM in order is offered what this one will not have. */
  #refused(waiting: Waiting<Owner>, { name }: Outlet<Owner>, response: string): void {
    waiting.refusedBy = [...waiting.refusedBy, name];
    const next = this.#outlets.find((one) => !waiting.refusedBy.includes(one.name));
    if (next === undefined || response === final) {
      this.#parts.refused(waiting.key, waiting.owner, response);
    } else {
      const { log, clock } = this.#parts;
      const facts = { response, km: next.name };
      LogLimit.of(log, clock).warn(name, "key refused, offered to the next KM", facts);
      this.#bind(next, waiting);
    }
  }

  #backOff(outlet: Outlet<Owner>, response: string): void {
    if (outlet.pause !== undefined || this.#stopping) return;
    outlet.waits ??= this.#parts.backoff();
    const ms = outlet.waits.next().value ?? 0;
    this.#parts.log.warn("KM takes no keys for now", {
      km: outlet.name,
      response,
      ms: Math.round(ms),
    });
    outlet.pause = this.#parts.clock.after(ms, () => this.#resume(outlet));
  }

  #resume(outlet: Outlet<Owner>): void {
    outlet.pause?.cancel();
    outlet.pause = undefined;
    this.#pump();
  }

  #settled(): void {
    if (this.#idle !== undefined && this.inFlight === 0) this.#idle();
  }
}
