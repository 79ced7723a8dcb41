/** How large a message of Kx is, roughly: so that a queue of them is bounded. Pure. */
import type { KxMessage, OfferedKeys } from "../../wire/kx/messages.ts";

/** Only these can be long. */
export function roughSize(message: KxMessage): number {
  if (message.type === "relay") return 256 + message.body.length;
  if (message.type === "deliver" || message.type === "delivered") return 256 + message.ids.length;
  if (message.type === "propose") return 256 + message.ids.length;
  if (message.type !== "offer") return 256;
  // An entry of many keys may have to part.
  const each = ({ count, ranges }: OfferedKeys) => 256 * count + 80 * ranges.length;
  return message.keys.reduce((sum, entry) => sum + each(entry), 256);
}
