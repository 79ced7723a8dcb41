/** Which key managers, links and pairs count when it is asked how the network is. Pure. */
import type { ControllerStatus, LinkStatus, NodeStatus, PairStatus } from "./status.ts";

type Network = Pick<ControllerStatus, "nodes" | "links">;

/** Whether a key manager is away that is meant to be here: what alarms, verdict and doctor are told of. */
export function isAway({ attached, origin, service }: NodeStatus): boolean {
  return !attached && origin === "configured" && service !== "out_of_service";
}

/**
 * Links that are missed when they carry no key. What is out of service is meant to be, and so is what leads to a node
 * that is; what the key manager of one end alone tells of, and no configuration, may not be there.
 */
export function meantToServe({ nodes, links }: Network): readonly LinkStatus[] {
  const isOut = ({ service }: NodeStatus) => service === "out_of_service" || service === "standby";
  const out = new Set(nodes.filter(isOut).map(({ km }) => km));
  return links.filter(({ service, origin, ends, a, b }) => {
    const isThere = origin === "configured" || ends.length > 1;
    return isThere && service === "in_service" && !out.has(a) && !out.has(b);
  });
}

/** Links that are bad and meant to serve: what alarms, verdict, doctor and manager are told of. */
export function missedLinks(network: Network): readonly LinkStatus[] {
  return meantToServe(network).filter(({ state }) => state === "bad");
}

/**
 * Whether a pair has no route. All that is a pair wants keys: it is configured, ordered, told of by a key manager, or
 * was asked for of late. What it uses now says nothing: without a route that is nothing before long.
 */
export function isLost({ route }: Pick<PairStatus, "route">): boolean {
  return route.length === 0;
}
