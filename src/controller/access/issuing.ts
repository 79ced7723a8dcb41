/** Certificates of registered components (IMDA RS QKDN §7.4): what is kept of them, and what an authority must do. Pure. */
import type { Issue, ListIssue, RevocationReason, RevokedEntry } from "../../host/tls/issue.ts";
import type { ComponentKind } from "./repository.ts";

/** The authority's key, and the profile of what it signs. */
export interface Authority {
  /** Subject of its certificate, one line. */
  readonly name: string;
  /** When its own certificate runs out, ms since 1970 UTC. */
  readonly until: number;
  /** How long a certificate is good, and a list, ms. */
  readonly lifeMs: number;
  readonly listMs: number;
  /** @returns the public key of a request in PEM, whose holder has signed it @throws Fault `config.value` */
  request(pem: string): Issue["publicKey"];
  /** A subject alternative name can be made of it that counts when a peer is asked who it is. */
  isName(text: string): boolean;
  /** @returns PEM */
  certificate(issue: Issue): string;
  list(issue: ListIssue): string;
}

/** What is kept of a certificate; its ID is the serial number in hexadecimal. */
export interface IssuedRecord {
  readonly kind: ComponentKind;
  /** KM ID or SAE ID. */
  readonly id: string;
  /** Names in it. */
  readonly names: readonly string[];
  /** ms since 1970 UTC */
  readonly from: number;
  readonly to: number;
  /** Who had it issued. */
  readonly by: string;
  readonly revoked?: {
    /** ms since 1970 UTC */
    readonly at: number;
    readonly by: string;
    readonly reason: RevocationReason;
  };
}

/** As people and programs see one. */
export interface IssuedStatus extends Omit<IssuedRecord, "from" | "to" | "revoked"> {
  readonly serial: string;
  readonly not_before: string;
  readonly not_after: string;
  readonly state: "good" | "revoked" | "expired";
  readonly revoked?: { readonly at: string; readonly by: string; readonly reason: string };
}

/** What is on record of a list. */
export interface ListRecord {
  /** Of the list that was made last. */
  readonly number: number;
}

const day = 86_400_000;
/** Certificates on record, those of one component that are good at a time, and those that are told to run out. */
export const most = { records: 10_000, ofOne: 32, told: 100 } as const;

export class IssuedCertificates {
  readonly #all: Map<string, IssuedRecord>;
  /** Since when they are found to have run out: monotonic, ms. */
  #runOutSince: ReadonlyMap<string, number> = new Map();

  /** @param saved by serial number */
  constructor(saved: ReadonlyMap<string, IssuedRecord>) {
    this.#all = new Map(saved);
  }

  get size(): number {
    return this.#all.size;
  }

  get(serial: string): IssuedRecord | undefined {
    return this.#all.get(serial);
  }

  set(serial: string, record: IssuedRecord): void {
    this.#all.set(serial, record);
  }

  /** Serial numbers of certificates of a component that are good now. @param wall ms since 1970 UTC */
  goodOf(kind: ComponentKind, id: string, wall: number): string[] {
    return [...this.#all].flatMap(([serial, one]) => {
      return one.kind === kind && one.id === id && isGood(one, wall) ? [serial] : [];
    });
  }

  /** Another component has a certificate with this name that is good now. */
  holder(name: string, wall: number): Pick<IssuedRecord, "kind" | "id"> | undefined {
    const wanted = name.toLowerCase();
    for (const one of this.#all.values()) {
      if (!isGood(one, wall)) continue;
      if (one.names.some((other) => other.toLowerCase() === wanted)) return one;
    }
    return undefined;
  }

  /** What a list must have on it. */
  revoked(): RevokedEntry[] {
    return [...this.#all].flatMap(([serial, { revoked }]) => {
      return revoked === undefined ? [] : [{ serial, at: revoked.at, reason: revoked.reason }];
    });
  }

  /**
   * Serial numbers of what ran out a day ago: a list needs it no more (RFC 5280 §3.3). A clock that is ahead for a while
   * makes nothing old: what has run out by it is to stay so for a day of this process.
   * @param now monotonic, ms; undefined: the clock of now is believed
   */
  runOut(wall: number, now?: number): string[] {
    const old = [...this.#all].flatMap(([serial, { to }]) => (wall > to + day ? [serial] : []));
    if (now === undefined) return old;
    const before = this.#runOutSince;
    this.#runOutSince = new Map(old.map((serial) => [serial, before.get(serial) ?? now]));
    return old.filter((serial) => now - (this.#runOutSince.get(serial) ?? now) >= day);
  }

  forget(serials: readonly string[]): void {
    for (const serial of serials) this.#all.delete(serial);
  }

  /**
   * Components whose last good certificate runs out soon, or has run out within the last day.
   * The soonest first; after a withdrawal a component has none.
   * @param withinMs or a third of a certificate's life, if that is less
   */
  expiring(wall: number, withinMs: number): { readonly name: string; readonly to: number }[] {
    const last = new Map<string, IssuedRecord>();
    for (const one of this.#all.values()) {
      const name = `${one.kind}:${one.id}`;
      if (one.revoked === undefined && one.to > (last.get(name)?.to ?? 0)) last.set(name, one);
    }
    const soon = [...last].flatMap(([name, { from, to }]) => {
      return to - wall <= Math.min(withinMs, (to - from) / 3) ? [{ name, to }] : [];
    });
    return soon.toSorted((a, b) => a.to - b.to).slice(0, most.told);
  }

  /** The newest first. */
  status(wall: number): IssuedStatus[] {
    const all = [...this.#all].toSorted(([, a], [, b]) => b.from - a.from);
    return all.map(([serial, { from, to, revoked, ...one }]) => ({
      serial,
      ...one,
      not_before: new Date(from).toISOString(),
      not_after: new Date(to).toISOString(),
      state: revoked !== undefined ? "revoked" : wall > to ? "expired" : "good",
      ...(revoked && { revoked: { ...revoked, at: new Date(revoked.at).toISOString() } }),
    }));
  }
}

function isGood({ to, revoked }: IssuedRecord, wall: number): boolean {
  return revoked === undefined && wall <= to;
}
