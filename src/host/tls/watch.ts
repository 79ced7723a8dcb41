/**
 * Watches the files of certificates: says when one is about to expire, and when one has changed.
 * What a change means for a connection is for its owner to find out.
 */

import { type Clock, every } from "../../base/clock.ts";
import { describe, Fault } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import {
  type CredentialFiles,
  describeCertificate,
  digestOf,
  readCredentials,
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
  /** The files are others than before, and can be read. */
  readonly onChange?: () => void;
  /** They were looked at, changed or not, and also where they cannot be read: what is connected is checked again. */
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
  /** Day on which a certificate was told of last. */
  const told = new Map<string, number>();
  let began = true;

  function tell(name: string, notice: CertificateNotice): void {
    const today = Math.floor(clock.wall() / day);
    if (told.get(`${name} ${notice.type}`) === today) return;
    told.set(`${name} ${notice.type}`, today);
    onNotice(notice);
  }

  /** @returns false if it can't be read */
  function lookAt({ name, files, onChange, onLook }: Watched): boolean {
    const isRead = tried(name, () => {
      const credentials = readCredentials(files, "config.file");
      const { subject, notAfter } = describeCertificate(files.cert, credentials.cert);
      const left = notAfter - clock.wall();
      const days = Math.floor(left / day);
      const facts = { for: name, subject, expires: new Date(notAfter).toISOString(), days };
      if (left <= 0) tell(name, { type: "certificate_expired", facts });
      else if (left <= warnBefore) tell(name, { type: "certificate_expiring", facts });
      const digest = digestOf(credentials);
      if (digests.get(name) !== digest && !began) {
        log.info("certificates changed", { for: name });
        onChange?.();
      }
      digests.set(name, digest);
    });
    // What runs out runs out: a file that cannot be read must not keep in who would not be let in any more.
    const isChecked = tried(name, () => onLook?.());
    return isRead && isChecked;
  }

  /** @returns false if something can't be read, which is told */
  function tried(name: string, act: () => void): boolean {
    try {
      act();
      return true;
    } catch (error) {
      tell(name, { type: "certificate_unreadable", facts: { for: name, reason: describe(error) } });
      return false;
    }
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
