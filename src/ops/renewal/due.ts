/** When a certificate is renewed, and which one of a server's answer takes its place. Pure. */
import type { X509Certificate } from "node:crypto";
import { Fault } from "../../base/errors.ts";
import { chainFrom, ending } from "../../host/tls/chain.ts";

/** So much of its life, before or after, is drawn from the certificate itself: a fleet does not march. */
const spread = 1 / 15;

/**
 * The same for the same certificate, so that it needs no memory.
 * @param part of its life after which it is renewed, 0 to 1
 * @returns ms since 1970 UTC
 */
export function dueAt(certificate: X509Certificate, part: number): number {
  const from = certificate.validFromDate.getTime();
  const life = ending(certificate) - from;
  const drawn = Number.parseInt(certificate.fingerprint256.slice(0, 5).replace(":", ""), 16);
  const shift = (drawn / 0xffff - 0.5) * spread;
  return from + life * Math.min(part + shift, 0.98);
}

/** A server's clock may be ahead of ours by so much, ms. */
const skew = 300_000;

/**
 * The chain that is shown from now on: the new certificate, then those between it and its CA.
 * @param answer what the server gave @param others who may have issued it: `cacerts`, and the chain of before
 * @param wall ms since 1970 UTC
 * @throws Fault `est` if none of the answer can take the place of `present`
 */
export function successor(
  present: X509Certificate,
  answer: readonly X509Certificate[],
  others: readonly X509Certificate[],
  wall: number,
): X509Certificate[] {
  if (answer.length === 0) throw new Fault("est", "the answer has no certificate");
  const own = answer.find(({ publicKey }) => publicKey.equals(present.publicKey));
  if (own === undefined) throw new Fault("est", "the certificate that came is of another key");
  if (own.subject !== present.subject || namesOf(own) !== namesOf(present)) {
    throw new Fault("est", "the certificate that came has other names");
  }
  const missing = missingUse(own, present);
  if (missing !== undefined) {
    throw new Fault("est", "the certificate that came is for other uses", { missing });
  }
  const from = own.validFromDate.getTime();
  if (from > wall + skew || ending(own) <= wall) {
    throw new Fault("est", "the certificate that came is not valid now", {
      from: own.validFromDate.toISOString(),
      to: own.validToDate.toISOString(),
    });
  }
  if (ending(own) <= ending(present)) {
    throw new Fault("est", "the certificate that came ends no later than the present one", {
      to: own.validToDate.toISOString(),
    });
  }
  const unlike = (one: X509Certificate) => one.fingerprint256 !== own.fingerprint256;
  const chain = chainFrom(own, [...answer, ...others].filter(unlike));
  const top = chain.at(-1) as X509Certificate;
  const whole = top.checkIssued(top) && top !== own;
  if (!whole) throw new Fault("est", "the certificate that came is of a CA that is not known");
  const old = chain.find((one) => one.validFromDate.getTime() > wall + skew || ending(one) <= wall);
  if (old !== undefined) {
    throw new Fault("est", "the certificate that came is of a CA that is not valid now", {
      ca: old.subject,
      from: old.validFromDate.toISOString(),
      to: old.validToDate.toISOString(),
    });
  }
  // The peer has the CA itself, and would not believe ours.
  return chain.slice(0, -1);
}

/** Alternative names, in an order of ours: a CA may write them in one of its own. */
function namesOf({ subjectAltName = "" }: X509Certificate): string {
  return subjectAltName.split(", ").sort().join(", ");
}

/** Stands for every use (RFC 5280 §4.2.1.12). */
const anyUse = "2.5.29.37.0";
/** Of TLS, a server's and a client's. Nothing here needs another one, such as that of mail, which a CA may leave out. */
const tlsUses = ["1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2"];

/** A use that the present certificate names and the new one is not for: its connections would be refused. */
function missingUse(own: X509Certificate, present: X509Certificate): string | undefined {
  // Without the extension it is for every use. Node's types do not know that it may be absent.
  const uses: readonly string[] | undefined = own.keyUsage;
  const named: readonly string[] = present.keyUsage ?? [];
  if (uses === undefined || uses.includes(anyUse)) return undefined;
  return tlsUses.find((use) => named.includes(use) && !uses.includes(use));
}

/** PEM of a chain. */
export function pemOf(chain: readonly X509Certificate[]): string {
  return chain.map((one) => one.toString()).join("");
}
