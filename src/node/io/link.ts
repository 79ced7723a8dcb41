/** Opens a session with a KM by whichever binding it is configured for (Annex A or B). */

import type { Clock } from "../../base/clock.ts";
import type { Duration } from "../../base/duration.ts";
import { Fault } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import { peerOf, type TlsPeer } from "../../host/tls/peer.ts";
import { connectionReason } from "../../host/tls/reason.ts";
import type { PairOf } from "../../wire/kq1/epoch-names.ts";
import type { Heard } from "../../wire/kq1/heard.ts";
import type { KmLink, KmSink, OnRequestKeys } from "../keys/ports.ts";
import { connectKm, endpointName, type KmEndpoint, stillGood } from "./connect.ts";
import { HttpsSupply } from "./https-supply.ts";
import { Kq1Session } from "./session.ts";

/** Used once: a new one is made when it has ended. */
export interface KmSession extends KmLink {
  /** Who the KM is, as it was when the session began; undefined without TLS. */
  readonly peer: TlsPeer | undefined;
  /**
   * Checks every connection again with the certificates of now, and cuts them at once if the KM is not
   * accepted any more. Further ones are opened with them.
   * @returns why not; undefined if it is @throws Fault `kq1.connect` if no connection could be made with them
   */
  recheck(endpoint: KmEndpoint): string | undefined;
  readonly ended: Promise<Error | undefined>;
  /** Never rejects. */
  close(): Promise<void>;
}

export interface KmLinkOptions {
  /** The KM's name in the configuration. */
  readonly name: string;
  readonly endpoint: KmEndpoint;
  /** HTTPS instead of TCP: template of the path, and connections at once. */
  readonly https: { readonly path: string; readonly connections: number } | undefined;
  readonly moduleId: string;
  readonly matchingModuleId: string;
  /** The pair of modules that an epoch is recorded for; default: those named above. */
  readonly pairOf?: PairOf;
  /** Whether messages have a `hash_value`; they do unless told otherwise. */
  readonly hashValue?: boolean;
  readonly window: number;
  readonly answerTimeout: Duration;
  /** Told whether the KM answers for its keys. */
  readonly heard: Heard;
  /** Where the KM may ask for keys. */
  readonly desk: OnRequestKeys | undefined;
  readonly clock: Clock;
  readonly log: Log;
}

/** @throws Fault `kq1.connect`; nothing is left open then */
export async function openKmLink(
  options: KmLinkOptions,
  sink: KmSink,
  signal: AbortSignal,
): Promise<KmSession> {
  const { name, endpoint, https, desk, clock, log, ...rest } = options;
  const socket = await connectKm(endpoint, clock, signal);
  const peer = peerOf(socket);
  if (https === undefined) {
    const session = new Kq1Session(
      socket,
      {
        ...rest,
        where: endpointName(endpoint),
        ...(desk !== undefined && { desk }),
        kmNames: [name, endpoint.serverName],
        clock,
        log,
      },
      sink,
    );
    return Object.assign(session, {
      peer,
      recheck(now: KmEndpoint) {
        const refused = stillGood(peer, now, clock);
        if (refused !== undefined) socket.destroy(refused);
        return refused && connectionReason(refused, "KM");
      },
    });
  }
  // That was to see that the KM is there and is who it should be: HTTP makes connections of its own.
  socket.destroy();
  const { tls } = endpoint;
  if (tls === undefined) throw new Fault("kq1.connect", "HTTPS needs certificates");
  const supply = new HttpsSupply(
    {
      ...rest,
      endpoint: { ...endpoint, tls },
      path: https.path,
      connections: https.connections,
      clock,
    },
    sink,
  );
  return Object.assign(supply, { peer });
}
