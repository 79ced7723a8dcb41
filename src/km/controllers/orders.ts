/**
 * What controllers order, checked and carried out (Q.4164 §7): relays by a route, whether a link takes part in them.
 * Nothing that is ordered can do more than an operator's configuration lets this KM do: pads, schemes and whom keys
 * are passed on for are its own. Pure.
 */
import { refuse, transitOf } from "../../wire/ck/check.ts";
import { type CkMarks, markExtensions, marksIn } from "../../wire/ck/marks.ts";
import type { CkCommand, CkMessage, CkMessageOf } from "../../wire/ck/messages.ts";
import { type CkReason, type Service, success, times } from "../../wire/ck/names.ts";
import type { RelayPair } from "../relay/pair.ts";
import type { RelayEnd } from "../relay/source.ts";
import { type RouteWorld, relayReason, routeOf } from "./routes.ts";

/** A pair of this KM and another, as orders see it. */
export type OrderedPair = Pick<RelayPair, "ways" | "policy" | "isReady" | "orderBy">;

export interface OrderWorld extends RouteWorld {
  /** Monotonic, ms. */
  now(): number;
  /** What is relayed to a KM. */
  pair(km: string): OrderedPair | undefined;
  /** Reserves a key of the link to the first KM on the way. @param done once, with its ID, or why there is none */
  reserve(
    km: string,
    next: string,
    bytes: number,
    done: (reserved: { readonly keyId: string } | NonNullable<RelayEnd>) => void,
  ): void;
  /** A reserved key becomes stock, shared with a KM. @param done once, if it is known @returns false if it is not */
  allocate(keyId: string, km: string, done: (end: RelayEnd) => void): boolean;
  /** Relays the key that a source has reserved. @param path from the source to the destination */
  relayReserved(
    keyId: string,
    path: readonly string[],
    done: (end: RelayEnd, bytes: number) => void,
  ): void;
  /** A session begins, or is over. @param done once */
  session(
    message: CkMessageOf<"sessionNotification">,
    marks: CkMarks,
    done: (answer: CkMessageOf<"sessionNotificationResponse">) => void,
  ): void;
  /** The route to a KM is another. */
  routed(km: string, controller: string): void;
  /** A link is put in or out of service. @returns false if it cannot be: there is no such link */
  serve(km: string, service: Service, controller: string): boolean;
}

/** Keys of one reservation. */
const mostReserved = 16;

type RelayRequest = CkMessageOf<"relayRequest">;

export class Orders {
  readonly #world: OrderWorld;

  constructor(world: OrderWorld) {
    this.#world = world;
  }

  /** @param controller name in the configuration @param answer once */
  command(message: CkCommand, controller: string, answer: (answer: CkMessage) => void): void {
    switch (message.type) {
      case "relayRequest":
        return this.#relay(message, controller, answer);
      case "sessionNotification":
        return this.#world.session(message, marksIn(message), answer);
      case "reservationRequest":
        return this.#reserve(message, answer);
      case "allocationRequest":
        return this.#allocate(message, answer);
      default:
        return answer(refuse(message.type, "not_supported"));
    }
  }

