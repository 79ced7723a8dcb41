/**
 * Whom the node trusts now: CAs, and lists of what they took back. OpenSSL checks a certificate's chain
 * once, at the handshake; here it is checked again whenever that is wanted, with lists in any number,
 * and lists that have run out are enforced all the same.
 */
import { hash, X509Certificate } from "node:crypto";
import { subjectName } from "./certificate.ts";
import { CrlError, isSignedBy, parseCrls, type RevocationList, serialOf } from "./crl.ts";
import { systemCas } from "./system.ts";

export interface TrustTexts {
  /** PEM; undefined: whom the machine trusts. */
  readonly ca: string | undefined;
  /** PEM, any number of lists. */
  readonly crl?: string | undefined;
  /**
   * PEM, lists that a controller gave: they take back what they name, and no CA needs one because of them. Those of
   * other CAs than {@link ca} count for nothing.
   */
  readonly told?: string | undefined;
}

export interface TrustMoment {
  /** ms since 1970 UTC */
  readonly wall: number;
  /** A list past its `nextUpdate` is as good as none: what needs it is refused. */
  readonly crlFresh?: boolean | undefined;
}

/** Why a peer is refused, in OpenSSL's words, the weightiest first. */
const refusals = [
  "CERT_REVOKED",
  "CERT_HAS_EXPIRED",
  "CERT_NOT_YET_VALID",
  "CRL_HAS_EXPIRED",
  "UNABLE_TO_GET_CRL",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
] as const;
export type Refusal = (typeof refusals)[number];

/** The error of a connection whose peer is refused. */
export class PeerRefused extends Error {
  override readonly name = "PeerRefused";
  readonly code: Refusal;

  constructor(code: Refusal) {
    super(code);
    this.code = code;
  }
}

/** Longer chains and more signatures than these are not looked at. */
const longestChain = 10;
const mostRemembered = 1_024;

export class Trust {
  /** Lists that no CA of the configuration has signed: one that was taken out, or a stranger. */
  readonly strangers: readonly RevocationList[];
  /** Lists by CAs of the configuration. */
  readonly lists: readonly RevocationList[];
  readonly #cas: readonly X509Certificate[];
  readonly #all: readonly RevocationList[];
  readonly #told: readonly RevocationList[];
  /** Lists by the fingerprint of who signed them. */
  readonly #by = new Map<string, readonly RevocationList[]>();
  /** Whether one certificate has signed another, by both fingerprints. */
  readonly #signed = new Map<string, boolean>();

