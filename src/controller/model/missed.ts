/** Which links count when it is asked how the network is. Pure. */
import type { LinkStatus } from "./status.ts";

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
