/**
 * Watches the files of certificates: says when one is about to expire, and when one has changed.
 * What a change means for a connection is for its owner to find out.
 */

import { type Clock, every } from "../../base/clock.ts";
import { describe, Fault } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import {
  type CredentialFiles,
  type Credentials,
  describeCertificate,
  digestOf,
  KeptCredentials,
} from "./credentials.ts";

/** How often files are looked at, ms. */
export const lookEvery = 60_000;
const day = 86_400_000;
/** A certificate that expires within this time is told of, once a day, ms. */
export const warnBefore = 30 * day;

export interface Watched {
  /** What they are for, such as `km.main`. */
  readonly name: string;
  readonly files: CredentialFiles;
  /** CAs and lists, or certificate and key, are others than before, and can be read. */
  readonly onChange?: (now: Credentials) => void;
  /** At each look: what is connected is checked again. */
  readonly onLook?: () => void;
}

/** What the log is told; alarms about certificates have rules of their own. */
export interface CertificateNotice {
  readonly type: "certificate_expiring" | "certificate_expired" | "certificate_unreadable";
  readonly facts: Readonly<Record<string, string | number>>;
}

export interface CertificateWatch {
  /** Looks now, instead of at the next minute. @returns what can't be read, by name */
  look(): readonly string[];
  stop(): void;
}

export function watchCertificates(
  watched: readonly Watched[],
  clock: Clock,
  log: Log,
  onNotice: (notice: CertificateNotice) => void,
): CertificateWatch {
  const digests = new Map<string, string>();
  const read = new Map<string, KeptCredentials>();
  /** Day on which a certificate was told of last. */
  const told = new Map<string, number>();
  let began = true;

  function tell(name: string, notice: CertificateNotice): void {
    const today = Math.floor(clock.wall() / day);
    if (told.get(`${name} ${notice.type}`) === today) return;
    told.set(`${name} ${notice.type}`, today);
    onNotice(notice);
  }

  /** @throws Fault if it can't be read, or used by its owner */
  function take({ name, files, onChange }: Watched): void {
    const kept = read.get(name) ?? new KeptCredentials(files, "config.file");
    read.set(name, kept);
    const credentials = kept.read();
    const { subject, notAfter } = describeCertificate(files.cert, credentials.cert);
    const left = notAfter - clock.wall();
    const days = Math.floor(left / day);
    const facts = { for: name, subject, expires: new Date(notAfter).toISOString(), days };
    if (left <= 0) tell(name, { type: "certificate_expired", facts });
    else if (left <= warnBefore) tell(name, { type: "certificate_expiring", facts });
    const digest = digestOf(credentials);
    if (digests.get(name) !== digest && !began) {
      log.info("certificates changed", { for: name });
      onChange?.(credentials);
    }
    digests.set(name, digest);
    if (kept.trouble !== undefined) throw kept.trouble;
  }

  /** @returns false if it can't be read */
  function lookAt(one: Watched): boolean {
    const { name, onLook } = one;
    let isRead = true;
    // Who is connected is checked in any case: certificates and lists run out while files can't be read, too.
    for (const step of [() => take(one), () => onLook?.()]) {
      try {
        step();
      } catch (error) {
        isRead = false;
        const facts = { for: name, reason: describe(error) };
        tell(name, { type: "certificate_unreadable", facts });
      }
    }
    return isRead;
  }

  const look = () => {
    const unreadable = watched.filter((one) => !lookAt(one)).map(({ name }) => name);
    began = false;
    return unreadable;
  };
  look();
  const timer = every(clock, lookEvery, look);
  return { look, stop: () => timer.cancel() };
}

/** @param unreadable whose files could not be read @throws Fault `config.file` that names them, if there are any */
export function allRead(unreadable: readonly string[]): void {
  if (unreadable.length === 0) return;
  throw new Fault("config.file", "certificates cannot be read", { for: unreadable.join(", ") });
}
