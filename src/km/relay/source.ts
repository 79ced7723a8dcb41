/**
 * Relays that this KM begins. The key is drawn once, or is the key of the first hop, and is in memory until the
 * destination says that it has it: then it waits for its match here, like a QKD-key. A relay that comes to nothing is
 * void, and what is begun after it has another key and other pads. Pure.
 */
import { wipeMemory } from "../../port/key.ts";
import type { Relayed, RelayFailure, RelayScheme } from "../../wire/kx/relay-messages.ts";
import type { EndedRelays, RelayLink, RelayTold, RelayUnderWay, RelayWorld } from "./ports.ts";
import { bodyKey, copyOf, isBare, sealHop } from "./scheme.ts";
import { lendPad, sendRelay, type Unsent } from "./sending.ts";

/** What is to be relayed. */
export interface RelayOrder {
  /** The link to the destination, whose stock it becomes. */
  readonly far: RelayLink;
  /** KM IDs between. */
  readonly via: readonly string[];
  readonly scheme: RelayScheme;
  /** Of `centralized`: who collects. */
  readonly collector?: string | undefined;
  /** Bytes. */
  readonly length: number;
}

export type RelayEnd = { readonly failure: RelayFailure; readonly at: string } | undefined;

interface Begun {
  readonly relay: Buffer;
  readonly order: RelayOrder;
  readonly path: readonly string[];
  readonly begun: number;
  readonly deadline: number;
  /** ms since 1970 UTC */
  readonly time: number;
  key: Buffer | undefined;
  /** Its key waits for the word of a controller, and not for that of the destination. */
  readonly isReserved?: boolean;
  done: (end: RelayEnd) => void;
}

/** A reserved key, by what names it: the relay, and the pad that its key is; and when it was reserved. */
export interface ReservedKey {
  readonly relay: Buffer;
  readonly pad: Buffer;
  /** ms since 1970 UTC by the clock of its source: both ends have the key with it. */
  readonly time: number;
}

/** Keys that are reserved at a time; one that is not allocated within this is void, ms. */
const mostReserved = 64;
const reservedMs = 60_000;

export class RelaySource {
  readonly #world: RelayWorld;
  readonly #withinMs: number;
  readonly #begun = new Map<string, Begun>();
  /** Both ends have their keys, and they are not durable here yet. */
  readonly #storing = new Set<Begun>();

  constructor(world: RelayWorld, withinMs: number) {
    this.#world = world;
    this.#withinMs = withinMs;
  }

  get underWay(): number {
    return this.#begun.size;
  }

