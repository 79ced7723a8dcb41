/**
 * Relays that others began: this KM passes them on, collects their XORs, or is where they end. What goes wrong is told
 * back along the route, with where it did; so is that the destination has the key. Pure.
 */
import type { Relay, Relayed, RelayFailure } from "../../wire/kx/relay-messages.ts";
import { Gathering } from "./gathering.ts";
import { keyOfHop, passOn, unsentOf } from "./passing.ts";
import {
  destinationOf,
  type RelayLink,
  type RelayRole,
  type RelayWorld,
  sourceOf,
} from "./ports.ts";
import { fits } from "./scheme.ts";
import { openRelay, sendRelay } from "./sending.ts";

/** Relays of others under way at this KM: more are refused. */
const mostUnderWay = 512;

interface UnderWay {
  readonly message: Relay;
  readonly role: RelayRole;
  /** Who is told how it ended: over these links parts of it came. */
  readonly back: Set<RelayLink>;
  /** KM IDs from which its end is heard. */
  readonly hears: ReadonlySet<string>;
  readonly gathering: Gathering | undefined;
  readonly begun: number;
  readonly deadline: number;
}

export class RelayNode {
  readonly #world: RelayWorld;
  readonly #withinMs: number;
  readonly #underWay = new Map<string, UnderWay>();

  /** @param withinMs a relay that has not ended within this is given up */
  constructor(world: RelayWorld, withinMs: number) {
    this.#world = world;
    this.#withinMs = withinMs;
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
    if (why !== undefined) return this.#answer(from, message, why);
    const one = this.#begin(name, from, message);
    if (one.gathering !== undefined) return this.#gather(name, one, from, message);
    passOn(this.#world, from, message, one.deadline, (failure) => {
      if (failure !== undefined) this.#end(name, one, failure, me);
    });
  }

  #refusal(message: Relay): RelayFailure | undefined {
    const source = sourceOf(message);
    const destination = destinationOf(message);
    const ends = destination === this.#world.me;
    const may = ends
      ? this.#world.mayKeep(source, message.scheme)
      : this.#world.mayPass(source, destination, !message.path.includes(this.#world.me));
    if (!may) return "policy";
    return this.#underWay.size >= mostUnderWay ? "busy" : undefined;
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
      role,
      back: new Set([from]),
      hears: new Set(hears),
      gathering: role === "transit" ? undefined : new Gathering(message, role === "collector"),
      begun: now(),
      deadline: now() + this.#withinMs,
    };
    this.#underWay.set(name, one);
    return one;
  }

  #gather(name: string, one: UnderWay, from: RelayLink, message: Relay): void {
    const { me } = this.#world;
    openRelay(from, message, (pad) => {
      if (this.#underWay.get(name) !== one) {
        if (typeof pad !== "string") pad.fill(0);
        return;
      }
      if (typeof pad === "string") return this.#end(name, one, pad, me);
      const part = message.step === "hop" ? keyOfHop(message, pad) : Buffer.from(message.body);
      pad.fill(0);
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
      (failure) => this.#end(name, one, failure, this.#world.me, failure !== undefined),
    );
  }

  /** All of it is here: it waits for its match with what the source keeps. */
  #keep(name: string, one: UnderWay, bytes: Buffer): void {
    const { me } = this.#world;
    const { relay, scheme, time } = one.message;
    const far = this.#world.link(sourceOf(one.message));
    if (far === undefined) {
      bytes.fill(0);
      return this.#end(name, one, "route", me);
    }
    far.keep({ relay, scheme, bytes, time }, (stored) => {
      this.#end(name, one, stored ? undefined : "full", me);
    });
    bytes.fill(0);
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
    one.gathering?.wipe();
    const { relay, scheme, path, length } = one.message;
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
  }

  /** @returns whether it was of a relay that this KM passes on */
  heardRelayed(from: RelayLink, { relay, at, failure }: Relayed): boolean {
    const name = relay.toString("hex");
    const one = this.#underWay.get(name);
    if (one === undefined) return false;
    const next = one.message.path[one.message.path.indexOf(this.#world.me) + 1];
    const isHeard = failure === undefined ? from.peer === next : one.hears.has(from.peer);
    if (!isHeard) this.#world.odd("relayed");
    else this.#end(name, one, failure, at);
    return true;
  }

  /** The source has given a relay up. */
  heardVoid(from: RelayLink, relay: Buffer): void {
    const name = relay.toString("hex");
    const one = this.#underWay.get(name);
    if (one?.role === "destination" && sourceOf(one.message) === from.peer) {
      this.#end(name, one, "late", from.peer, false);
    }
    from.drop(relay);
  }

  /** A session ended: what waits for an answer over it comes to nothing. */
  down(peer: string): void {
    for (const [name, one] of this.#underWay) {
      const { path } = one.message;
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
  }
}
