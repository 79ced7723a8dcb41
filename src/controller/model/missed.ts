/** Which links and pairs count when it is asked how the network is. Pure. */
import type { LinkStatus, PairStatus } from "./status.ts";

type Counted = Pick<LinkStatus, "service" | "origin" | "ends">;

/**
 * Whether a link is missed when it carries no key. What is out of service is meant to be; what the key manager of one
 * end alone tells of, and no configuration, may not be there.
 */
export function isMeantToServe({ service, origin, ends }: Counted): boolean {
  return service === "in_service" && (origin === "configured" || ends.length > 1);
}

/** Whether a link is bad that is meant to serve: what alarms, verdict, doctor and manager are told of. */
export function isMissed(link: Counted & Pick<LinkStatus, "state">): boolean {
  return link.state === "bad" && isMeantToServe(link);
}

/**
 * Whether a pair has no route. All that is a pair wants keys: it is configured, ordered, told of by a key manager, or
 * was asked for of late. What it uses now says nothing: without a route that is nothing before long.
 */
export function isLost({ route }: Pick<PairStatus, "route">): boolean {
  return route.length === 0;
}
