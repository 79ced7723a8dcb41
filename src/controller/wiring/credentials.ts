/** Certificates of the configuration: read when they are needed, watched while the controller runs. */
import type { Clock } from "../../base/clock.ts";
import { describe, Fault } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import type { ListenerTexts } from "../../host/listen/tls-listener.ts";
import { type CertificateWatch, type Watched, watchCertificates } from "../../host/tls/watch.ts";
import type { CertificateTables } from "../config/tables.ts";
import type { CkDoor } from "../io/ck-door.ts";

export interface CredentialUsers {
  /** Certificates may be others, or the same ones not good any more. */
  readonly door: { renew(): void; recheck(): void };
  readonly page: { renew(): void };
}

/**
 * Looks at every certificate and list once a minute, and when told to: new connections show what is there
 * now, and what is connected and would not be let in any more is cut.
 */
export function watchCredentials(
  { ck, web }: CertificateTables,
  { door, page }: CredentialUsers,
  clock: Clock,
  log: Log,
): CertificateWatch {
  const watched: Watched[] = [
    {
      name: "ck",
      files: ck,
      onChange: () => door.renew(),
      onLook: () => door.recheck(),
    },
  ];
  if (web?.enabled && web.cert !== undefined && web.key !== undefined) {
    const files = { ca: web.cert, cert: web.cert, key: web.key };
    watched.push({ name: "web", files, onChange: () => page.renew() });
  }
  return watchCertificates(watched, clock, log, ({ type, facts }) => log.warn(type, facts));
}

/**
 * The door of key managers, which goes by the list of what this controller took back as well.
 * @param texts certificates and lists of now @param number of that list; undefined: there is none
 */
export function accessDoor(
  door: Pick<CkDoor, "renew" | "recheck">,
  texts: () => ListenerTexts,
  number: () => number | undefined,
  log: Log,
): CredentialUsers["door"] & {
  /** Certificates may have been taken back: who would not be let in any more is cut. */
  look(): void;
} {
  let known = number();
  const renew = () => {
    known = number();
    door.renew(texts());
  };
  const look = () => {
    try {
      if (number() !== known) renew();
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      // Certificate and key that do not belong together yet: the list is gone by already.
      log.warn("certificates cannot be used", { why: describe(error) });
    }
    door.recheck();
  };
  return { renew, recheck: () => door.recheck(), look };
}
