/**
 * Relays in a network whose controller gives whole routes (Q.4164 §7.2): those that a KM asks for, those that the
 * controller begins, and those of case 1, whose first key is reserved and at the end allocated (§7.5, §7.6; Q.4160
 * I.4b). A route at which a relay failed is not used for a while.
 */
import { refusalOf } from "../../wire/ck/check.ts";
import { markExtensions, marksIn } from "../../wire/ck/marks.ts";
import type { CkMessage, CkMessageOf } from "../../wire/ck/messages.ts";
import type { PairPlan, PlannedRoute } from "../routing/pair-plan.ts";
import { type CoreParts, newId } from "./parts.ts";
import { refusal } from "./refusal.ts";
import type { Routes } from "./routes.ts";
import type { Reply } from "./world.ts";

/** A relay is over within this, ms; a key is reserved or allocated within this. */
const relayMs = 60_000;
const stepMs = 10_000;
/** Ways that an order tries. */
const attempts = 3;
/** Orders under way at a time: all, and of one KM. The session of Ck takes 256 of each KM. */
const mostOrders = { all: 4_096, km: 64 } as const;

export interface Order {
  readonly plan: PairPlan;
  /** KM that begins it: an end of the pair. */
  readonly from: string;
  readonly bits: number;
  readonly scheme: "case-1" | "case-2";
}

/** @param why undefined: all of it was relayed @param bits that were */
export type OrderEnd = (why: string | undefined, bits: number) => void;

export class Relays {
  readonly #parts: CoreParts;
  readonly #routes: Routes;
  readonly #ofKm = new Map<string, number>();
  #orders = 0;

  constructor(parts: CoreParts, routes: Routes) {
    this.#parts = parts;
    this.#routes = routes;
  }

  /** A KM asks for a route. @param destination KM ID that was found for it */
  notified(
    km: string,
    message: CkMessageOf<"relayNotification">,
    destination: string,
    reply: Reply,
  ): void {
    const plan = this.#routes.pair(km, destination);
    if (plan === undefined) return reply(refusal(message, "busy"));
    const { world } = this.#parts;
    const planned = this.#routes.planner.choose(plan, world.now());
    if (planned === undefined) return reply(refusal(message, "no_route"));
    const { bits } = marksIn(message);
    const between = planned.route.slice(1, -1);
    const answer: CkMessageOf<"relayRequest"> = {
      type: "relayRequest",
      sourceKma: km,
      destinationKma: destination,
      transitKmas: km === plan.a ? between : between.toReversed(),
      requestId: newId(world),
      ...(bits !== undefined && { extension: markExtensions({ bits }) }),
    };
    this.#routes.ends.gave(plan.name, km, planned.route);
    planned.underWay++;
    reply(answer, {
      withinMs: relayMs,
      // A KM whose relay failed asks again, and is given another route then.
      done: (last) => void this.#ended(plan, planned, last, bits ?? 0),
    });
  }

  /** There is room for one more order at a KM. */
  hasRoom(km: string): boolean {
    return this.#orders < mostOrders.all && (this.#ofKm.get(km) ?? 0) < mostOrders.km;
  }

