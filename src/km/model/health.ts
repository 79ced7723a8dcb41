/** How a key manager is, in one line, for systemd and for an update on trial. Pure. */
import { counted } from "../../base/words.ts";
import type { LinkStatus } from "./status.ts";

/**
 * @returns begins with `healthy` if every link has its session. What waits for fibre, modules or relays is no
 * software's fault, and no reason to take an update back.
 */
export function healthLine(links: readonly Pick<LinkStatus, "peer" | "session">[]): string {
  const away = links.filter(({ session }) => session !== "ready");
  if (away.length === 0) return `healthy: ${counted(links.length, "link", "links")}`;
  const named = away.map(({ peer }) => `no session with ${peer}`);
  return `not healthy: ${named.join(", ")}`;
}
