/**
 * Certificates that controllers took back (IMDA RS QKDN §7.4): lists that are signed by an authority which this key
 * manager trusts anyway, kept on the disk, and gone by at its doors beside those of the configuration.
 */

import type { Clock } from "../../base/clock.ts";
import { describe, Fault } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import { LogLimit } from "../../base/log-limit.ts";
import { diskFiles, type FileSystem, readWhole, replaceFile } from "../../host/disk/files.ts";
import { filesOf, KeptCredentials } from "../../host/tls/credentials.ts";
import { CrlError, isSignedBy, parseCrls, type RevocationList } from "../../host/tls/crl.ts";
import { DerError } from "../../host/tls/der.ts";
import { pem } from "../../host/tls/der-write.ts";
import { certificatesOf } from "../../host/tls/trust.ts";
import { longestList, type ToldList } from "../../wire/ck/revocations.ts";
import type { CertificateTables, KmTable } from "../config/tables.ts";

export interface RevocationParts {
  readonly files: FileSystem;
  /** State folder of this KM. */
  readonly folder: string;
  /** PEM: CAs of its doors, as they are now or could be read last. @throws Fault if they never could */
  readonly cas: () => readonly string[];
  readonly clock: Clock;
  readonly log: Log;
}

/** Authorities whose lists are kept, and lists of one: the newest, and those that have what it lacks. */
const mostAuthorities = 4;
const mostOfOne = 4;
const label = "X509 CRL";

interface Known {
  readonly list: RevocationList;
  readonly text: string;
}

export class Revocations {
  readonly #parts: RevocationParts;
  readonly #limit: LogLimit;
  /** By the issuer's name; in the order in which they were told. */
  readonly #known = new Map<string, readonly Known[]>();
  #text: string | undefined;
  #writing: Promise<void> = Promise.resolve();
  #changed: () => void = () => {};

  /** Those of before a restart. @throws Fault `state.owner`, a system error */
  static async open(parts: RevocationParts): Promise<Revocations> {
    const one = new Revocations(parts);
    const bytes = await readWhole(
      parts.files,
      one.#file,
      2 * mostAuthorities * mostOfOne * longestList,
    );
    if (bytes === undefined) return one;
    try {
      const lists = Map.groupBy(parseCrls(bytes.toString("latin1")), ({ issuer }) => issuer);
      for (const [issuer, all] of lists) one.#keep(issuer, all.map(knownOf));
    } catch (error) {
      if (!(error instanceof CrlError)) throw error;
      // They are told again when a controller is connected.
      parts.log.error("certificates that were taken back cannot be read", { why: error.message });
    }
    return one;
  }

  private constructor(parts: RevocationParts) {
    this.#parts = parts;
    this.#limit = LogLimit.of(parts.log, parts.clock);
  }

  /** PEM, for what is asked of peers; undefined: no list was told. */
  get text(): string | undefined {
    return this.#text;
  }

  /** Told from now on when there is another list: doors go by it. */
  onChange(changed: () => void): void {
    this.#changed = changed;
  }

  /**
   * A controller told its list. What was taken back stays so, also where a later list does not have it: it could be of
   * a controller whose clock was wrong, or whose store is a copy of before. What has nothing new, or is of no authority
   * of this KM, changes nothing.
   */
  told({ number, der }: ToldList, controller: string): void {
    const facts = { controller, number };
    try {
      const [list] = parseCrls(pem(label, der));
      if (list === undefined || !this.#isTrusted(list)) {
        this.#limit.info(controller, "revocations are of no authority of this KM", facts);
        return;
      }
      const known = this.#known.get(list.issuer) ?? [];
      if (known.length === 0 && this.#known.size >= mostAuthorities) {
        this.#limit.warn(controller, "lists of too many authorities", facts);
        return;
      }
      const isNewest = known.every((one) => isNewer(list, one.list));
      const isNews = [...list.revoked].some((serial) => !isOn(known, serial));
      if (!isNewest && !isNews) return;
      this.#keep(list.issuer, needed([...known, knownOf(list)]));
      const lacking = known.flatMap((one) => [...one.list.revoked]);
      const kept = new Set(lacking.filter((serial) => !list.revoked.has(serial))).size;
      if (!isNewest || kept > 0) {
        const what = "certificates that another list of the same authority took back stay so";
        this.#limit.info(controller, what, { ...facts, kept });
      }
      this.#parts.log.info("certificates taken back", { ...facts, count: list.revoked.size });
      this.#write();
      this.#changed();
    } catch (error) {
      if (!(error instanceof CrlError || error instanceof DerError)) throw error;
      this.#limit.warn(controller, "revocations that are none", { ...facts, why: error.message });
    }
  }

  /** What was told is on the disk. Never rejects. */
  settled(): Promise<void> {
    return this.#writing;
  }

  get #file(): string {
    return `${this.#parts.folder}/revoked.crl`;
  }

  #isTrusted(list: RevocationList): boolean {
    const cas = this.#parts.cas().flatMap((text) => certificatesOf(text));
    return cas.some((ca) => isSignedBy(list, ca));
  }

  #keep(issuer: string, lists: readonly Known[]): void {
    this.#known.set(issuer, lists.slice(-mostOfOne));
    this.#text = [...this.#known.values()].flatMap((all) => all.map(({ text }) => text)).join("");
  }

  #write(): void {
    const bytes = Buffer.from(this.#text ?? "");
    this.#writing = this.#writing
      .then(() => replaceFile(this.#parts.files, this.#file, bytes))
      .catch((error: unknown) => {
        // They are told again after a restart.
        this.#parts.log.warn("certificates that were taken back cannot be kept", {
          why: describe(error),
        });
      });
  }
}

/** Those that are kept in the state folder. @throws Fault `state.owner`, a system error */
export function openRevocations(
  { km, kx, etsi014 }: Pick<CertificateTables, "kx" | "etsi014"> & { readonly km: KmTable },
  clock: Clock,
  log: Log,
): Promise<Revocations> {
  const kept = [kx, etsi014].flatMap((table) => {
    const files = table && filesOf(table);
    return files === undefined ? [] : [new KeptCredentials(files, "config.file")];
  });
  const cas = () => kept.map((one) => one.trust().ca);
  // A list may be told at a moment when they cannot be read. Where they cannot be now, the key manager starts all the same.
  for (const one of kept) {
    try {
      one.trust();
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
    }
  }
  return Revocations.open({ files: diskFiles, folder: km.state_dir, cas, clock, log });
}

function knownOf(list: RevocationList): Known {
  return { list, text: pem(label, list.raw) };
}

/** By its number, which only grows (RFC 5280 §5.2.3): a date says what a clock said. */
function isNewer(list: RevocationList, known: RevocationList): boolean {
  return (list.number ?? 0) > (known.number ?? 0);
}

function isOn(lists: readonly Known[], serial: string): boolean {
  return lists.some(({ list }) => list.revoked.has(serial));
}

/** Without those of which others that stay have all: the oldest go first, and the newest stays. */
function needed(lists: readonly Known[]): readonly Known[] {
  let kept = lists;
  for (const one of lists.slice(0, -1)) {
    const others = kept.filter((other) => other !== one);
    if ([...one.list.revoked].every((serial) => isOn(others, serial))) kept = others;
  }
  return kept;
}
