/** Opens a connection to a KM: TCP, then TLS 1.3 with authentication on both sides (Annex A). */

import type { Socket } from "node:net";
import { connect as connectTls, createSecureContext, type SecureContext } from "node:tls";
import { type Clock, within } from "../../base/clock.ts";
import type { Duration } from "../../base/duration.ts";
import { errorCode, Fault } from "../../base/errors.ts";
import { dial, inVain } from "../../host/net/dial.ts";
import { unusableReason } from "../../host/tls/credentials.ts";
import { clientTls, noCommonGroup, type TlsTexts } from "../../host/tls/options.ts";
import type { TlsPeer } from "../../host/tls/peer.ts";
import { connectionReason } from "../../host/tls/reason.ts";
import { PeerRefused, trustOf } from "../../host/tls/trust.ts";

/** PEM texts: who may be the KM, who we are, and which certificates were taken back. */
export interface TlsIdentity extends TlsTexts {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

export interface KmEndpoint {
  readonly host: string;
  readonly port: number;
  /** The name that the KM's certificate must carry (subject alternative name). */
  readonly serverName: string;
  /** undefined: plain TCP, for a bench only. */
  readonly tls: TlsIdentity | undefined;
  readonly connectTimeout: Duration;
  /** Application protocol (RFC 7301) without which there is no connection; Kq-1 has none. Needs TLS. */
  readonly alpn?: string;
}

export function endpointName(endpoint: KmEndpoint): string {
  const host = endpoint.host.includes(":") ? `[${endpoint.host}]` : endpoint.host;
  return `${host}:${endpoint.port}`;
}

/**
 * Name, TCP and TLS together take at most {@link KmEndpoint.connectTimeout}.
 * @returns a socket whose peer has proved to be the configured KM. Under TLS 1.3 the KM may still
 *   refuse our certificate later: only an answer to a message shows that it did not.
 * @throws Fault `kq1.connect`; `kq2.absent` if the KM has not the protocol that was asked for
 */
export async function connectKm(
  endpoint: KmEndpoint,
  clock: Clock,
  signal: AbortSignal,
): Promise<Socket> {
  const source = endpointName(endpoint);
  const { connectTimeout: limit } = endpoint;
  const secure = secureContext(endpoint, clock);
  const over = new AbortController();
  const opening = new Opening(endpoint, secure, clock, AbortSignal.any([signal, over.signal]));
  let socket: Socket;
  try {
    socket = await within(clock, limit, opening.done, () => {
      return new Error(`no connection within ${limit} ms${opening.waitsFor}`);
    });
  } catch (error) {
    over.abort();
    // The connection and the end of its time may have come in the same turn.
    opening.done.then((late) => late.destroy()).catch(() => {});
    if (signal.aborted) throw new Fault("stopped", "connecting to the KM was stopped", { source });
    if (error instanceof NoProtocol || errorCode(error) === noProtocolAlert) {
      throw new Fault("kq2.absent", "the KM does not have the protocol", { source });
    }
    const why = noCommonGroup(error, endpoint.tls) ?? connectionReason(error, "KM");
    throw new Fault("kq1.connect", `cannot connect to the KM: ${why}`, {
      source,
      ...(opening.refused && { certificate: "refused" }),
    });
  }
  socket.setNoDelay(true);
  socket.setKeepAlive(true, 10_000);
  return socket;
}

/** A server that knows none of the client's protocols says so, or goes on as if it had not been asked. */
const noProtocolAlert = "ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL";
class NoProtocol extends Error {}

/** A connection that is being made: addresses, TCP, TLS. */
class Opening {
  /** @throws what the system or OpenSSL says; nothing is left open then */
  readonly done: Promise<Socket>;
  readonly #endpoint: KmEndpoint;
  #named = false;
  /** The KM's certificate was. */
  refused = false;