  /** @param done once: undefined if both ends have the key, durably */
  begin(order: RelayOrder, done: (end: RelayEnd) => void): void {
    const { me, random, now, wall } = this.#world;
    const relay = random(16);
    const one: Begun = {
      relay,
      order,
      path: [me, ...order.via, order.far.peer],
      begun: now(),
      deadline: now() + this.#withinMs,
      time: Math.floor(wall()),
      key: undefined,
      done,
    };
    this.#begun.set(relay.toString("hex"), one);
    const { scheme, length } = order;
    if (isBare({ scheme, at: 0 })) return this.#send(one);
    this.#world.keyBits(length, (bits) => {
      if (!this.#isUnderWay(one)) return void bits?.fill(0);
      if (bits === undefined) return this.#end(one, { failure: "refused", at: me });
      one.key = bits;
      this.#send(one);
    });
  }

  #isUnderWay({ relay }: Begun): boolean {
    return this.#begun.has(relay.toString("hex"));
  }

  #send(one: Begun): void {
    const { relay, path, deadline, order, time } = one;
    const { scheme, collector, length } = order;
    const unsent: Unsent = {
      relay,
      scheme,
      step: "hop",
      path,
      at: 0,
      time,
      length,
      ...(collector !== undefined && { collector }),
    };
    const bodyOf = (pad: Buffer) => {
      if (!this.#isUnderWay(one)) return undefined;
      if (one.key !== undefined) return sealHop(scheme, one.key, pad);
      one.key = copyOf(bodyKey(pad));
      return Buffer.alloc(0);
    };
    sendRelay(this.#world, this.#world.link(path[1] as string), unsent, deadline, bodyOf, (why) => {
      if (why !== undefined) this.#end(one, { failure: why, at: this.#world.me });
    });
  }

  /**
   * Reserves the key of the first hop for a relay that the KM after it begins, as a controller orders (Q.4160 I.4b).
   * @param done once
   */
  reserve(order: RelayOrder, done: (reserved: ReservedKey | NonNullable<RelayEnd>) => void): void {
    const { me, random, now, wall } = this.#world;
    const path = [me, ...order.via, order.far.peer];
    const held = [...this.#begun.values()].filter(({ isReserved }) => isReserved).length;
    if (held >= mostReserved) return done({ failure: "busy", at: me });
    const relay = random(16);
    let isDone = false;
    const one: Begun = {
      relay,
      order,
      path,
      begun: now(),
      deadline: now() + reservedMs,
      time: Math.floor(wall()),
      key: undefined,
      isReserved: true,
      done: (end) => {
        if (!isDone && end !== undefined) done(end);
        isDone = true;
      },
    };
    this.#begun.set(relay.toString("hex"), one);
    const { scheme, length } = order;
    const unsent = { relay, scheme, step: "hop", length } as const;
    const first = this.#world.link(path[1] as string);
    lendPad(first, unsent, now() + this.#withinMs, (pad) => {
      if (typeof pad === "string") return this.#end(one, { failure: pad, at: me });
      if (this.#isUnderWay(one)) one.key = copyOf(bodyKey(pad.bytes));
      wipeMemory(pad.bytes);
      if (one.key === undefined) return;
      isDone = true;
      done({ relay, pad: pad.id, time: one.time });
    });
  }

  /** The destination has a reserved key: it becomes stock here, too. @param done once @returns false if it is not known */
  allocate(relay: Buffer, far: string, done: (end: RelayEnd) => void): boolean {
    const one = this.#begun.get(relay.toString("hex"));
    if (one?.isReserved !== true || one.key === undefined || one.order.far.peer !== far)
      return false;
    one.done = done;
    this.#keep(one);
    return true;
  }

  /** @returns whether it was of a relay that this KM began */
  heardRelayed(from: RelayLink, { relay, at, failure }: Relayed): boolean {
    const one = this.#begun.get(relay.toString("hex"));
    if (one === undefined) return false;
    if (one.isReserved || from.peer !== one.path[1]) {
      this.#world.odd("relayed");
      return true;
    }
    if (failure !== undefined) this.#end(one, { failure, at });
    else this.#keep(one);
    return true;
  }

  #keep(one: Begun): void {
    const { relay, order, key: bytes, time } = one;
    if (bytes === undefined) return this.#world.odd("relayed");
    one.key = undefined;
    this.#begun.delete(relay.toString("hex"));
    this.#storing.add(one);
    order.far.keep({ relay, scheme: order.scheme, bytes, time }, (stored) => {
      this.#storing.delete(one);
      if (!stored) order.far.send({ type: "relayVoid", relay });
      this.#tell(one, stored ? undefined : { failure: "full", at: this.#world.me });
    });
    wipeMemory(bytes);
  }

  #end(one: Begun, end: NonNullable<RelayEnd>): void {
    if (!this.#begun.delete(one.relay.toString("hex"))) return;
    if (one.key !== undefined) wipeMemory(one.key);
    one.key = undefined;
    // It may have the key, and the word of that be lost.
    one.order.far.send({ type: "relayVoid", relay: one.relay });
    this.#tell(one, end);
  }

  #tell(one: Begun, end: RelayEnd): void {
    const { relay, order, path, begun } = one;
    const told: RelayTold = {
      relay: relay.toString("hex"),
      role: "source",
      scheme: order.scheme,
      path,
      length: order.length,
      ms: this.#world.now() - begun,
      ...end,
    };
    this.#world.tell(told);
    one.done(end);
  }

  /** Ends relays whose keys an operator gave up. */
  giveUp(which: (relay: RelayUnderWay) => boolean): EndedRelays {
    const isOf = ({ relay, order, time }: Begun) =>
      which({ relay: relay.toString("hex"), far: order.far.peer, begun: time });
    const found = [...this.#begun.values()].filter(isOf);
    for (const one of found) this.#end(one, { failure: "refused", at: this.#world.me });
    return { ended: found.length, storing: [...this.#storing].filter(isOf).length };
  }

  /** A session ended: what went over it may never be answered. */
  down(peer: string): void {
    for (const one of [...this.#begun.values()]) {
      if (one.path[1] === peer) this.#end(one, { failure: "away", at: this.#world.me });
    }
  }

  tick(): void {
    const now = this.#world.now();
    for (const one of [...this.#begun.values()]) {
      if (one.deadline <= now) this.#end(one, { failure: "late", at: this.#world.me });
    }
  }
}
