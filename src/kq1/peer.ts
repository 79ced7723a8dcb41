/** Who a peer is, by the certificate that it presented. */

/** The part of Node's `PeerCertificate` that has names in it. */
export interface CertifiedNames {
  readonly subject?: { readonly CN?: string | string[] };
  /** `DNS:a, IP Address:::1`; a value with odd characters is quoted as a JSON string. */
  readonly subjectaltname?: string;
}

const alternative = /(?:^|, )([A-Za-z ]+):("(?:[^"\\]|\\.)*"|[^,"]*)/g;

/**
 * Names in a certificate: DNS names and addresses of its subject alternative name, and its CN. A name
 * that had to be quoted is none: in what it quotes could stand another's.
 */
export function certifiedNames({ subject, subjectaltname = "" }: CertifiedNames): string[] {
  const names: string[] = [];
  for (const [, kind, value = ""] of subjectaltname.matchAll(alternative)) {
    const counts = kind === "DNS" || kind === "IP Address";
    if (counts && value !== "" && !value.startsWith('"')) names.push(value);
  }
  const common = [subject?.CN ?? []].flat();
  return [...names, ...common].filter((name) => name !== "");
}
