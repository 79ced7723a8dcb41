/** Connects over TLS: the name, TCP and the handshake share one time. */
import type { TLSSocket } from "node:tls";
import { type Clock, within } from "../../base/clock.ts";
import { dial } from "../net/dial.ts";
import type { Names } from "../net/lookup.ts";
import type { clientTls } from "./options.ts";
import { secure } from "./secure.ts";

export interface TlsDial {
  readonly host: string;
  readonly port: number;
  /** Asked for once, when the attempt begins; what it throws ends the attempt. */
  readonly tls: () => ReturnType<typeof clientTls>;
  /** ms */
  readonly withinMs: number;
  /** What is said when that is over. */
  readonly late?: string;
  readonly clock: Clock;
  readonly signal?: AbortSignal;
  /** Default: the machine's. */
  readonly names?: Names;
}

/**
 * @returns a connection whose peer has proved who it is
 * @throws what the system, OpenSSL or `tls` says; nothing is left open then. "stopped" if the signal was given
 */
export async function dialTls(to: TlsDial): Promise<TLSSocket> {
  const { host, port, tls, withinMs, clock, signal, names } = to;
  const over = new AbortController();
  const stop = signal === undefined ? over.signal : AbortSignal.any([over.signal, signal]);
  const open = async () => {
    const options = tls();
    const how = { clock, signal: stop, ...(names && { names }) };
    return secure(await dial({ host, port }, how), options, stop);
  };
  const opening = open();
  const late = () => new Error(to.late ?? `no connection within ${withinMs} ms`);
  try {
    return await within(clock, withinMs, opening, late);
  } catch (error) {
    over.abort();
    // The connection and the end of its time may have come in the same turn.
    opening.then((socket) => socket.destroy()).catch(() => {});
    throw error;
  }
}
