import type { DeliveryMessage } from "../../wire/kx/deliver-messages.ts";
import type { RelayMessage } from "../../wire/kx/relay-messages.ts";
import type { LinkEvent } from "../peer/events.ts";
import type { KeyStore } from "../store/port.ts";

/** The world of a link: everything that is not its own. */
export interface LinkWorld {
  readonly store: KeyStore;
  now(): number;
  wall(): number;
  random(length: number): Buffer;
  /** Calls back at the end of this turn, before anything else comes in. */
  soon(fn: () => void): void;
  tell(event: LinkEvent): void;
  mayBind(use: string | undefined): boolean;
  /** Keys have left the buffer: matched, expired or void. @param ids 16 bytes each, one after the other */
  left(module: string, ids: Buffer): void;
  /** A message of a relay, in a session that is ready. */
  relay?(message: RelayMessage): void;
  /** Of keys that an application is brought, in a session that is ready. */
  deliver?(message: DeliveryMessage): void;
}