  constructor(
    endpoint: KmEndpoint,
    secure: SecureContext | undefined,
    clock: Clock,
    signal: AbortSignal,
  ) {
    this.#endpoint = endpoint;
    this.done = this.#open(secure, clock, signal);
    this.done.catch(() => {});
  }

  get waitsFor(): string {
    return this.#named ? "" : ": no name server answers for the host name";
  }

  async #open(
    context: SecureContext | undefined,
    clock: Clock,
    signal: AbortSignal,
  ): Promise<Socket> {
    const { tls, serverName, alpn } = this.#endpoint;
    const onAddresses = () => {
      this.#named = true;
    };
    const tcp = await dial(this.#endpoint, { clock, signal, onAddresses });
    if (tls === undefined) return tcp;
    const options = clientTls(tls, serverName, () => clock.wall());
    const asked = alpn === undefined ? {} : { ALPNProtocols: [alpn] };
    const socket = connectTls({ socket: tcp, ...options, ...asked, secureContext: context });
    // An error that nothing listens to would end the process, also after the attempt is over.
    socket.on("error", () => {});
    const stop = () => socket.destroy(new Error("stopped"));
    signal.addEventListener("abort", stop, { once: true });
    if (signal.aborted) stop();
    try {
      await new Promise<void>((resolve, reject) => {
        socket.once("secureConnect", () => {
          const isOther = alpn !== undefined && socket.alpnProtocol !== alpn;
          if (!isOther) return accepted(socket, clock, resolve);
          // Before our certificate has gone out: for the KM it is a handshake that was broken off, and never
          // another connection of this node, which it could ask for keys or take in place of Kq-1's.
          socket.destroy();
          reject(new NoProtocol());
        });
        socket.once("error", reject);
        socket.once("close", () => reject(new Error("closed by the KM")));
      });
      return socket;
    } catch (error) {
      inVain(tcp);
      this.refused = Boolean(socket.authorizationError);
      socket.destroy();
      throw error;
    } finally {
      signal.removeEventListener("abort", stop);
    }
  }
}

/** A KM that issues no session ticket is taken to have accepted us after this long, ms. */
const refusalWait = 250;

/**
 * Under TLS 1.3 the handshake is complete here before the KM has looked at our certificate. Its
 * first session ticket shows that it liked it; without one, silence for a while has to do.
 */
function accepted(socket: Socket, clock: Clock, resolve: () => void): void {
  const timer = clock.after(refusalWait, resolve);
  socket.once("session", () => {
    timer.cancel();
    // This event comes from within a read of OpenSSL: what is written before it returns stays in
    // its buffer until the next write, which a single key would wait for in vain.
    setImmediate(resolve);
  });
}

/** @throws Fault `kq1.connect` if the certificates are no good; undefined without TLS */
function secureContext(endpoint: KmEndpoint, clock: Clock): SecureContext | undefined {
  const { tls, serverName } = endpoint;
  if (tls === undefined) return undefined;
  try {
    return createSecureContext(clientTls(tls, serverName, () => clock.wall()));
  } catch (error) {
    const why = unusableReason(tls) ?? connectionReason(error, "KM");
    throw new Fault("kq1.connect", `certificates cannot be used: ${why}`, {
      source: endpointName(endpoint),
    });
  }
}

/** @throws Fault `kq1.connect` if the certificates are no good: no connection could be made with them */
export function checkUsable(endpoint: KmEndpoint, clock: Clock): void {
  secureContext(endpoint, clock);
}

/**
 * Whether a KM that is connected would be let in again.
 * @param endpoint with the certificates of now, which can be used @returns why not
 */
export function stillGood(
  peer: TlsPeer | undefined,
  { tls }: KmEndpoint,
  clock: Clock,
): PeerRefused | undefined {
  if (peer === undefined || tls === undefined) return undefined;
  const moment = { wall: clock.wall(), crlFresh: tls.crlFresh };
  const why = trustOf(tls).refusal(peer.chain, moment);
  return why && new PeerRefused(why);
}
