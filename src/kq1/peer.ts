/** Who a peer is, by the certificate that it presented. */
import type { PeerCertificate } from "node:tls";

/** `DNS:a`, `IP Address:::1`, or with a quoted value (as of a JSON string) where it has odd characters. */
const alternative = /(?:^|, )([A-Za-z ]+):("(?:[^"\\]|\\.)*"|[^,"]*)/g;

/**
 * Names in a certificate: DNS names and addresses of its subject alternative name, and its CN. A name
 * that had to be quoted is none: in what it quotes could stand another's.
 */
export function certifiedNames({ subject, subjectaltname }: Partial<PeerCertificate>): string[] {
  const names: string[] = [];
  for (const [, kind, value = ""] of (subjectaltname ?? "").matchAll(alternative)) {
    const counts = kind === "DNS" || kind === "IP Address";
    if (counts && value !== "" && !value.startsWith('"')) names.push(value);
  }
  const common = [subject?.CN ?? []].flat();
  return [...names, ...common].filter((name) => name !== "");
}
