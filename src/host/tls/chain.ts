/** Which certificates of a file count: those of the chain that the node shows, those of CAs that are good. */
import type { X509Certificate } from "node:crypto";

function issued(one: X509Certificate, issuer: X509Certificate): boolean {
  return one.checkIssued(issuer) && one.verify(issuer.publicKey);
}

/**
 * The first certificate, its issuer, that one's issuer, as far as they are there.
 * @param others in any order; of several issuers the one that ends last is taken
 */
export function chainFrom(
  first: X509Certificate,
  others: readonly X509Certificate[],
): X509Certificate[] {
  const chain = [first];
  const left = new Set(others);
  for (let at: X509Certificate | undefined = first; at !== undefined && !issued(at, at); ) {
    const below: X509Certificate = at;
    const issuers = [...left].filter((one) => issued(below, one));
    at = issuers.toSorted((a, b) => ending(b) - ending(a))[0];
    if (at === undefined) break;
    left.delete(at);
    chain.push(at);
  }
  return chain;
}

/** ms since 1970 UTC */
export function ending({ validToDate }: X509Certificate): number {
  return validToDate.getTime();
}

/** Between when and when all of a chain is valid, ms since 1970 UTC; whose end it is. */
export function validityOf(chain: readonly X509Certificate[]): {
  readonly from: number;
  readonly to: number;
  readonly endsWith: X509Certificate | undefined;
} {
  const endsWith = chain.toSorted((a, b) => ending(a) - ending(b))[0];
  const from = Math.max(...chain.map(({ validFromDate }) => validFromDate.getTime()));
  return { from, to: endsWith === undefined ? Number.NaN : ending(endsWith), endsWith };
}

/**
 * CAs from which a chain of good ones leads to a self-signed one.
 * @param wall ms since 1970 UTC
 */
export function usableCas(cas: readonly X509Certificate[], wall: number): X509Certificate[] {
  const valid = cas.filter((ca) => {
    return ca.validFromDate.getTime() <= wall && wall <= ending(ca);
  });
  return valid.filter((ca) => {
    const top = chainFrom(ca, valid).at(-1);
    return top !== undefined && issued(top, top);
  });
}
