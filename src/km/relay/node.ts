/**
 * Relays that others began: this KM passes them on, collects their XORs, or is where they end. What goes wrong is told
 * back along the route, with where it did; so is that the destination has the key. Pure.
 */
import { freeMemory, wipeMemory } from "../../port/key.ts";
import { limits } from "../../wire/kx/names.ts";
import type { Relay, Relayed, RelayFailure } from "../../wire/kx/relay-messages.ts";
import { Gathering } from "./gathering.ts";
import { GivenUp } from "./given-up.ts";
import { macKeyBytes } from "./one-time-mac.ts";
import { keyOfHop, passOn, unsentOf } from "./passing.ts";
import {
  destinationOf,
  type EndedRelays,
  type RelayLink,
  type RelayRole,
  type RelayUnderWay,
  type RelayWorld,
  sourceOf,
  useOfRelay,
} from "./ports.ts";
import { bodyKey, copyOf, fits, sealHop } from "./scheme.ts";
import { openRelay, sendRelay } from "./sending.ts";
import type { RelayEnd, ReservedKey } from "./source.ts";

/** Relays of others under way at this KM, and bytes of their keys: more are refused. */
const mostUnderWay = 512;
const mostBytes = 33_554_432;

interface UnderWay {
  readonly message: Relay;
  /** KM IDs of its route, as it goes on from here. */
  path: readonly string[];
  readonly role: RelayRole;
  /** Who is told how it ended: over these links parts of it came. */
  readonly back: Set<RelayLink>;
  /** KM IDs from which its end is heard. */
  readonly hears: Set<string>;
  readonly gathering: Gathering | undefined;
  readonly begun: number;
  readonly deadline: number;
  /** Who else is told how it ended. */
  readonly done?: (end: RelayEnd) => void;
}

/** Whether a message can tell this route: no KM is on it twice, nor are there too many, or too long IDs. */
function isRoute(path: readonly string[]): boolean {
  return (
    path.length >= 3 &&
    path.length <= limits.routeKms &&
    new Set(path).size === path.length &&
    Buffer.byteLength(path.join("")) <= limits.routeBytes
  );
}

/** A route with one more KM before its end. @returns undefined if that is none */
function extended(path: readonly string[], next: string): readonly string[] | undefined {
  if (next === path.at(-1)) return path;
  const longer = [...path.slice(0, -1), next, ...path.slice(-1)];
  return isRoute(longer) ? longer : undefined;
}

/** The message is not read. */
function refusePad(from: RelayLink, { pad, relay }: Relay): void {
  from.refuse(pad, useOfRelay(relay));
}

/** A key that a source has reserved for a relay, and where it is to go. */
export interface Reserved extends ReservedKey {
  /** KM IDs from the source to the destination; this KM is the second. */
  readonly path: readonly string[];
}

export class RelayNode {
  readonly #world: RelayWorld;
  readonly #withinMs: number;
  readonly #underWay = new Map<string, UnderWay>();
  /** Those whose key is being stored here; also when they have ended meanwhile, until the disk has answered. */
  readonly #storing = new Set<UnderWay>();
  /** Relays that are refused when they come. */
  readonly givenUp: GivenUp;
  #bytes = 0;

  /** @param withinMs its source gives a relay up after this */
  constructor(world: RelayWorld, withinMs: number) {
    this.#world = world;
    this.#withinMs = withinMs;
    this.givenUp = new GivenUp(() => world.now());
  }

  get underWay(): number {
    return this.#underWay.size;
  }