  #relay(message: RelayRequest, controller: string, answer: (answer: CkMessage) => void): void {
    const marks = marksIn(message);
    const { me } = this.#world;
    const { sourceKma: source = me, destinationKma: destination } = message;
    const ends = (why: CkReason) => answer(relayResponse(message, why));
    if (destination === undefined) return ends("invalid_message");
    if (marks.service !== undefined) {
      const other = source === me ? destination : source;
      const isOurs = source === me || destination === me;
      const isDone = isOurs && this.#world.serve(other, marks.service, controller);
      return isDone ? answer(relayResponse(message)) : ends("unknown_kma");
    }
    if (marks.reserved !== undefined) {
      const path = [source, ...transitOf(message), destination];
      return this.#world.relayReserved(marks.reserved, path, (end, bytes) => {
        answer(relayResponse(message, end, bytes * 8));
      });
    }
    if (source !== me) return ends("unknown_kma");
    const why = this.take(message, destination, controller, marks, (end, bytes) => {
      answer(relayResponse(message, end, bytes * 8));
    });
    if (why !== undefined) ends(why);
  }

  /**
   * Takes a route, and relays by it what is ordered with it.
   * @param done once, if a reason is not returned
   * @returns why nothing is done
   */
  take(
    message: RelayRequest,
    destination: string,
    controller: string,
    { bits, withinS }: CkMarks,
    done: (end: RelayEnd, bytes: number) => void,
  ): CkReason | undefined {
    const pair = this.#pairFor(destination);
    if (typeof pair === "string") return pair;
    const via = this.give(message, destination, pair, controller);
    if (typeof via === "string") return via;
    const bytes = bits === undefined ? pair.policy.batch : Math.ceil(bits / 8);
    const withinMs = withinS === undefined ? times.answer : withinS * 1_000;
    // The answer is to be there by then.
    pair.orderBy(via, bytes, this.#world.now() + withinMs * 0.7, done);
    return undefined;
  }

  /** @returns why a controller has no say in what is relayed to a KM */
  #pairFor(destination: string): OrderedPair | CkReason {
    const pair = this.#world.pair(destination);
    if (pair === undefined) {
      return this.#world.hasLink(destination) ? "not_supported" : "unknown_kma";
    }
    return pair.policy.routing === "configuration" ? "unauthorized" : pair;
  }

  /** Keys of the first hop, for relays that the KM after it begins (§7.5; Y.3803 case 1). */
  #reserve(message: CkMessageOf<"reservationRequest">, answer: (answer: CkMessage) => void): void {
    const { sourceKma, destinationKma, destinationApp } = message;
    const { me, now, hasLink } = this.#world;
    const ends = {
      ...{ sourceKma, destinationKma },
      ...(destinationApp !== undefined && { destinationApp }),
    };
    const refused = (response: CkReason) =>
      answer({ type: "reservationResponse", ...ends, response });
    if (sourceKma !== me) return refused("unknown_kma");
    const pair = this.#pairFor(destinationKma);
    if (typeof pair === "string") return refused(pair);
    const { scheme, batch } = pair.policy;
    // In the other schemes no KM between is to know the key.
    if (scheme !== "case-1" && scheme !== "case-2") return refused("not_supported");
    const { next = pair.ways.list(now())[0]?.[0], bits = 0 } = marksIn(message);
    if (next === undefined || next === destinationKma || !hasLink(next)) {
      return refused("no_route");
    }
    const count = Math.min(mostReserved, Math.max(1, Math.ceil(bits / (batch * 8))));
    const keyIds: string[] = [];
    const more = () =>
      this.#world.reserve(destinationKma, next, batch, (reserved) => {
        if ("keyId" in reserved) keyIds.push(reserved.keyId);
        else if (keyIds.length === 0) return refused(relayReason(reserved.failure));
        if ("keyId" in reserved && keyIds.length < count) return more();
        answer({ type: "reservationResponse", ...ends, keyIds, response: success });
      });
    more();
  }

  /** The destination has reserved keys by now: they are shared with it (§7.6). */
  #allocate(message: CkMessageOf<"allocationRequest">, answer: (answer: CkMessage) => void): void {
    const { sourceKma, destinationKma, destinationApp, keyIds } = message;
    const done: string[] = [];
    let left = keyIds.length;
    let failed: CkReason | undefined;
    const one = (keyId: string, why: CkReason | undefined) => {
      if (why === undefined) done.push(keyId);
      else failed ??= why;
      left--;
      if (left > 0) return;
      answer({
        type: "allocationResponse",
        ...{ sourceKma, destinationKma, response: failed ?? success },
        ...(destinationApp !== undefined && { destinationApp }),
        ...(done.length > 0 && { keyIds: done }),
      });
    };
    for (const keyId of keyIds) {
      const isKnown =
        sourceKma === this.#world.me &&
        this.#world.allocate(keyId, destinationKma, (end) => {
          one(keyId, end && relayReason(end.failure));
        });
      if (!isKnown) one(keyId, "unknown_key_id");
    }
  }

  /** A route is the first from now on. @returns it, or why it is none */
  give(
    message: RelayRequest,
    destination: string,
    pair: OrderedPair,
    controller: string,
  ): readonly string[] | CkReason {
    const via = routeOf(this.#world, message, destination, pair.policy.collector);
    if (typeof via === "string") return via;
    if (pair.ways.give([via])) this.#world.routed(destination, controller);
    return via;
  }
}

/** How a relay went. @param end a reason, or where and why it failed; undefined: it went well */
export function relayResponse(
  { requestId }: RelayRequest,
  end?: RelayEnd | CkReason,
  bits?: number,
): CkMessageOf<"relayResponse"> {
  const failed = typeof end === "object" ? end : undefined;
  const reason = typeof end === "string" ? end : failed && relayReason(failed.failure);
  const extension = markExtensions({
    ...(bits !== undefined && { bits }),
    ...(failed !== undefined && { failedAt: failed.at }),
  });
  return {
    type: "relayResponse",
    response: reason ?? success,
    ...(requestId !== undefined && { requestId }),
    ...(extension.length > 0 && { extension }),
  };
}
