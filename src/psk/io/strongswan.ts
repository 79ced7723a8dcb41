/** A tunnel of strongSwan: the key is a postquantum pre-shared key (PPK, RFC 8784). */
import type { Clock } from "../../base/clock.ts";
import { describe, Fault } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import type { Tunnel } from "../rotation/ports.ts";
import { askVici } from "./vici.ts";

export interface StrongswanOptions {
  readonly socket: string;
  /** `ppk_id` of the connection. */
  readonly ppkId: string;
  /** Authenticated anew with each key; undefined: when its `reauth_time` is over. */
  readonly connection: string | undefined;
  readonly clock: Clock;
  readonly log: Log;
}

export class StrongswanTunnel implements Tunnel {
  /** strongSwan has it in memory alone: one that was started anew, or read its own secrets anew, has none. */
  readonly isRepeatable = true;
  readonly #options: StrongswanOptions;

  constructor(options: StrongswanOptions) {
    this.#options = options;
  }

  install(bytes: Uint8Array): Promise<void> {
    const { socket, ppkId, clock } = this.#options;
    const message = { id: `qkd-psk-${ppkId}`, type: "ppk", data: bytes, owners: [ppkId] };
    return askVici(socket, "load-shared", message, clock);
  }

  async agreed(): Promise<void> {
    const { socket, connection, clock, log } = this.#options;
    if (connection === undefined) return;
    try {
      await askVici(socket, "rekey", { ike: connection, reauth: "yes" }, clock);
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      // No such connection is up: the next one that comes has the key.
      log.info("not authenticated anew", { connection, cause: describe(error) });
    }
  }
}
