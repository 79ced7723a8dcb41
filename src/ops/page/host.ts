/**
 * Which `Host` is ours. A web page elsewhere can have its own name resolve to this node (DNS
 * rebinding) and then read what the node answers; it can't choose the `Host` that the browser sends.
 * Pure.
 */
import { isIP } from "node:net";

/** The name in a `Host` header, without port and brackets, in lower case; undefined if it is none. */
export function hostName(header: string | undefined): string | undefined {
  const match = /^(\[[0-9a-f:.%]+\]|[a-z0-9._-]+)(?::\d{1,5})?$/i.exec(header ?? "");
  return match?.[1]?.replace(/^\[|\]$/g, "").toLowerCase();
}

/** An address that no other machine can reach. */
export function isLoopback(host: string): boolean {
  return /^(localhost|127(\.\d{1,3}){3}|::1|::ffff:127(\.\d{1,3}){3})$/i.test(host);
}

/**
 * An address is always good: rebinding needs a name.
 * @param names under which the node may be called, in lower case
 */
export function isOurs(header: string | undefined, names: readonly string[]): boolean {
  const host = hostName(header);
  if (host === undefined) return false;
  return isIP(host) !== 0 || host === "localhost" || names.includes(host);
}
