/** Certificates of the configuration: read when they are needed, watched while the key manager runs. */
import type { Clock } from "../../base/clock.ts";
import { describe, Fault } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import { filesOf } from "../../host/tls/credentials.ts";
import { type CertificateWatch, type Watched, watchCertificates } from "../../host/tls/watch.ts";
import type { CertificateTables } from "../config/tables.ts";
import type { KxIdentity } from "../io/kx-dial.ts";
import type { KxDoor } from "../io/kx-door.ts";
import type { KxLink } from "../io/kx-link.ts";

export interface CredentialUsers {
  readonly supplies: { renew(): void; recheck(): void };
  /** The door of applications. */
  readonly delivery: { renew(): void; recheck(): void } | undefined;
  readonly door: Pick<KxDoor, "renew" | "recheck"> | undefined;
  readonly ways: readonly Pick<KxLink, "recheck">[];
  readonly page?: { renew(): void };
  readonly controlled?: { recheck(): void };
  /** The door of controllers that ask by RPCs. */
  readonly rpcs?: { renew(): void; recheck(): void } | undefined;
  /** Those of the KM link, read anew. @throws Fault */
  readonly kxIdentity: () => KxIdentity;
}

/**
 * Looks at every certificate and list once a minute, and when told to: new connections show what is there
 * now, and what is connected and would not be let in any more is cut.
 */
export function watchCredentials(
  { kq1, kx, ck, etsi014, web, controllers = [] }: CertificateTables,
  { supplies, delivery, door, ways, page, controlled, rpcs, kxIdentity }: CredentialUsers,
  clock: Clock,
  log: Log,
): CertificateWatch {
  const watched: Watched[] = [];
  const ofNodes = kq1 && filesOf(kq1);
  if (ofNodes !== undefined) {
    const onChange = () => supplies.renew();
    watched.push({ name: "kq1", files: ofNodes, onChange, onLook: () => supplies.recheck() });
  }
  const ofApplications = etsi014 && filesOf(etsi014);
  if (ofApplications !== undefined) {
    const onChange = () => delivery?.renew();
    const onLook = () => delivery?.recheck();
    watched.push({ name: "etsi014", files: ofApplications, onChange, onLook });
  }
  const ofKms = kx && filesOf(kx);
  if (ofKms !== undefined) {
    // Sessions first: cut by the door they would only be told that the connection was closed.
    const recheck = () => {
      for (const way of ways) way.recheck();
      controlled?.recheck();
    };
    const onChange = () => {
      recheck();
      door?.renew(kxIdentity());
    };
    const onLook = () => {
      try {
        recheck();
      } finally {
        // Ways read the files that the door has read before.
        door?.recheck();
      }
    };
    watched.push({ name: "kx", files: ofKms, onChange, onLook });
  }
  const ofControllers = ck && filesOf(ck);
  if (ofControllers !== undefined) {
    const onChange = () => rpcs?.renew();
    watched.push({ name: "ck", files: ofControllers, onChange, onLook: () => rpcs?.recheck() });
  }
  for (const one of controllers) {
    const own = one.isOwn ? filesOf(one) : undefined;
    const recheck = () => controlled?.recheck();
    const name = `controller.${one.name}`;
    if (own !== undefined) watched.push({ name, files: own, onChange: recheck, onLook: recheck });
  }
  if (web?.enabled && web.cert !== undefined && web.key !== undefined) {
    const files = { ca: web.cert, cert: web.cert, key: web.key };
    watched.push({ name: "web", files, onChange: () => page?.renew() });
  }
  return watchCertificates(watched, clock, log, ({ type, facts }) => log.warn(type, facts));
}

/** A controller took certificates back: new connections are judged by that, and those that are open, too. */
export function goByRevocations(
  { delivery, door, ways, rpcs, kxIdentity }: CredentialUsers,
  log: Log,
): void {
  for (const way of ways) way.recheck();
  const renew = [() => delivery?.renew(), () => door?.renew(kxIdentity()), () => rpcs?.renew()];
  for (const one of renew) {
    try {
      one();
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      // The minute's look says it as well, and does it once they can be read.
      log.warn("certificates cannot be read", { why: describe(error) });
    }
  }
}

/**
 * Takes renewed certificates now, for every connection.
 * @returns which cannot be read: what was read before stays in use
 */
export function reloadCertificates(
  watch: CertificateWatch,
  manager: { renewed(): Fault | undefined },
): string[] {
  const unreadable = [...watch.look()];
  if (manager.renewed() !== undefined) unreadable.push("manager");
  return unreadable;
}
