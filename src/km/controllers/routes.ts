/** Whether a route that a controller gives is one that this KM can take. What it may pass on is for each KM on it to say. Pure. */
import { transitOf } from "../../wire/ck/check.ts";
import type { CkMessageOf } from "../../wire/ck/messages.ts";
import type { CkReason } from "../../wire/ck/names.ts";
import { limits } from "../../wire/kx/names.ts";
import type { RelayFailure } from "../../wire/kx/relay-messages.ts";

/** KMs between of a route that is configured, too. */
export const mostBetween = 30;

export interface RouteWorld {
  readonly me: string;
  /** There is a link to this KM. */
  hasLink(km: string): boolean;
}

/** @param destination KM ID @returns the KMs between, or why they are no route */
export function routeOf(
  { me, hasLink }: RouteWorld,
  message: CkMessageOf<"relayRequest">,
  destination: string,
  collector?: string,
): readonly string[] | CkReason {
  const via = transitOf(message, destination);
  const all = [me, ...via, destination];
  if (new Set(all).size < all.length || via.length > mostBetween) return "invalid_message";
  if (Buffer.byteLength(all.join("")) > limits.routeBytes) return "invalid_message";
  const [first] = via;
  // Without a KM between there is nothing to be relayed.
  if (first === undefined || !hasLink(first)) return "no_route";
  return collector !== undefined && all.includes(collector) ? "unauthorized" : via;
}

const reasonOf: Readonly<Partial<Record<RelayFailure, CkReason>>> = {
  route: "no_route",
  policy: "unauthorized",
  stock: "no_keys_available",
  busy: "busy",
  late: "timed_out",
};

/** What a controller is told of a relay that failed. */
export function relayReason(failure: RelayFailure): CkReason {
  return reasonOf[failure] ?? "relay_failed";
}
