/** Who a peer is, by the certificate that it presented. */

import { isIPv6, SocketAddress } from "node:net";

/** The part of Node's `PeerCertificate` that has names in it. */
export interface CertifiedNames {
  readonly subject?: { readonly CN?: string | string[] };
  /** `DNS:a, IP Address:::1`; a value with odd characters is quoted as a JSON string. */
  readonly subjectaltname?: string;
}

const alternative = /(?:^|, )([A-Za-z ]+):("(?:[^"\\]|\\.)*"|[^,"]*)/g;

/** What has a scheme and an authority, or is a URN: no DNS name and no address looks like it. */
export const absoluteUri = /^([A-Za-z][A-Za-z0-9+.-]*:\/\/|urn:)./i;

/** What counts beside DNS names and addresses. */
export interface MoreNames {
  /** The CN, if the certificate has no subject alternative name at all. */
  readonly commonName?: boolean | undefined;
  /** URIs that are absolute: `urn:…`, `spiffe://…`. Others could be spelled as the DNS name of another. */
  readonly uris?: boolean;
}

/**
 * Names in a certificate: DNS names and addresses of its subject alternative name. A name that had to be
 * quoted is none: in what it quotes could stand another's.
 */
export function certifiedNames(
  { subject, subjectaltname = "" }: CertifiedNames,
  { commonName = false, uris = false }: MoreNames = {},
): string[] {
  const names: string[] = [];
  for (const [, kind, value = ""] of subjectaltname.matchAll(alternative)) {
    const isUri = uris && kind === "URI" && absoluteUri.test(value);
    const counts = kind === "DNS" || kind === "IP Address" || isUri;
    if (counts && value !== "" && !value.startsWith('"')) names.push(value);
  }
  if (!commonName || subjectaltname !== "") return names;
  return [subject?.CN ?? []].flat().filter((name) => name !== "");
}

/**
 * What is the same of all ways to write a name: an IPv6 address has many, and Node.js writes that of a certificate in
 * full. All else is as it is written: two applications may differ in one letter's case, and their CA tells them apart.
 */
export function nameKey(name: string): string {
  if (!name.includes(":") || name.includes("%") || !isIPv6(name)) return name;
  return new SocketAddress({ address: name, family: "ipv6" }).address;
}

/** Whether a certificate with these names has this one, however it is written. */
export function hasName(names: readonly string[], wanted: string): boolean {
  const key = nameKey(wanted);
  return names.some((name) => nameKey(name) === key);
}

/**
 * Tells a KM from all others: two can have certificates of one name, but not one certificate.
 * @param names by which it is configured and known here
 * @param certificate that it presented; undefined where there is no TLS
 * @param address where it is; counts only where it has no certificate
 */
export function kmIdentity(
  names: readonly string[],
  certificate: { readonly fingerprint256?: string } | undefined,
  address: string,
): string {
  return [...names, certificate?.fingerprint256 ?? address].join("\0");
}