  /** @throws CrlError also for a list in the name of a CA of these that has not signed it */
  constructor({ ca, crl, told }: TrustTexts) {
    this.#cas = certificatesOf(ca ?? systemCas());
    this.#all = crl === undefined ? [] : parseCrls(crl);
    this.#told = told === undefined ? [] : parseCrls(told);
    const names = this.#cas.map(subjectName);
    const strangers: RevocationList[] = [];
    const lists: RevocationList[] = [];
    for (const list of this.#all) {
      const known = names.some((name) => Buffer.compare(name, list.issuerName) === 0);
      if (this.#cas.some((one) => this.#listsOf(one).includes(list))) lists.push(list);
      else if (known) throw new CrlError(`is not signed by the CA that it names (${list.issuer})`);
      else strangers.push(list);
    }
    this.lists = lists;
    this.strangers = strangers;
  }

  /** Whether there are lists: then every peer of a CA without one is refused. */
  get hasLists(): boolean {
    return this.#all.length > 0;
  }

  /** Subjects of CAs of the configuration that have signed no list. */
  get casWithoutList(): string[] {
    return this.#cas
      .filter((ca) => this.#listsOf(ca).length === 0)
      .map(({ subject }) => subject.replaceAll("\n", ", "));
  }

  /**
   * Whether a peer with this chain is good now: a path of good signatures to a self-signed CA of the
   * configuration, all certificates within their dates, and none on a list.
   * @param chain the peer's own certificate first; the rest in any order, and not trusted
   * @param moment what time it is, and whether lists must not have run out
   * @returns why not
   */
  refusal(chain: readonly X509Certificate[], moment: TrustMoment): Refusal | undefined {
    const [leaf, ...others] = chain.slice(0, longestChain);
    if (leaf === undefined) return "UNABLE_TO_GET_ISSUER_CERT_LOCALLY";
    return this.#judge(leaf, [...this.#cas, ...others], moment, new Set());
  }

  #judge(
    one: X509Certificate,
    candidates: readonly X509Certificate[],
    moment: TrustMoment,
    seen: Set<string>,
  ): Refusal | undefined {
    const { wall } = moment;
    // What was judged on another way is not judged again: the verdict would be the same.
    seen.add(one.fingerprint256);
    if (wall > one.validToDate.getTime()) return "CERT_HAS_EXPIRED";
    if (wall < one.validFromDate.getTime()) return "CERT_NOT_YET_VALID";
    const selfSigned = one.checkIssued(one);
    const known = this.#cas.some(({ fingerprint256 }) => fingerprint256 === one.fingerprint256);
    if (selfSigned) return known ? undefined : "UNABLE_TO_GET_ISSUER_CERT_LOCALLY";
    let worst: Refusal = "UNABLE_TO_GET_ISSUER_CERT_LOCALLY";
    for (const issuer of candidates) {
      if (seen.has(issuer.fingerprint256) || seen.size > longestChain) continue;
      if (!one.checkIssued(issuer) || !this.#hasSigned(issuer, one)) continue;
      const why =
        this.#revocation(one, issuer, moment) ?? this.#judge(issuer, candidates, moment, seen);
      if (why === undefined) return undefined;
      if (refusals.indexOf(why) < refusals.indexOf(worst)) worst = why;
    }
    return worst;
  }

  #revocation(
    one: X509Certificate,
    issuer: X509Certificate,
    { wall, crlFresh = false }: TrustMoment,
  ): Refusal | undefined {
    const serial = serialOf(one);
    const isBack = this.#told.some((list) => list.revoked.has(serial) && isSignedBy(list, issuer));
    if (isBack) return "CERT_REVOKED";
    if (!this.hasLists) return undefined;
    const lists = this.#listsOf(issuer);
    if (lists.length === 0) return "UNABLE_TO_GET_CRL";
    if (lists.some(({ revoked }) => revoked.has(serial))) return "CERT_REVOKED";
    return crlFresh && lists.every((list) => hasRunOut(list, wall)) ? "CRL_HAS_EXPIRED" : undefined;
  }

  #listsOf(ca: X509Certificate): readonly RevocationList[] {
    return remember(this.#by, ca.fingerprint256, () =>
      this.#all.filter((list) => isSignedBy(list, ca)),
    );
  }

  #hasSigned(issuer: X509Certificate, one: X509Certificate): boolean {
    const pair = `${issuer.fingerprint256} ${one.fingerprint256}`;
    return remember(this.#signed, pair, () => {
      // A root of X.509 version 1 does not say that it is a CA; the configuration does.
      const isCa = issuer.ca || (this.#cas.includes(issuer) && issuer.checkIssued(issuer));
      return isCa && one.verify(issuer.publicKey);
    });
  }
}

/** Whether a list is past its `nextUpdate`. @param wall ms since 1970 UTC */
export function hasRunOut({ nextUpdate }: RevocationList, wall: number): boolean {
  return nextUpdate !== undefined && wall > nextUpdate;
}

function remember<T>(map: Map<string, T>, key: string, make: () => T): T {
  const known = map.get(key);
  if (known !== undefined) return known;
  if (map.size >= mostRemembered) map.clear();
  const made = make();
  map.set(key, made);
  return made;
}

/** Certificates of a PEM file; what is none is left out, as OpenSSL does. */
export function certificatesOf(pem: string): X509Certificate[] {
  const block = /-----BEGIN ((?:X509 |TRUSTED )?CERTIFICATE)-----[^-]*-----END \1-----/g;
  return [...pem.matchAll(block)].flatMap(([text]) => {
    try {
      return [new X509Certificate(text)];
    } catch {
      return [];
    }
  });
}

/** The ones used last come last. */
const made = new Map<string, Trust>();
const mostMade = 8;

/** As `new Trust`, but texts that were used lately are not read again. @throws CrlError */
export function trustOf(texts: TrustTexts): Trust {
  const { ca = systemCas(), crl, told } = texts;
  const key = hash("sha256", `${ca}\0${crl ?? ""}\0${told ?? ""}`, "hex");
  const trust = made.get(key) ?? new Trust({ ca, crl, told });
  made.delete(key);
  made.set(key, trust);
  const [oldest = key] = made.keys();
  if (made.size > mostMade) made.delete(oldest);
  return trust;
}