  heardRelay(from: RelayLink, message: Relay): void {
    const { me } = this.#world;
    if (!fits(message, from.peer, me)) return this.#world.odd("relay");
    const name = message.relay.toString("hex");
    const known = this.#underWay.get(name);
    if (known !== undefined) {
      // The same once more is dropped; a further part of one that is gathered is not.
      if (!known.gathering?.wants(message)) return this.#world.odd("relay");
      known.back.add(from);
      return this.#gather(name, known, from, message);
    }
    const why = this.#refusal(message);
    if (why !== undefined) {
      refusePad(from, message);
      return this.#answer(from, message, why);
    }
    const one = this.#begin(name, from, message);
    if (one.gathering !== undefined) return this.#gather(name, one, from, message);
    const pass = () =>
      passOn(this.#world, from, message, one.path, one.deadline, (failure) => {
        if (failure !== undefined) this.#end(name, one, failure, me);
      });
    const isAsked = this.#world.extend?.(message.path, (next) => {
      const longer = next === undefined ? undefined : extended(message.path, next);
      if (this.#underWay.get(name) !== one || longer === undefined) {
        refusePad(from, message);
        return this.#end(name, one, "route", me);
      }
      one.path = longer;
      one.hears.add(next as string);
      pass();
    });
    if (isAsked !== true) pass();
  }

  /**
   * Relays a key that its source has reserved for that, as a controller orders (Q.4160 I.4b): the key is that of the
   * hop before this KM, and the source keeps it when the controller allocates it.
   * @param done once
   */
  relayReserved(
    { relay, pad, time, path }: Reserved,
    done: (end: RelayEnd, bytes: number) => void,
  ): void {
    const { me, now } = this.#world;
    const [source = "", , next = ""] = path;
    const name = relay.toString("hex");
    const from = this.#world.link(source);
    const why = this.#reservedRefusal(name, path, from);
    if (why !== undefined || from === undefined) {
      return done({ failure: why ?? "route", at: me }, 0);
    }
    from.claim(pad, useOfRelay(relay), (claimed) => {
      // Its source says how long it is: with no key in it there is nothing to relay.
      const key = claimed && claimed.length > macKeyBytes ? copyOf(bodyKey(claimed)) : undefined;
      if (claimed !== undefined) wipeMemory(claimed);
      if (key === undefined) return done({ failure: "pad", at: me }, 0);
      const { length } = key;
      const empty = Buffer.alloc(0);
      const head = { relay, scheme: "case-1", step: "hop", path, time, length } as const;
      const message: Relay = { ...head, type: "relay", at: 0, pad, body: empty, tag: empty };
      const one: UnderWay = {
        message,
        path,
        role: "transit",
        back: new Set(),
        hears: new Set([next, destinationOf(message)]),
        gathering: undefined,
        begun: now(),
        deadline: now() + this.#withinMs,
        done: (end) => done(end, end === undefined ? length : 0),
      };
      this.#add(name, one);
      const to = this.#world.link(next);
      const seal = (lent: Buffer) => sealHop("case-1", key, lent);
      sendRelay(this.#world, to, { ...head, at: 1 }, one.deadline, seal, (failure) => {
        wipeMemory(key);
        if (failure !== undefined) this.#end(name, one, failure, me);
      });
    });
  }

  #reservedRefusal(
    name: string,
    path: readonly string[],
    from: RelayLink | undefined,
  ): RelayFailure | undefined {
    const { me, mayPass } = this.#world;
    if (!isRoute(path) || path[1] !== me || from === undefined) return "route";
    if (!mayPass(path[0] as string, path.at(-1) as string, false)) return "policy";
    if (!from.ready) return "away";
    if (this.givenUp.isNamed(name)) return "refused";
    return this.#underWay.has(name) || this.#isFull(0) ? "busy" : undefined;
  }

  #refusal(message: Relay): RelayFailure | undefined {
    const source = sourceOf(message);
    const destination = destinationOf(message);
    const ends = destination === this.#world.me;
    const may = ends
      ? this.#world.mayKeep(source, message.scheme)
      : this.#world.mayPass(source, destination, !message.path.includes(this.#world.me));
    if (!may) return "policy";
    if (ends && this.givenUp.isOf(source, message.time)) return "refused";
    const name = message.relay.toString("hex");
    if (this.givenUp.isNamed(name)) return "refused";
    if (this.givenUp.isVoid(name)) return "late";
    return this.#isFull(message.length) ? "busy" : undefined;
  }

  #isFull(length: number): boolean {
    const count = Math.max(this.#underWay.size, this.#storing.size);
    return count >= mostUnderWay || this.#bytes + length > mostBytes;
  }

  #add(name: string, one: UnderWay): void {
    this.#underWay.set(name, one);
    this.#bytes += one.message.length;
  }

  #answer(to: RelayLink, { relay }: Relay, failure: RelayFailure): void {
    to.send({ type: "relayed", relay, at: this.#world.me, failure });
  }

  #begin(name: string, from: RelayLink, message: Relay): UnderWay {
    const { me, now } = this.#world;
    const { path, collector } = message;
    const place = path.indexOf(me);
    const destination = destinationOf(message);
    const role = me === destination ? "destination" : place < 0 ? "collector" : "transit";
    const hears = [path[place + 1], collector, destination].filter((km) => km !== undefined);
    const one: UnderWay = {
      message,
      path,
      role,
      back: new Set([from]),
      hears: new Set(hears),
      gathering: role === "transit" ? undefined : new Gathering(message, role === "collector"),
      begun: now(),
      deadline: now() + this.#within(path, place),
    };
    this.#add(name, one);
    return one;
  }

  /**
   * Who is later on the way gives up sooner: of a KM that says nothing, the one before it tells, and not only the source.
   * @param place on the path; of a collector -1 @returns ms
   */
  #within(path: readonly string[], place: number): number {
    const after = place < 0 ? path.length - 1 : place;
    return this.#withinMs * (1 - after / (2 * path.length));
  }

  #gather(name: string, one: UnderWay, from: RelayLink, message: Relay): void {
    const { me } = this.#world;
    openRelay(from, message, (pad) => {
      if (this.#underWay.get(name) !== one) {
        if (typeof pad !== "string") wipeMemory(pad);
        return;
      }
      if (typeof pad === "string") return this.#end(name, one, pad, me);
      const part = message.step === "hop" ? keyOfHop(message, pad) : copyOf(message.body);
      wipeMemory(pad);
      if (part !== message.body) freeMemory(message.body);
      if (part === undefined) return this.#end(name, one, "tag", me);
      const sum = one.gathering?.add(message, part);
      if (sum === undefined) return;
      if (one.role === "collector") this.#sendSum(name, one, sum);
      else this.#keep(name, one, sum);
    });
  }

  #sendSum(name: string, one: UnderWay, sum: Buffer): void {
    const to = this.#world.link(destinationOf(one.message));
    const unsent = unsentOf(one.message, "sum", 0);
    sendRelay(
      this.#world,
      to,
      unsent,
      one.deadline,
      () => sum,
      (failure) => {
        wipeMemory(sum);
        this.#end(name, one, failure, this.#world.me, failure !== undefined);
      },
    );
  }

  /** All of it is here: it waits for its match with what the source keeps. */
  #keep(name: string, one: UnderWay, bytes: Buffer): void {
    const { me } = this.#world;
    const { relay, scheme, time } = one.message;
    const far = this.#world.link(sourceOf(one.message));
    if (far === undefined) {
      wipeMemory(bytes);
      return this.#end(name, one, "route", me);
    }
    this.#storing.add(one);
    far.keep({ relay, scheme, bytes, time }, (stored) => {
      this.#storing.delete(one);
      if (this.#underWay.get(name) === one) {
        return this.#end(name, one, stored ? undefined : "full", me);
      }
      this.#bytes -= one.message.length;
      // It ended while the disk wrote: there was no key yet that could be dropped then, and its source keeps none.
      if (stored) far.drop(relay);
    });
    wipeMemory(bytes);
  }

  /** @param tells whether who sent parts of it is told */
  #end(
    name: string,
    one: UnderWay,
    failure: RelayFailure | undefined,
    at: string,
    tells = true,
  ): void {
    if (this.#underWay.get(name) !== one) return;
    this.#underWay.delete(name);
    // The store has its bytes until they are written, however it ended.
    if (!this.#storing.has(one)) this.#bytes -= one.message.length;
    one.gathering?.wipe();
    const { relay, scheme, length } = one.message;
    const { path } = one;
    const why = failure === undefined ? {} : { failure, at };
    // Of a success the KM of the hop is told alone: it passes it on.
    for (const link of tells ? one.back : []) {
      const before = path[path.indexOf(this.#world.me) - 1];
      if (failure === undefined && link.peer !== before) continue;
      link.send({
        type: "relayed",
        relay,
        at: failure === undefined ? destinationOf(one.message) : at,
        ...(failure !== undefined && { failure }),
      });
    }
    const ms = this.#world.now() - one.begun;
    this.#world.tell({ relay: name, role: one.role, scheme, path, length, ms, ...why });
    one.done?.(failure && { failure, at });
  }

  /** @returns whether it was of a relay that this KM passes on */
  heardRelayed(from: RelayLink, { relay, at, failure }: Relayed): boolean {
    const name = relay.toString("hex");
    const one = this.#underWay.get(name);
    if (one === undefined) return false;
    const next = one.path[one.path.indexOf(this.#world.me) + 1];
    const isHeard = failure === undefined ? from.peer === next : one.hears.has(from.peer);
    if (!isHeard) this.#world.odd("relayed");
    else this.#end(name, one, failure, at);
    return true;
  }

  /** The source has given a relay up; or who has lent a pad for it sends nothing under it. */
  heardVoid(from: RelayLink, relay: Buffer): void {
    const name = relay.toString("hex");
    const one = this.#underWay.get(name);
    if (one?.role === "destination" && sourceOf(one.message) === from.peer) {
      this.#end(name, one, "late", from.peer, false);
    }
    // What a slow KM between still has of it would wait here for a match that never comes.
    this.givenUp.refuseVoid(name);
    from.drop(relay);
    from.release(relay);
  }

  /** Ends relays whose keys an operator gave up; their sources are told. */
  giveUp(which: (relay: RelayUnderWay) => boolean): EndedRelays {
    const isOf = ({ message, role }: UnderWay) => {
      const far = role === "destination" ? sourceOf(message) : undefined;
      return which({ relay: message.relay.toString("hex"), far, begun: message.time });
    };
    const storing = [...this.#storing].filter(isOf).length;
    let ended = 0;
    for (const [relay, one] of [...this.#underWay]) {
      if (!isOf(one)) continue;
      if (!this.#storing.has(one)) ended++;
      this.#end(relay, one, "refused", this.#world.me);
    }
    return { ended, storing };
  }

  /** A session ended: what waits for an answer over it comes to nothing. */
  down(peer: string): void {
    for (const [name, one] of this.#underWay) {
      const { path } = one;
      if (path[path.indexOf(this.#world.me) + 1] === peer && one.role === "transit") {
        this.#end(name, one, "away", this.#world.me);
      }
    }
  }

  tick(): void {
    const now = this.#world.now();
    for (const [name, one] of this.#underWay) {
      if (one.deadline <= now) this.#end(name, one, "late", this.#world.me);
    }
    this.givenUp.tick();
  }
}
