/** Whom this machine trusts, for peers that may have a certificate of any public or local CA. */
import { readFileSync } from "node:fs";
import { getCACertificates } from "node:tls";

/** Where systems keep them in one file: Debian, Alpine and Arch; Fedora; SUSE; others. */
const bundles = [
  "/etc/ssl/certs/ca-certificates.crt",
  "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
  "/etc/pki/tls/certs/ca-bundle.crt",
  "/etc/ssl/ca-bundle.pem",
  "/etc/ssl/cert.pem",
] as const;

/**
 * PEM of the CAs of this machine, read anew each time: an administrator may have added one. Where a
 * machine has none they are those that came with Node.js.
 * @param files that may have them; the first that does counts
 */
export function systemCas(files: readonly string[] = bundles): string {
  const own = fromEnvironment() ?? fromFile(files);
  const pem = own ?? getCACertificates("bundled").join("\n");
  return [pem, ...getCACertificates("extra")].join("\n");
}

/** `SSL_CERT_FILE` and `SSL_CERT_DIR`, as OpenSSL has them. */
function fromEnvironment(): string | undefined {
  const { SSL_CERT_FILE, SSL_CERT_DIR } = process.env;
  if (!SSL_CERT_FILE && !SSL_CERT_DIR) return undefined;
  const found = getCACertificates("system");
  return found.length === 0 ? undefined : found.join("\n");
}

function fromFile(files: readonly string[]): string | undefined {
  for (const file of files) {
    try {
      const text = readFileSync(file, "utf8");
      if (text.includes("-----BEGIN ")) return text;
    } catch {
      // Another system's.
    }
  }
  return undefined;
}
