/** Certificates in memory, each once: a thousand connections of applications that one CA has certified hold it a thousand times. */
import { hash, X509Certificate } from "node:crypto";

const shared = new Map<string, WeakRef<X509Certificate>>();
const unused = new FinalizationRegistry<string>((name) => {
  if (shared.get(name)?.deref() === undefined) shared.delete(name);
});

/** @param der of a certificate @returns the same for the same bytes, for as long as it is in use @throws Error if it is none */
export function sharedCertificate(der: Buffer): X509Certificate {
  const name = hash("sha256", der, "base64");
  const known = shared.get(name)?.deref();
  if (known !== undefined) return known;
  const certificate = new X509Certificate(der);
  shared.set(name, new WeakRef(certificate));
  unused.register(certificate, name);
  return certificate;
}
