/**
 * Certificates that controllers took back (IMDA RS QKDN §7.4): lists that are signed by an authority which this key
 * manager trusts anyway, kept on the disk, and gone by at its doors beside those of the configuration.
 */

import type { Clock } from "../../base/clock.ts";
import { describe } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import { LogLimit } from "../../base/log-limit.ts";
import { diskFiles, type FileSystem, readWhole, replaceFile } from "../../host/disk/files.ts";
import { CrlError, isSignedBy, parseCrls, type RevocationList } from "../../host/tls/crl.ts";
import { DerError } from "../../host/tls/der.ts";
import { pem } from "../../host/tls/der-write.ts";
import { readTexts } from "../../host/tls/texts.ts";
import { certificatesOf } from "../../host/tls/trust.ts";
import { longestList, type ToldList } from "../../wire/ck/revocations.ts";
import type { CertificateTables, KmTable } from "../config/tables.ts";

export interface RevocationParts {
  readonly files: FileSystem;
  /** State folder of this KM. */
  readonly folder: string;
  /** PEM: CAs of its doors, as they are now. @throws Fault */
  readonly cas: () => readonly string[];
  readonly clock: Clock;
  readonly log: Log;
}

/** Authorities whose lists are kept. */
const mostLists = 4;
const label = "X509 CRL";

interface Known {
  readonly list: RevocationList;
  readonly text: string;
}

export class Revocations {
  readonly #parts: RevocationParts;
  readonly #limit: LogLimit;
  /** By the issuer's name. */
  readonly #known = new Map<string, Known>();
  #text: string | undefined;
  #writing: Promise<void> = Promise.resolve();
  #changed: () => void = () => {};

  /** Those of before a restart. @throws Fault `state.owner`, a system error */
  static async open(parts: RevocationParts): Promise<Revocations> {
    const one = new Revocations(parts);
    const bytes = await readWhole(parts.files, one.#file, 2 * mostLists * longestList);
    if (bytes === undefined) return one;
    try {
      for (const list of parseCrls(bytes.toString("latin1"))) one.#keep(list);
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

  /** A controller told its list. What is older than what is known, or of no authority of this KM, changes nothing. */
  told({ number, der }: ToldList, controller: string): void {
    const facts = { controller, number };
    try {
      const [list] = parseCrls(pem(label, der));
      if (list === undefined || !this.#isTrusted(list)) {
        this.#limit.info(controller, "revocations are of no authority of this KM", facts);
        return;
      }
      const { list: known } = this.#known.get(list.issuer) ?? {};
      if (known !== undefined && !isNewer(list, known)) return;
      if (known === undefined && this.#known.size >= mostLists) {
        this.#limit.warn(controller, "lists of too many authorities", facts);
        return;
      }
      this.#keep(list);
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

  #keep(list: RevocationList): void {
    this.#known.set(list.issuer, { list, text: pem(label, list.raw) });
    this.#text = [...this.#known.values()].map(({ text }) => text).join("");
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
  const cas = () => [kx, etsi014].map((table) => readTexts({ ca: table?.ca }).ca);
  return Revocations.open({ files: diskFiles, folder: km.state_dir, cas, clock, log });
}

/** Of two lists within a second the number counts; a controller that lost its store counts from 1 again. */
function isNewer(list: RevocationList, known: RevocationList): boolean {
  if (list.thisUpdate !== known.thisUpdate) return list.thisUpdate > known.thisUpdate;
  return (list.number ?? 0) > (known.number ?? 0);
}
