/** Opens a connection to a KM: TCP, then TLS 1.3 with authentication on both sides (Annex A). */
import { connect as connectTcp, type Socket } from "node:net";
import { connect as connectTls, createSecureContext, type TLSSocket } from "node:tls";
import { type Clock, within } from "../port/clock.ts";
import { Fault } from "../port/errors.ts";
import { clientTls, noCommonGroup, type TlsTexts } from "../tls/options.ts";
import type { TlsPeer } from "../tls/peer.ts";
import { PeerRefused, trustOf } from "../tls/trust.ts";
import { connectionReason } from "./reason.ts";

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
  readonly connectTimeoutMs: number;
}

export function endpointName(endpoint: KmEndpoint): string {
  const host = endpoint.host.includes(":") ? `[${endpoint.host}]` : endpoint.host;
  return `${host}:${endpoint.port}`;
}

/**
 * @returns a socket whose peer has proved to be the configured KM. Under TLS 1.3 the KM may still
 *   refuse our certificate later: only an answer to a message shows that it did not.
 * @throws Fault `kq1.connect`
 */
export async function connectKm(
  endpoint: KmEndpoint,
  clock: Clock,
  signal: AbortSignal,
): Promise<Socket> {
  const source = endpointName(endpoint);
  const socket = open(endpoint, clock);
  const stop = () => socket.destroy(new Error("stopped"));
  signal.addEventListener("abort", stop, { once: true });
  if (signal.aborted) stop();
  try {
    const ready = new Promise<void>((resolve, reject) => {
      if (endpoint.tls === undefined) socket.once("connect", resolve);
      else socket.once("secureConnect", () => accepted(socket, clock, resolve));
      socket.once("error", reject);
      socket.once("close", () => reject(new Error("closed by the KM")));
    });
    const late = () => new Error(`no connection within ${endpoint.connectTimeoutMs} ms`);
    await within(clock, endpoint.connectTimeoutMs, ready, late);
  } catch (error) {
    socket.destroy();
    socket.on("error", () => {});
    if (signal.aborted) throw new Fault("stopped", "connecting to the KM was stopped", { source });
    const refused = "authorizationError" in socket && Boolean(socket.authorizationError);
    const why = noCommonGroup(error, endpoint.tls) ?? connectionReason(error);
    throw new Fault("kq1.connect", `cannot connect to the KM: ${why}`, {
      source,
      ...(refused && { certificate: "refused" }),
    });
  } finally {
    signal.removeEventListener("abort", stop);
  }
  socket.setNoDelay(true);
  socket.setKeepAlive(true, 10_000);
  return socket;
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

/** @throws Fault `kq1.connect` if the certificates are no good */
function open(endpoint: KmEndpoint, clock: Clock): Socket | TLSSocket {
  const { host, port, tls, serverName } = endpoint;
  if (tls === undefined) return connectTcp({ host, port });
  try {
    return connectTls({ host, port, ...clientTls(tls, serverName, () => clock.wall()) });
  } catch (error) {
    throw new Fault("kq1.connect", `certificates cannot be used: ${connectionReason(error)}`, {
      source: endpointName(endpoint),
    });
  }
}

/** @throws Fault `kq1.connect` if the certificates are no good: no connection could be made with them */
export function checkUsable({ tls, serverName }: KmEndpoint, clock: Clock): void {
  if (tls === undefined) return;
  try {
    createSecureContext(clientTls(tls, serverName, () => clock.wall()));
  } catch (error) {
    throw new Fault("kq1.connect", `certificates cannot be used: ${connectionReason(error)}`);
  }
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