  /** Begins a relay; if it fails the next route is tried. */
  order(order: Order, done: OrderEnd): void {
    const { from } = order;
    if (!this.hasRoom(from)) return done("busy", 0);
    this.#orders++;
    this.#ofKm.set(from, (this.#ofKm.get(from) ?? 0) + 1);
    this.#attempt(order, [], (why, bits) => {
      this.#orders--;
      const left = (this.#ofKm.get(from) ?? 1) - 1;
      if (left > 0) this.#ofKm.set(from, left);
      else this.#ofKm.delete(from);
      done(why, bits);
    });
  }

  #attempt(order: Order, tried: readonly PlannedRoute[], done: OrderEnd): void {
    const { plan, from, scheme } = order;
    const { world, topology, isActive } = this.#parts;
    if (!isActive()) return done("busy", 0);
    const planned = this.#routes.planner.choose(plan, world.now(), tried);
    if (planned === undefined) return done("no_route", 0);
    const route = from === plan.a ? planned.route : planned.route.toReversed();
    // An order over one link alone relays nothing.
    if (route.length < 3) return done("no_route", 0);
    if (topology.nodes.get(from)?.attached !== true) return done("relay_failed", 0);
    planned.underWay++;
    const ended = (last: CkMessage | undefined) => {
      // Answers of case 1 tell of one key each.
      const told = scheme === "case-1" && last !== undefined ? plainly(last) : last;
      const { why, bits } = this.#ended(plan, planned, told, order.bits);
      if (why === undefined) return done(undefined, bits);
      // What is busy, or not allowed, is so on other ways too.
      const isOver = why === "busy" || why === "unauthorized" || why === "not_supported";
      if (isOver || tried.length + 1 >= attempts) return done(why, bits);
      this.#attempt(order, [...tried, planned], done);
    };
    if (scheme === "case-1") this.#reserved(order, route, ended);
    else world.ask(from, this.#request(route, order.bits), relayMs, ended);
  }

  /**
   * Case 1: reserve at the source, relay each key from the first KM between, allocate at the source. All or nothing: a
   * reserved key that is not allocated is void by itself.
   */
  #reserved(
    order: Order,
    route: readonly string[],
    done: (last: CkMessage | undefined) => void,
  ): void {
    const { world } = this.#parts;
    const [source = "", second = ""] = route;
    const ends = { sourceKma: source, destinationKma: route.at(-1) ?? "" };
    const next = { next_kma_id: second };
    const reservation: CkMessageOf<"reservationRequest"> = {
      type: "reservationRequest",
      ...ends,
      extension: [...markExtensions({ bits: order.bits }), next],
    };
    world.ask(source, reservation, stepMs, (reserved) => {
      if (reserved?.type !== "reservationResponse" || refusalOf(reserved) !== undefined) {
        return done(reserved);
      }
      const { keyIds = [] } = reserved;
      if (keyIds.length === 0) return done(undefined);
      this.#eachKey(route, keyIds, order.bits, (relayed) => {
        if (relayed === undefined || refusalOf(relayed) !== undefined) return done(relayed);
        const allocation: CkMessageOf<"allocationRequest"> = {
          type: "allocationRequest",
          ...ends,
          keyIds,
        };
        world.ask(source, allocation, stepMs, (allocated) => {
          const isAllocated = allocated !== undefined && refusalOf(allocated) === undefined;
          done(isAllocated ? relayed : allocated);
        });
      });
    });
  }

  /** One key after another, until one fails. @param done with the last answer */
  #eachKey(
    route: readonly string[],
    keyIds: readonly string[],
    bits: number,
    done: (last: CkMessage | undefined) => void,
  ): void {
    const [key, ...others] = keyIds;
    const part = Math.ceil(bits / keyIds.length);
    const request = this.#request(route, part, key);
    this.#parts.world.ask(route[1] ?? "", request, relayMs, (last) => {
      const isGood = last !== undefined && refusalOf(last) === undefined;
      if (!isGood) return done(last);
      if (others.length > 0) return this.#eachKey(route, others, bits - part, done);
      done(last);
    });
  }

  #request(route: readonly string[], bits: number, reserved?: string): CkMessageOf<"relayRequest"> {
    const marks = { bits, withinS: relayMs / 1_000, ...(reserved !== undefined && { reserved }) };
    return {
      type: "relayRequest",
      sourceKma: route[0] ?? "",
      destinationKma: route.at(-1) ?? "",
      transitKmas: route.slice(1, -1),
      requestId: newId(this.#parts.world),
      extension: markExtensions(marks),
    };
  }

  /** A relay is over. @param wanted bits, if the answer says nothing of them */
  #ended(
    plan: PairPlan,
    planned: PlannedRoute,
    last: CkMessage | undefined,
    wanted: number,
  ): { readonly why: string | undefined; readonly bits: number } {
    const { world, policy, accounts } = this.#parts;
    planned.underWay--;
    const why = last === undefined ? "timed_out" : refusalOf(last);
    const bits =
      (last === undefined ? undefined : marksIn(last).bits) ?? (why === undefined ? wanted : 0);
    plan.relays++;
    if (why !== undefined) {
      plan.failed++;
      plan.avoid(planned.route, world.now() + policy.rules.avoidMs);
    }
    // Key managers of ours tell of their relays in reports; those are the books.
    if (!this.#routes.ends.isReported(plan.name)) {
      const failed = why === undefined ? 0 : 1;
      accounts.add("pair", plan.name, { relays: 1, relayed: bits, failed }, world.wall());
    }
    return { why, bits };
  }
}

/** Without what it says of bits. */
function plainly(message: CkMessage): CkMessage {
  const { extension = [], ...rest } = message;
  const others = extension.filter((one) => !Object.hasOwn(one, "bits"));
  return (others.length > 0 ? { ...rest, extension: others } : rest) as CkMessage;
}
