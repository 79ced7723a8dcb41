/** How large a message of Kx is, roughly: so that a queue of them is bounded. Pure. */
import type { KxMessage } from "../../wire/kx/messages.ts";

/** Only these can be long. */
export function roughSize(message: KxMessage): number {
  if (message.type === "relay") return 256 + message.body.length;
  if (message.type === "deliver" || message.type === "delivered") return 256 + message.ids.length;
  if (message.type === "propose") return 256 + message.ids.length;
  return message.type === "offer" ? 256 * (1 + message.keys.length) : 256;
}
