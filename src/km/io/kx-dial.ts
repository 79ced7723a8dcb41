/** Connects to another KM: name, TCP, TLS 1.3 with certificates on both sides, and the right protocol in it. */
import type { TLSSocket } from "node:tls";
import type { Clock } from "../../base/clock.ts";
import { Fault } from "../../base/errors.ts";
import { credentialsReason } from "../../host/tls/credentials.ts";
import { dialTls } from "../../host/tls/dial.ts";
import { clientTls, noCommonGroup, type TlsTexts } from "../../host/tls/options.ts";
import { versions as all, alpnOf, type KxVersion, times, versionOf } from "../../wire/kx/names.ts";

/** PEM texts: who may be a KM, and who this one is. */
export interface KxIdentity extends TlsTexts {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

export interface KxEndpoint {
  readonly host: string;
  readonly port: number;
  /** Subject alternative name that the other KM's certificate must carry. */
  readonly peerName: string;
  /** Versions that are offered, the newest first; default: all. */
  readonly versions?: readonly KxVersion[] | undefined;
}

/**
 * @returns a connection whose other end has proved to be the configured KM. Under TLS 1.3 it may still
 *   refuse our certificate: only its HELLO shows that it did not
 * @throws Fault `kx.connect`; `stopped` if the signal was given
 */
export async function dialKx(
  endpoint: KxEndpoint,
  texts: KxIdentity,
  clock: Clock,
  signal: AbortSignal,
): Promise<TLSSocket> {
  const { host, port, peerName, versions = all } = endpoint;
  const source = `${host.includes(":") ? `[${host}]` : host}:${port}`;
  const tls = () => ({
    ...clientTls(texts, peerName, () => clock.wall()),
    ALPNProtocols: versions.map(alpnOf),
  });
  let socket: TLSSocket;
  try {
    socket = await dialTls({ host, port, tls, withinMs: times.handshakeMs, clock, signal });
  } catch (error) {
    if (signal.aborted) throw new Fault("stopped", "connecting to the KM was stopped", { source });
    const why = noCommonGroup(error, texts) ?? credentialsReason(error, texts, "KM");
    throw new Fault("kx.connect", `cannot connect to the other KM: ${why}`, { source });
  }
  if (versionOf(socket.alpnProtocol) === undefined) {
    socket.destroy();
    const why = `the other end does not speak ${versions.map(alpnOf).join(" or ")}`;
    throw new Fault("kx.connect", why, { source });
  }
  return socket;
}
